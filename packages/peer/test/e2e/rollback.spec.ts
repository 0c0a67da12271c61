import { expect } from 'chai'
import { cp, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { blockSigners, transactionCounts } from '../support/chain.ts'
import { eventually } from '../support/eventually.ts'
import { recordLines } from '../support/heddle.ts'
import { Load } from '../support/load.ts'
import { linesAbout, seenBy } from '../support/seen.ts'
import { withNetwork } from '../support/with-network.ts'
import type { Condition } from '../../src/node/conditions.ts'
import type { JsonLine } from '../support/heddle.ts'
import type { Validators } from '../support/validators.ts'

/** Shorter than the defaults, so that tests are, too. */
const env = { CORE_PBFT_GENERAL_TIMEOUT_REQUEST: '2s', CORE_PBFT_GENERAL_TIMEOUT_VIEWCHANGE: '2s' }

/** Acknowledgements after which a network counts as working again: several blocks. */
const some = 150

/** How many validators are set back under load, one after the other. More: HEDDLE_ROLLBACKS=20. */
const rollbacks = Number(process.env['HEDDLE_ROLLBACKS'] ?? 2)

const batchSize = 100

const dataOf = (network: Validators, name: string): string =>
  join(dirname(network.config(name)), 'data')

/** What a validator that does not run keeps, for later. @returns where */
async function copyOf(network: Validators, name: string, tag: string): Promise<string> {
  const copy = `${dataOf(network, name)}-${tag}`
  await cp(dataOf(network, name), copy, { recursive: true })
  return copy
}

async function setBack(network: Validators, name: string, copy: string): Promise<void> {
  await rm(dataOf(network, name), { recursive: true })
  await cp(copy, dataOf(network, name), { recursive: true })
}

function lines(network: Validators, name: string, event: string): JsonLine[] {
  return network.process(name).json.filter(({ msg }) => msg === event)
}

/** What `/healthz` says has failed. */
async function failed(network: Validators, name: string): Promise<Condition[]> {
  const { body } = await network.operations(name, '/healthz')
  const { failed_checks: checks = [] } = JSON.parse(body) as { failed_checks?: Condition[] }
  return checks
}

/** Without another one the next view comes, and a quorum needs every vote, that of `name` too. */
async function expectVotes(network: Validators, load: Load, name: string): Promise<void> {
  const primary = await network.primary()
  const other = primary === name ? network.names.find((each) => each !== name)! : primary
  await network.kill(other)
  await load.more(some)
  await eventually(`${name} votes`, () => network.healthy(name))
  network.start(other, { env })
  await eventually(`${other} works`, () => network.healthy(other))
}

/** Started again, it catches up, and votes for what comes then: there is something to forget. */
async function startAndVote(network: Validators, load: Load, name: string): Promise<void> {
  network.start(name, { env })
  await eventually(`${name} works`, () => network.healthy(name))
  await load.pause()
  await network.level()
  load.resume()
  await load.more(some)
}

/** Goes on until `name` votes, or waits for nothing but the next view. @returns whether it waits */
async function awaitsView(network: Validators, load: Load, name: string): Promise<boolean> {
  let checks: Condition[] = []
  await eventually(`${name} waits for the next view alone, or is in it`, async () => {
    await load.more(some)
    checks = await failed(network, name)
    return checks.length === 0 || checks.some(({ reason }) => / before view /.test(reason))
  })
  return checks.length > 0
}

/** All is level, what was acknowledged is in every chain, and nothing is there twice. */
async function expectProof(network: Validators, load: Load): Promise<void> {
  await network.level()
  for (const name of network.names) {
    const counts = await transactionCounts(network.client, network.described(name).orderer)
    const lost = load.acknowledged.filter(({ txId }) => !counts.has(txId))
    expect(lost, `acknowledged and not in the chain of ${name}`).to.deep.equal([])
    expect([...counts.values()].filter((count) => count > 1)).to.deep.equal([])
  }
}

describe('validators set back to older copies under load', function () {
  this.timeout(180_000 + rollbacks * 60_000)
  const suite = withNetwork({ batchSize, env, underLoad: true })
  const { sandbox } = suite
  let network: Validators
  let load: Load
  before(async () => {
    ;({ network, load } = suite)
    await load.more(some)
  })

  it('say so, and vote again when the others have gone on', async () => {
    const name = 'validator3'
    await network.kill(name)
    const copy = await copyOf(network, name, 'copy')
    await startAndVote(network, load, name)
    // Then it goes on saying so.
    await load.pause()
    await network.kill(name)
    await setBack(network, name, copy)
    network.start(name, { env })
    const reason = /heard more from it/
    await seenBy([name], { condition: 'rolled-back', reason }, { network, sandbox })
    load.resume()
    await awaitsView(network, load, name)
    await expectVotes(network, load, name)
  })

  for (let round = 0; round < rollbacks; round++)
    it(`say so, contradict nothing, and vote again: ${round + 1} of ${rollbacks}`, async () => {
      const name = network.names[round % network.names.length]!
      await network.kill(name)
      const copy = await copyOf(network, name, `copy-${round}`)
      await startAndVote(network, load, name)
      await network.kill(name)
      await setBack(network, name, copy)
      await rm(copy, { recursive: true })
      network.start(name, { env })
      await eventually(`${name} says that it was set back`, async () =>
        (await failed(network, name)).some(({ reason }) => /heard more from it/.test(reason)),
      )
      expect(lines(network, name, 'does not vote').length).to.be.at.least(1)
      // Time-outs may bring the next view before anybody looks.
      await awaitsView(network, load, name)
      await expectVotes(network, load, name)
    })

  it('leave everything that was acknowledged in every chain, once', async () => {
    await load.pause()
    await expectProof(network, load)
  })
})

describe('all validators set back, to copies of different ages without journals', function () {
  this.timeout(240_000)
  const suite = withNetwork({ batchSize, env, underLoad: true })
  let network: Validators
  let load: Load
  before(async () => {
    ;({ network, load } = suite)
    for (const name of network.names) {
      await load.more(some)
      await network.kill(name)
      await copyOf(network, name, 'copy')
      await load.more(some)
      network.start(name, { env })
      await eventually(`${name} works`, () => network.healthy(name))
    }
    await load.pause()
  })

  it('stand still, and each names the way out', async () => {
    for (const name of network.names) await network.kill(name)
    for (const name of network.names) {
      await setBack(network, name, `${dataOf(network, name)}-copy`)
      await rm(join(dataOf(network, name), 'journal'), { recursive: true })
    }
    await network.startAll(network.names, { env })
    for (const name of network.names)
      await eventually(`${name} says it`, async () =>
        (await failed(network, name)).some(({ reason }) => /--accept-lost-blocks/.test(reason)),
      )
  })

  it('go on from the furthest copy when all are told to', async () => {
    const heights = await Promise.all(
      network.names.map(async (name) => (await network.status(name)).height),
    )
    const furthest = heights.reduce((a, b) => (b > a ? b : a))
    for (const name of network.names) await network.kill(name)
    for (const name of network.names) network.start(name, { env, more: ['--accept-lost-blocks'] })
    await eventually('a quorum votes', async () => {
      const healthy = await Promise.all(network.names.map((name) => network.healthy(name)))
      return healthy.filter(Boolean).length >= 3
    })
    const { height } = await network.level()
    expect(height).to.equal(furthest)
    const next = new Load(network.client, 'next', network.client.endpoints)
    await next.start()
    // Who comes when a quorum of the others has gone on already waits for them, as after any restore.
    for (const name of network.names)
      if (await awaitsView(network, next, name)) await expectVotes(network, next, name)
    await next.pause()
    await expectProof(network, next)
    await next.stop()
  })
})

describe('three validators set back while one remembers', function () {
  this.timeout(180_000)
  const three = ['validator0', 'validator1', 'validator2']
  const suite = withNetwork({
    // Its data folders are there from a first run.
    ...{ batchSize, input: '', env },
    beforeStart: async (network) => {
      for (const name of three) await copyOf(network, name, 'copy')
    },
  })

  it('lose nothing, and say that they were set back, by their own signatures', async () => {
    const { network, sandbox } = suite
    // Fewer batches than a checkpoint, which would tell the other two what each of them signed.
    for (const id of ['a', 'b', 'c']) {
      const input = recordLines(id, 1)
      const sent = await sandbox.run(['submit', '--dir', network.dir], { input })
      expect(sent.status, sent.stderr).to.equal(0)
    }
    const { height } = await network.level()
    const { orderer } = network.described('validator3')
    const signers = await blockSigners(network.client, orderer)
    for (const name of network.names) await network.kill(name)
    for (const name of three) await setBack(network, name, `${dataOf(network, name)}-copy`)
    await network.startAll(network.names, { env })
    const reason = /it signed block \d+, batch \d+, and its journal knew of 0, its ledger of 0/
    const named = three.filter((name) => signers.has(name))
    expect(named, 'a quorum signed').to.have.length.of.at.least(2)
    await seenBy(named, { condition: 'set-back', reason }, { network, sandbox })
    expect(linesAbout(network, 'validator3', 'set-back')).to.deep.equal([])
    expect((await network.level()).height >= height, 'nothing is lost').to.equal(true)
  })
})

describe('three validators set back while the fourth is down', function () {
  this.timeout(240_000)
  const three = ['validator0', 'validator1', 'validator2']
  const suite = withNetwork({ batchSize, env })

  it('make another chain than it has: all four say so, with both blocks and who signed them', async () => {
    const { network, sandbox } = suite
    for (const name of network.names) await network.kill(name)
    for (const name of three) await copyOf(network, name, 'copy')
    await network.startAll(network.names, { env })
    const first = await sandbox.run(['submit', '--dir', network.dir], { input: '{"id":"a"}\n' })
    expect(first.status, first.stderr).to.equal(0)
    await network.level()
    for (const name of network.names) await network.kill(name)
    for (const name of three) await setBack(network, name, `${dataOf(network, name)}-copy`)
    await network.startAll(three, { env })
    for (const id of ['b', 'c']) {
      const other = await sandbox.run(['submit', '--dir', network.dir], {
        input: `${JSON.stringify({ id })}\n`,
      })
      expect(other.status, other.stderr).to.equal(0)
    }
    network.start('validator3', { env })
    const reason = /has another block 1 that a quorum signed/
    await seenBy(network.names, { condition: 'fork', reason }, { network, sandbox })
    for (const name of network.names) {
      const [line] = linesAbout(network, name, 'fork')
      expect(line).to.include({ block: 1 })
      expect(line).to.include.keys('ownHash', 'otherHash', 'ownSigners', 'otherSigners')
    }
  })
})
