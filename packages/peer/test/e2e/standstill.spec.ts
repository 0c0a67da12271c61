import { expect } from 'chai'
import { accountsContract, encodeBalance } from '../../src/rules/rules-2/accounts.ts'
import { alterState, forgetState } from '../support/altered-state.ts'
import { eventually } from '../support/eventually.ts'
import { Sandbox } from '../support/heddle.ts'
import { linesAbout, overFor, seenBy } from '../support/seen.ts'
import { Validators } from '../support/validators.ts'
import type { HealthCheck } from '../../src/operations/server.ts'
import type { Heddle, JsonLine } from '../support/heddle.ts'

const line = JSON.stringify({ from: 'alice', to: 'bob', amount: 50 })

const differ = 'heddle_condition{condition="results-differ"'

/** The kind: validators execute the same and come to other results; nobody lies, nobody is down. */
describe('two validators of four with other results', function () {
  this.timeout(180_000)
  const sandbox = new Sandbox()
  let network: Validators
  let submitting: Heddle
  const odd = ['validator2', 'validator3']

  before(async () => {
    await sandbox.open()
    const accounts = await sandbox.file('accounts.json', '{"alice": 100}')
    network = await Validators.make(sandbox, 'net', { args: ['--genesis-accounts', accounts] })
    const value = encodeBalance(10n)
    for (const name of odd)
      await alterState(network.config(name), { namespace: accountsContract, key: 'alice', value })
    await network.startAll()
    submitting = sandbox.start(['submit', '--dir', network.dir], { input: `${line}\n` })
  })
  after(async () => {
    try {
      await network.stop()
    } finally {
      await sandbox.close()
    }
  })

  function lines(name: string, event: string): JsonLine[] {
    return network
      .process(name)
      .json.filter(({ msg, condition }) => msg === event && condition === 'results-differ')
  }

  async function metric(name: string, start: string): Promise<number> {
    const text = await network.operations(name, '/metrics')
    return Number(
      text.body
        .split('\n')
        .find((each) => each.startsWith(start))
        ?.split(' ')
        .at(-1),
    )
  }

  it('are seen on all four within 10 s, each naming the other two', async () => {
    for (const name of network.names) {
      const others = odd.includes(name) ? [0, 1] : [2, 3]
      let reply = { status: 0, body: '' }
      await eventually(`${name} is not well`, async () => {
        reply = await network.operations(name, '/healthz')
        return reply.status === 503
      })
      const { failed_checks: failed } = JSON.parse(reply.body) as { failed_checks: HealthCheck[] }
      expect(failed).to.have.length(1)
      const condition = 'results-differ'
      expect(failed[0]).to.deep.include({ component: 'orderer.signatures', condition })
      expect(Date.parse(failed[0]!.since)).to.be.within(Date.now() - 60_000, Date.now())
      expect(failed[0]?.reason).to.match(
        new RegExp(`^results of block 1 differ from those of validators ${others.join(', ')}; `),
      )
      await eventually(`${name} warns`, () => lines(name, 'not well').length > 0)
      const [warning] = lines(name, 'not well')
      expect(warning).to.deep.include({ level: 'warn', block: 1, validators: others })
      expect(warning!['cure']).to.match(/remove ledger\/state/)
      // By its own clock, since it executed the block: however busy this machine is.
      expect(warning!['seconds']).to.be.within(1, 9)
    }
  })

  it('stand in network status and in the metrics, and in the log once', async () => {
    const text = await sandbox.run(['network', 'status', '--dir', network.dir])
    expect(
      text.stdout.match(/ {2}FAILED {2}orderer\.signatures: results of block 1 differ/g),
    ).to.have.length(4)
    const { heddle } = await sandbox.run(['network', 'status', '--json', '--dir', network.dir])
    for (const status of heddle.json) {
      const [problem, ...others] = status['problems'] as JsonLine[]
      expect(problem).to.include({ severity: 'failed', condition: 'results-differ' })
      expect(others).to.deep.equal([])
      expect(status).to.include({ unsignedBlocks: 1 })
    }
    const request = 'heddle_oldest_request_age_seconds'
    const ages = await Promise.all(network.names.map((name) => metric(name, request)))
    expect(Math.max(...ages), 'where it was submitted').to.be.above(0)
    for (const name of network.names) {
      expect(await metric(name, differ)).to.equal(1)
      expect(await metric(name, 'heddle_oldest_unsigned_block_age_seconds')).to.be.above(0)
      expect(lines(name, 'not well')).to.have.length(1)
    }
    expect(submitting.running, 'nothing was acknowledged').to.equal(true)
  })

  it('are well again, and so are the others, with the right state', async () => {
    for (const name of odd) {
      await network.kill(name)
      await forgetState(network.config(name))
      network.start(name)
    }
    expect(await submitting.ended, submitting.stderr).to.equal(0)
    for (const name of network.names)
      await eventually(`${name} is well`, () => network.healthy(name))
    await network.level()
    for (const name of ['validator0', 'validator1']) {
      await eventually(`${name} tells`, () => lines(name, 'well again').length === 1)
      expect(lines(name, 'well again')[0]).to.deep.include({ level: 'info', block: 1 })
      await eventually(`${name} counts`, async () => (await metric(name, differ)) === 0)
    }
  })
})

describe('one validator of four with other results', function () {
  this.timeout(180_000)
  const sandbox = new Sandbox()
  let network: Validators
  const others = ['validator0', 'validator1', 'validator2']

  before(async () => {
    await sandbox.open()
    const accounts = await sandbox.file('accounts.json', '{"alice": 100}')
    network = await Validators.make(sandbox, 'net', { args: ['--genesis-accounts', accounts] })
    const change = { namespace: accountsContract, key: 'alice', value: encodeBalance(10n) }
    await alterState(network.config('validator3'), change)
    await network.startAll()
  })
  after(async () => {
    try {
      await network.stop()
    } finally {
      await sandbox.close()
    }
  })

  it('is named by the other three within 10 s, and not any more when it signs as they do', async () => {
    const submitted = await sandbox.run(['submit', '--dir', network.dir], { input: `${line}\n` })
    expect(submitted.status, submitted.stderr).to.equal(0)
    const from = Date.now()
    const reason = /validator3 does not sign block 1 as a quorum did$/
    const what = { condition: 'validator-diverged', about: 'validator3', reason } as const
    await seenBy(others, what, { network, sandbox })
    for (const name of others) {
      expect(await network.healthy(name)).to.equal(true)
      const lines = linesAbout(network, name, 'validator-diverged', 'validator3')
      expect(lines, `lines of ${name}`).to.have.length(1)
      expect(Date.parse(lines[0]!['time'] as string)).to.be.below(from + 10_000)
    }
    await network.kill('validator3')
    await forgetState(network.config('validator3'))
    network.start('validator3')
    await overFor(others, 'validator-diverged', network)
    await network.level()
  })
})
