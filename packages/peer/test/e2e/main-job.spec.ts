import { expect } from 'chai'
import { execFileSync } from 'node:child_process'
import { open } from 'node:fs/promises'
import { eventually } from '../support/eventually.ts'
import { type Heddle, Sandbox, gone, isAlive, pidsOf, recordLines, run } from '../support/heddle.ts'
import { provenHeight } from '../support/proof.ts'
import type { Proof } from '../../src/network/proof.ts'

const accounts = JSON.stringify({ alice: 100, bob: 50 })

const lines = [
  '{"from": "alice", "to": "bob", "amount": 30}',
  '{"from": "alice", "to": "carol", "amount": 1000}',
  '{"from": "nobody", "to": "bob", "amount": 1}',
  '{"id": "order-1", "item": "heddle", "price": 12.50}',
  '{"id": "order-1", "item": "heddle", "price": 12.50}',
  '{"measured": 4.25, "at": "noon"}',
  '',
]

describe('the main job with real processes', function () {
  this.timeout(120_000)
  const sandbox = new Sandbox()
  /** After the first run. */
  let height = 0
  before(() => sandbox.open())
  after(() => sandbox.close())

  it('runs an input through four validators, proves it, and leaves no process', async () => {
    const input = await sandbox.file('input.ndjson', lines.join('\n'))
    const genesis = await sandbox.file('accounts.json', accounts)
    const args = ['network', 'up', '--exit', '--json', '--dir', sandbox.path('net')]
    const first = await run([...args, '--input', input, '--genesis-accounts', genesis])
    expect(first.status, first.stderr).to.equal(0)
    const summary = first.heddle.find('summary')
    expect(summary).to.include({ accepted: 4, rejected: 2, notSubmitted: 0 })
    expect(summary?.['proof']).to.have.property('held', true)
    height = provenHeight(summary?.['proof'] as Proof)
    const started = first.heddle.find('started')?.['network'] as Parameters<typeof pidsOf>[0]
    expect(started.validators).to.have.length(4)
    const descriptor = await sandbox.descriptor('net')
    expect(pidsOf(descriptor), 'no process id is left in network.json').to.deep.equal([])
  })

  it('continues on the same ledgers: the same lines are new transactions', async () => {
    const args = ['network', 'up', '--exit', '--json', '--dir', sandbox.path('net')]
    const second = await run([...args, '--input', sandbox.path('input.ndjson')])
    expect(second.status, second.stderr).to.equal(0)
    const summary = second.heddle.find('summary')
    expect(summary).to.include({ accepted: 4, rejected: 2 })
    const proof = second.heddle.find('summary')?.['proof'] as Proof
    expect(provenHeight(proof)).to.be.greaterThan(height)
  })

  it('refuses another number of validators for the same folder', async () => {
    const args = ['network', 'up', '--exit', '--validators', '7', '--dir', sandbox.path('net')]
    const refused = await run([...args, '--input', sandbox.path('input.ndjson')])
    expect(refused.status).to.equal(64)
    expect(refused.stderr)
      .to.match(/has 4 validators, not 7/)
      .and.match(/try: /)
  })

  it('reports malformed lines with their numbers and executes all others', async () => {
    const content = `${lines[0]}\nnot json\n[1, 2]\n{"from": "bob", "to": "alice", "amount": 1}\n`
    const input = await sandbox.file('malformed.ndjson', content)
    const args = ['network', 'up', '--exit', '--json', '--dir', sandbox.path('net')]
    const result = await run([...args, '--input', input])
    expect(result.status).to.equal(65)
    expect(result.stderr)
      .to.match(/line 2: not JSON/)
      .and.match(/line 3: not a JSON object/)
    expect(result.heddle.find('summary')).to.include({ accepted: 2, notSubmitted: 2 })
    expect(result.heddle.find('summary')?.['proof']).to.have.property('held', true)
  })

  it('serves other terminals until it is stopped, and stops with all its processes', async () => {
    const dir = ['--dir', sandbox.path('net')]
    const up = sandbox.start([
      'network',
      'up',
      '--json',
      ...dir,
      '--input',
      sandbox.path('input.ndjson'),
    ])
    await up.until(({ json }) => json.some(({ type }) => type === 'summary'))
    const pids = pidsOf(await sandbox.descriptor('net'))
    expect(pids).to.have.length(4)

    const again = await run(['network', 'up', '--exit', ...dir])
    expect(again.status, 'a second network up').to.equal(75)
    expect(again.stderr).to.match(/a network runs in/)

    const submitted = await run(['submit', ...dir, '--json'], {
      input: '{"from": "bob", "to": "dora", "amount": 7}\n{"id": "order-1", "other": true}\n',
    })
    const members = submitted.heddle.json.map((outcome) => Object.keys(outcome).join(' '))
    expect(members).to.deep.equal([
      'line txId contract block accepted',
      'line txId contract block accepted reason',
    ])
    expect(submitted.status, submitted.stderr).to.equal(3)
    expect(submitted.stderr).to.match(
      /^accepted: 1; rejected: 1 \(id exists with other content: line 2\)$/m,
    )
    expect(submitted.heddle.json.map(({ accepted }) => accepted)).to.deep.equal([true, false])

    const dora = await run(['query', 'accounts', 'dora', ...dir])
    expect(dora).to.include({ status: 0, stdout: '7' })
    const order = await run(['query', 'records', 'order-1', ...dir])
    expect(order.stdout).to.equal('{"id": "order-1", "item": "heddle", "price": 12.50}')
    const missing = await run(['query', 'accounts', 'zoe', ...dir])
    expect(missing.status).to.equal(66)

    const status = await run(['network', 'status', '--json', ...dir])
    expect(status.heddle.json.map(({ activeView }) => activeView)).to.deep.equal([
      true,
      true,
      true,
      true,
    ])

    const blocks = await run(['blocks', '--json', ...dir])
    expect(blocks.status, blocks.stderr).to.equal(0)
    const chain = blocks.heddle.json
    expect(chain.length).to.be.greaterThan(3)
    for (const [index, block] of chain.entries()) {
      expect(block['number'], `block ${index}`).to.equal(index)
      if (index > 0) expect(block['previousHash']).to.equal(chain[index - 1]?.['hash'])
    }

    const stop = await run(['network', 'stop', ...dir])
    expect(stop.status, stop.stderr).to.equal(0)
    expect(await up.ended).to.equal(0)
    expect(pids.filter(isAlive), 'processes left').to.deep.equal([])
    expect((await run(['network', 'stop', ...dir])).status, 'nothing to stop').to.equal(69)
  })

  it('leaves no validator behind when it is killed, and starts again on the same folder', async () => {
    const args = ['network', 'up', '--json', '--dir', sandbox.path('net')]
    const up = sandbox.start([...args, '--input', sandbox.path('input.ndjson')])
    await up.until(({ json }) => json.some(({ type }) => type === 'summary'))
    const pids = pidsOf(await sandbox.descriptor('net'))
    up.child.kill('SIGKILL')
    await gone(pids)
    const next = await run([...args, '--exit', '--input', sandbox.path('input.ndjson')])
    expect(next.status, next.stderr).to.equal(0)
  })

  it('says on Ctrl-C how many lines were acknowledged, and which were not', async () => {
    const input = await sandbox.file('many.ndjson', recordLines('many', 50_000))
    const dir = ['--dir', sandbox.path('net')]
    const up = sandbox.start(['network', 'up', '--exit', '--json', ...dir, '--input', input])
    await up.until((heddle) => Number(heddle.find('progress')?.['accepted']) > 0)
    up.child.kill('SIGINT')
    expect(await up.ended, up.stderr).to.equal(130)
    expect(up.stderr).to.match(/^lines sent: [\d,]+, the last is line \d+; acknowledged: [\d,]+/m)
  })

  it('refuses genesis accounts for a network that is there', async () => {
    const accounts = await sandbox.file('accounts.json', '{"alice": 5}')
    const dir = ['--dir', sandbox.path('net')]
    const up = await run(['network', 'up', '--exit', ...dir, '--genesis-accounts', accounts])
    expect(up.status).to.equal(64)
    expect(up.stderr).to.match(/already has its genesis accounts: they cannot be changed/)
  })

  describe('while one terminal runs it', () => {
    let up: Heddle
    let dir: readonly string[] = []
    before(async () => {
      dir = ['--dir', sandbox.path('net')]
      up = sandbox.start(['network', 'up', '--json', ...dir, '--input', '-'])
      await up.until(({ json }) => json.some(({ type }) => type === 'summary'))
    })

    it('prints on Ctrl-C in submit what became of the lines of which that is known', async () => {
      const input = await sandbox.file('broken.ndjson', `broken\n${recordLines('kept', 50_000)}`)
      const submit = sandbox.start(['submit', '--json', ...dir, input])
      const from = String(provenHeight(up.find('summary')?.['proof'] as Proof))
      const blocks = sandbox.start(['blocks', '--follow', '--json', ...dir, '--from', from])
      const isKept = ({ transactions }: Record<string, unknown>): boolean =>
        (transactions as unknown[]).length > 100
      await blocks.until(({ json }) => json.filter(isKept).length > 5)
      blocks.child.kill('SIGINT')
      submit.child.kill('SIGINT')
      expect(await submit.ended, submit.stderr).to.equal(130)
      expect(submit.stderr)
        .to.match(/^line 1: not JSON/m)
        .and.to.match(/^lines sent: /m)
      const [broken, kept] = submit.json
      expect(broken).to.have.all.keys('line', 'problem').and.to.include({ line: 1 })
      expect(kept).to.include({ line: 2, accepted: true })
    })

    it('answers the lines of a named pipe as they come, and ends on Ctrl-C though it gives no more', async () => {
      execFileSync('mkfifo', [sandbox.path('pipe')])
      const submit = sandbox.start(['submit', '--json', ...dir, sandbox.path('pipe')])
      const writer = await open(sandbox.path('pipe'), 'w')
      await writer.write('broken\n{"id":"piped"}\n')
      await submit.until(({ json }) => json.some(({ line }) => line === 2))
      await submit.until(({ stderr }) => /^line 1: not JSON/m.test(stderr))
      await submit.until(({ stderr }) => stderr.includes('waiting for lines of'))
      submit.child.kill('SIGINT')
      expect(await submit.ended, submit.stderr).to.equal(130)
      await writer.close()
      expect(submit.stderr)
        .to.match(/^accepted: 1; rejected: 0; not submitted: 1$/m)
        .and.to.match(/^lines sent: 1, /m)
    })

    it('starts a validator again that has ended, when another terminal asks, and no other', async () => {
      const start = (name: string) => run(['network', 'start', name, ...dir])
      const runs = await start('validator2')
      expect(runs.status, runs.stderr).to.equal(64)
      expect(runs.stderr).to.match(/validator2 runs already, as process \d+/)
      const [, , third = 0] = pidsOf(await sandbox.descriptor('net'))
      process.kill(third, 'SIGTERM')
      await up.until(({ stderr }) => stderr.includes('validator2 gave up'))
      expect((await start('validator9')).stderr).to.include('there is no validator validator9')
      const started = await start('validator2')
      expect(started.status, started.stderr).to.equal(0)
      await eventually('all four take part', async () => {
        const { heddle } = await run(['network', 'status', '--json', ...dir])
        const active = heddle.json.filter(({ activeView }) => activeView === true)
        return active.length === 4
      })
      expect(pidsOf(await sandbox.descriptor('net'))[2]).not.to.equal(third)
    })

    it('stops everything on Ctrl-C', async () => {
      const pids = pidsOf(await sandbox.descriptor('net'))
      expect(pids).to.have.length(4)
      up.child.kill('SIGINT')
      expect(await up.ended).to.equal(0)
      expect(pids.filter(isAlive)).to.deep.equal([])
    })
  })
})
