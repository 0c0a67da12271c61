import { expect } from 'chai'
import { transactionCounts } from '../support/chain.ts'
import { eventually } from '../support/eventually.ts'
import { Sandbox, recordLines } from '../support/heddle.ts'
import { Load } from '../support/load.ts'
import { withNetwork } from '../support/with-network.ts'
import type { Validators } from '../support/validators.ts'

/** Acknowledgements after which a network counts as working again: several blocks. */
const some = 200

/** How many are killed one after the other under load. More: HEDDLE_KILLS=60. */
const kills = Number(process.env['HEDDLE_KILLS'] ?? 1)

/** A silent primary is replaced after that long: shorter than the default, so that tests are, too. */
const env = { CORE_PBFT_GENERAL_TIMEOUT_REQUEST: '2s' }

describe('kill -9 of a validator during load', function () {
  this.timeout(120_000)
  const suite = withNetwork({ batchSize: 100, env, underLoad: true })
  let network: Validators
  let load: Load

  before(() => {
    ;({ network, load } = suite)
  })

  const killed = new Set<string>()
  for (const role of ['a backup', 'the primary', 'another backup', 'the next primary']) {
    describe(`of ${role}`, () => {
      let victim = ''
      let others: string[] = []

      it('lets the load go on without it', async () => {
        await load.more(some)
        const primary = await network.primary()
        const backup = network.names.find((name) => name !== primary && !killed.has(name))
        victim = role.endsWith('primary') ? primary : (backup ?? '')
        others = network.names.filter((name) => name !== victim)
        killed.add(victim)
        await network.kill(victim)
        await load.more(2 * some)
        if (role.endsWith('primary')) expect(await network.primary()).not.to.equal(victim)
      })

      it('loses no acknowledged transaction and executes none twice', async () => {
        await load.pause()
        expect(load.acknowledged).to.have.length(load.sent)
        await network.level(others)
        await suite.expectExactlyOnce(others)
      })

      it('lets it catch up without new traffic when it is started again', async () => {
        const before = await network.level(others)
        network.start(victim, { env })
        expect(await network.level(), 'nothing was added meanwhile').to.deep.equal(before)
        await suite.expectExactlyOnce([victim])
        await network.ready()
        load.resume()
      })
    })
  }
})

describe('validators killed one after the other, while the load goes on', function () {
  this.timeout(120_000)
  const suite = withNetwork({ batchSize: 100, env, underLoad: true })
  let network: Validators
  let load: Load

  before(() => {
    ;({ network, load } = suite)
  })

  for (let count = 1; count <= kills; count++)
    it(`come back, the others go on: ${count} of ${kills}`, async () => {
      const victim = network.names[(count * 7) % 4]!
      await load.more(20 * (count % 10))
      await network.kill(victim)
      await load.more(100)
      network.start(victim, { env })
      await network.ready()
    })

  it('lose no acknowledged transaction and execute none twice', async () => {
    await load.pause()
    expect(load.acknowledged).to.have.length(load.sent)
    await network.level()
    await suite.expectExactlyOnce(network.names)
  })
})

describe('an acknowledgement that is lost', function () {
  this.timeout(120_000)
  const suite = withNetwork({ batchSize: 100, env })

  it('makes the client send the same transaction to another validator, and it executes once', async () => {
    const { network } = suite
    const backup = network.names.find((_, index) => index === 3)!
    const { orderer } = network.described(backup)
    const endpoint = network.client.endpoints.filter(({ address }) => address === orderer)
    // However late it answers: nothing goes to another one before the connection breaks.
    const load = new Load(network.client, 'resent', endpoint, { spreadAfterMs: Infinity })
    try {
      await load.start()
      await load.more(some)
      expect(new Set(load.acknowledged.map(({ address }) => address))).to.deep.equal(
        new Set([orderer]),
      )
      // From here on it says nothing; what it had passed on is ordered by the others.
      network.process(backup).kill('SIGSTOP')
      const other = network.described(network.names[0]!).orderer
      let inChain: string[] = []
      await eventually('a transaction without acknowledgement stands in a block', async () => {
        const counts = await transactionCounts(network.client, other)
        inChain = [...load.unacknowledged].filter((txId) => counts.has(txId))
        return inChain.length > 0
      })
      await network.kill(backup)
      await load.pause()

      const counts = await transactionCounts(network.client, other)
      for (const txId of inChain) expect(counts.get(txId), txId).to.equal(1)
      expect(counts.size, 'all that was sent').to.equal(load.sent)
      expect([...counts.values()].filter((count) => count !== 1)).to.deep.equal([])
      const again = load.acknowledged.filter(({ txId }) => inChain.includes(txId))
      expect(again.map(({ address }) => address)).not.to.include(orderer)
    } finally {
      await load.stop()
    }
    network.start(backup, { env })
    await network.level()
  })
})

describe('kill -9 of a validator that `network up` has started', function () {
  this.timeout(120_000)
  const sandbox = new Sandbox()
  before(() => sandbox.open())
  after(() => sandbox.close())

  it('starts it again, and the proof still holds', async () => {
    const count = 3000
    const up = sandbox.start(
      [
        'network',
        'up',
        '--exit',
        '--json',
        '--batch-size',
        '100',
        '--dir',
        sandbox.path('net'),
      ].concat(['--input', await sandbox.file('input.ndjson', recordLines('r', count))]),
    )
    await up.until((heddle) => Number(heddle.find('progress')?.['accepted'] ?? 0) > count / 5)
    const primary = String(up.find('progress')?.['primary'])
    const { validators } = await sandbox.descriptor('net')
    process.kill(validators.find(({ name }) => name === primary)!.pid!, 'SIGKILL')
    expect(await up.ended, up.stderr).to.equal(0)
    expect(up.stderr).to.include(`${primary} ended (SIGKILL) and was started again`)
    expect(up.find('summary')).to.include({ accepted: count, rejected: 0, notSubmitted: 0 })
    expect(up.find('summary')?.['proof']).to.have.property('held', true)
  })
})
