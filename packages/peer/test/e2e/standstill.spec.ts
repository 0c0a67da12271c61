import { expect } from 'chai'
import { accountsContract, encodeBalance } from '../../src/rules/rules-2/accounts.ts'
import { alterState, forgetState, markRebuilt } from '../support/altered-state.ts'
import { rebuildAfterMs } from '../../src/node/divergence.ts'
import { standstillLimits } from '../../src/node/standstill.ts'
import { eventually } from '../support/eventually.ts'
import { linesAbout, overFor, seenBy } from '../support/seen.ts'
import { withNetwork } from '../support/with-network.ts'
import type { HealthCheck } from '../../src/operations/server.ts'
import type { Heddle, JsonLine } from '../support/heddle.ts'
import type { Validators } from '../support/validators.ts'

const line = JSON.stringify({ from: 'alice', to: 'bob', amount: 50 })

const differ = 'heddle_condition{condition="results-differ"'

const rebuilds = 'state diverged: it is set aside and rebuilt from the blocks'

/** A network of four; the state of `odd` is wrong, as with a fault of memory, disk or software. */
function withOdd(odd: readonly string[], rebuiltBefore: (names: string[]) => readonly string[]) {
  return withNetwork({
    argsOf: async (sandbox) => [
      '--genesis-accounts',
      await sandbox.file('accounts.json', '{"alice": 100}'),
    ],
    beforeStart: async (network) => {
      const change = { namespace: accountsContract, key: 'alice', value: encodeBalance(10n) }
      for (const name of odd) await alterState(network.config(name), change)
      for (const name of rebuiltBefore(network.names)) await markRebuilt(network.config(name), 1n)
    },
  })
}

const none = (): readonly string[] => []

/** The kind: validators execute the same and come to other results; nobody lies, nobody is down. */
describe('two validators of four with other results, rebuilt before in vain', function () {
  this.timeout(180_000)
  const odd = ['validator2', 'validator3']
  const suite = withOdd(odd, (names) => names)
  const { sandbox } = suite
  let network: Validators
  let submitting: Heddle

  before(() => {
    ;({ network } = suite)
    submitting = sandbox.start(['submit', '--dir', network.dir], { input: `${line}\n` })
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

  async function expectMetrics(): Promise<void> {
    const request = 'heddle_oldest_request_age_seconds'
    const ages = await Promise.all(network.names.map((name) => metric(name, request)))
    expect(Math.max(...ages), 'where it was submitted').to.be.above(0)
    for (const name of network.names) {
      expect(await metric(name, differ)).to.equal(1)
      expect(await metric(name, 'heddle_oldest_unsigned_block_age_seconds')).to.be.above(0)
      expect(lines(name, 'not well')).to.have.length(1)
    }
  }

  it('are seen on all four, each naming the other two', async () => {
    for (const name of network.names) {
      const others = odd.includes(name) ? [0, 1] : [2, 3]
      let reply = { status: 0, body: '' }
      await eventually(`${name} is not well`, async () => {
        reply = await network.operations(name, '/healthz')
        return reply.body.includes('results-differ')
      })
      expect(reply.status).to.equal(503)
      const { failed_checks: failed } = JSON.parse(reply.body) as { failed_checks: HealthCheck[] }
      expect(failed).to.have.length(1)
      const condition = 'results-differ'
      expect(failed[0]).to.deep.include({ component: 'orderer.signatures', condition })
      const [started] = network.process(name).json.filter(({ msg }) => msg === 'started')
      expect(failed[0]!.since > String(started?.['time']), 'since, later than the start').to.equal(
        true,
      )
      expect(failed[0]?.reason).to.match(
        new RegExp(`^results of block 1 differ from those of validators ${others.join(', ')}; `),
      )
      await eventually(`${name} warns`, () => lines(name, 'not well').length > 0)
      const [warning] = lines(name, 'not well')
      expect(warning).to.deep.include({ level: 'warn', block: 1, validators: others })
      expect(warning!['cure']).to.match(/^wait: .* rebuilt from its blocks after 20 s/)
      // By its own clock, since it executed the block.
      expect(warning!['seconds']).to.be.at.least(standstillLimits.differingMs / 1000)
    }
  })

  it('stand in network status and in the metrics, and in the log once', async () => {
    const text = await sandbox.run(['network', 'status', '--dir', network.dir])
    const { heddle } = await sandbox.run(['network', 'status', '--json', '--dir', network.dir])
    await expectMetrics()
    expect(
      text.stdout.match(/ {2}FAILED {2}orderer\.signatures: results of block 1 differ/g),
    ).to.have.length(4)
    for (const status of heddle.json) {
      const [problem, ...others] = status['problems'] as JsonLine[]
      expect(problem).to.include({ severity: 'failed', condition: 'results-differ' })
      expect(others).to.deep.equal([])
      expect(status).to.include({ unsignedBlocks: 1 })
    }
    expect(submitting.running, 'nothing was acknowledged').to.equal(true)
  })

  it('stay up, and are not well, for as long as nobody has a quorum', async () => {
    const age = 'heddle_oldest_unsigned_block_age_seconds'
    for (const name of network.names) {
      const isLate = async () => (await metric(name, age)) > rebuildAfterMs / 1000 + 5
      await eventually(`${name} might have rebuilt its state`, isLate)
      expect((await network.operations(name, '/healthz')).status).to.equal(503)
    }
    await expectMetrics()
  })

  it('go on by themselves when the others agree again', async () => {
    for (const name of odd) {
      await network.kill(name)
      await forgetState(network.config(name))
      network.start(name)
    }
    expect(await submitting.ended, submitting.stderr).to.equal(0)
    for (const name of network.names)
      await eventually(`${name} is well`, () => network.healthy(name))
    await network.level()
    for (const name of network.names) expect(await metric(name, differ), name).to.equal(0)
  })
})

describe('two validators of four with other results', function () {
  this.timeout(180_000)
  const odd = ['validator2', 'validator3']
  const suite = withOdd(odd, none)

  it('rebuild the wrong state by themselves, and are well again with the right one', async () => {
    const { network, sandbox } = suite
    const submitted = await sandbox.run(['submit', '--dir', network.dir], { input: `${line}\n` })
    expect(submitted.status, submitted.stderr).to.equal(0)
    for (const name of network.names)
      await eventually(`${name} is well`, () => network.healthy(name))
    await network.level()
    for (const name of odd) {
      const rebuilt = network.process(name).json.filter(({ msg }) => msg === rebuilds)
      expect(rebuilt, name).to.have.length(1)
      expect(rebuilt[0]).to.include({ level: 'error', block: 1 })
    }
  })
})

describe('one validator of four with other results', function () {
  this.timeout(180_000)
  const others = ['validator0', 'validator1', 'validator2']
  const suite = withOdd(['validator3'], none)

  it('is named by the other three, and not any more when it signs as they do', async () => {
    const { network, sandbox } = suite
    const submitted = await sandbox.run(['submit', '--dir', network.dir], { input: `${line}\n` })
    expect(submitted.status, submitted.stderr).to.equal(0)
    const reason = /validator3 does not sign block 1 as a quorum did$/
    const what = { condition: 'validator-diverged', about: 'validator3', reason } as const
    await seenBy(others, what, { network, sandbox })
    for (const name of others) {
      expect(await network.healthy(name)).to.equal(true)
      const lines = linesAbout(network, name, 'validator-diverged', 'validator3')
      expect(lines, `lines of ${name}`).to.have.length(1)
    }
    // It rebuilds its state.
    await overFor(others, 'validator-diverged', network)
    await network.level()
    expect(await network.healthy('validator3')).to.equal(true)
  })
})

describe('one validator of four with other results, rebuilt before in vain', function () {
  this.timeout(180_000)
  const suite = withOdd(['validator3'], () => ['validator3'])

  it('ends with the cure, and the others go on', async () => {
    const { network, sandbox } = suite
    const submitted = await sandbox.run(['submit', '--dir', network.dir], { input: `${line}\n` })
    expect(submitted.status, submitted.stderr).to.equal(0)
    const process = network.process('validator3')
    expect(await process.ended).to.equal(74)
    expect(process.stderr).to.match(/block 1, also after its state was rebuilt from its blocks/)
    expect(process.stderr).to.match(/move the folder `ledger` away/)
    for (const name of network.names.slice(0, 3)) expect(await network.healthy(name)).to.equal(true)
  })
})
