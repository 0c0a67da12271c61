import { expect } from 'chai'
import { maxClaims } from '../../src/core/state.ts'
import type { Status } from '../../src/core/messages.ts'
import {
  batchOf,
  broadcasts,
  certificate,
  Driver,
  Group,
  only,
  stateDigest,
  unheard,
} from '../support/cores.ts'
import type { ReplicaEffect } from '../../src/core/protocol.ts'

const a = batchOf('a')

/** The status of a replica that executed so far and tells the digests of `count` states. */
function statusAt(lastExecuted: bigint, count = 1, digestAt = stateDigest): Status {
  return {
    ...{ type: 'status', view: 0n, active: true, lastExecuted, lowWatermark: 0n },
    ...{ viewChanges: [], slots: [], query: 0n, reply: 0n },
    ...unheard,
    digests: Array.from({ length: count }, (_, index) => digestAt(lastExecuted - BigInt(index))),
  }
}

const lie = (sequence: bigint): string => stateDigest(sequence + 1_000n)

/** Replica 3 of four, at the first status interval in which it executed nothing. */
function stuckDriver(options: Parameters<Driver['restart']>[1] = {}, executed = 0n): Driver {
  const driver = new Driver({ id: 3, ...options }, [], executed)
  driver.step({ type: 'start' })
  driver.fire('status')
  return driver
}

const fireStatus = (driver: Driver, times: number): ReplicaEffect[] =>
  Array.from({ length: times }, () => driver.fire('status')).flat()

const targets = (effects: readonly ReplicaEffect[]): unknown[] =>
  only(effects, 'transfer').map(({ sequence, digest, replicas }) => [
    ...[sequence, digest],
    [...replicas].sort((a, b) => a - b),
  ])

/**
 * Replicas 0 to 2 executed 1 to 3 and are in view 1, where 2 did not prepare them again; replica 3
 * executed nothing and is alone in view 2. So there are commits of two replicas for either view.
 * Checkpoints are lost.
 */
function aloneInLaterView(checkpointPeriod = 10): Group {
  const group = new Group(4, { checkpointPeriod })
  type Envelope = Parameters<Group['drop']>[0]
  const isCheckpoint = ({ message }: Envelope) =>
    message.type === 'checkpoint' || message.type === 'certificate'
  const isOf3 = ({ from, to }: Envelope) => from === 3 || to === 3
  group.drop = (envelope) => isOf3(envelope) || isCheckpoint(envelope)
  for (const name of ['a', 'b', 'c']) group.propose(name)
  group.drop = (envelope) => {
    const isPrepareTo2 = envelope.message.type === 'prepare' && envelope.to === 2
    return isOf3(envelope) || isCheckpoint(envelope) || isPrepareTo2
  }
  group.suspect(0, 2)
  group.drop = ({ message }) => !['new-view', 'fetch-batch', 'batch'].includes(message.type)
  group.act(1, { type: 'message', from: 3, message: statusAt(0n, 0) })
  group.suspect(3)
  group.drop = isCheckpoint
  return group
}

describe('PBFT (TOCS ’02): a weak certificate for the state of others that are ahead', () => {
  it('brings a replica that is alone in a later view level while the network is idle', () => {
    const group = aloneInLaterView()
    expect(group.at(3).core.inspect()).to.include({ view: 2n, active: false, lastExecuted: 0n })
    expect(group.at(0).core.inspect()).to.include({ view: 1n, active: true, lastExecuted: 3n })
    group.exchangeStatus(6)
    expect(group.executed[3]).to.deep.equal([{ sequence: 3n, digest: 'transferred' }])
    expect(group.at(3).core.inspect()).to.include({ lastExecuted: 3n, transferring: false })
    group.propose('d')
    expect(group.executed[3]!.at(-1), 'and goes on by itself').to.deep.equal({
      sequence: 4n,
      digest: batchOf('d').digest,
    })
  })

  it('is made of f + 1 equal claims, and followed after stuckIntervals intervals without progress', () => {
    const driver = stuckDriver({ stuckIntervals: 3 })
    for (const from of [1, 2]) driver.receive(from, statusAt(2n))
    expect(targets(fireStatus(driver, 2))).to.deep.equal([])
    expect(targets(fireStatus(driver, 1))).to.deep.equal([[2n, stateDigest(2n), [1, 2]]])
  })

  it('is not followed while this replica still executes: the intervals are counted anew', () => {
    const driver = stuckDriver({ stuckIntervals: 3 })
    for (const from of [1, 2]) driver.receive(from, statusAt(8n))
    fireStatus(driver, 2)
    driver.prePrepare(1n, a)
    for (const from of [0, 1, 2]) driver.commit(from, 1n, a)
    driver.executed(1n)
    expect(targets(fireStatus(driver, 3))).to.deep.equal([])
    expect(targets(fireStatus(driver, 1))).to.have.length(1)
  })

  it('counts no interval before there is one, however long the network was idle', () => {
    const driver = stuckDriver({ stuckIntervals: 3 }, 2n)
    for (const from of [0, 1, 2]) driver.receive(from, statusAt(2n, 2))
    fireStatus(driver, 20)
    for (const from of [1, 2]) driver.receive(from, statusAt(4n))
    expect(targets(fireStatus(driver, 2))).to.deep.equal([])
  })

  it('is nothing that f liars can make, alone or together, whatever they say', () => {
    const one = stuckDriver()
    for (let i = 0; i < 10; i++) one.receive(1, statusAt(2n, 2, lie))
    one.receive(2, statusAt(2n))
    expect(targets(fireStatus(one, 10)), 'one of four').to.deep.equal([])
    const two = stuckDriver({ n: 7, id: 3 })
    for (const from of [1, 2]) two.receive(from, statusAt(2n, 2, lie))
    for (const from of [4, 5]) two.receive(from, statusAt(2n))
    expect(targets(fireStatus(two, 10)), 'two of seven').to.deep.equal([])
    two.receive(6, statusAt(2n))
    expect(targets(fireStatus(two, 10))).to.deep.equal([[2n, stateDigest(2n), [4, 5, 6]]])
  })

  it('counts what each replica said last', () => {
    const driver = stuckDriver()
    for (const from of [1, 2]) driver.receive(from, statusAt(2n, 2, lie))
    driver.receive(1, statusAt(2n))
    expect(targets(fireStatus(driver, 10))).to.deep.equal([])
  })

  it('for what this replica executed itself is ignored', () => {
    const driver = stuckDriver({}, 2n)
    for (const from of [0, 1, 2]) driver.receive(from, statusAt(2n, 2, lie))
    expect(
      fireStatus(driver, 10).filter((e) => ['transfer', 'fail'].includes(e.type)),
    ).to.deep.equal([])
  })

  it('for a number above the high watermark is left to the stable checkpoint', () => {
    const driver = stuckDriver() // L = 8
    for (const from of [1, 2]) driver.receive(from, statusAt(9n))
    expect(targets(fireStatus(driver, 10))).to.deep.equal([])
    for (const from of [1, 2]) driver.receive(from, statusAt(9n, 2))
    expect(targets(fireStatus(driver, 3))).to.deep.equal([[8n, stateDigest(8n), [1, 2]]])
  })

  it('is for the highest number that f + 1 name, though they are at different ones', () => {
    const driver = stuckDriver()
    driver.receive(0, statusAt(4n, 4))
    driver.receive(1, statusAt(3n, 3))
    driver.receive(2, statusAt(6n, 6, lie))
    expect(targets(fireStatus(driver, 3))).to.deep.equal([[3n, stateDigest(3n), [0, 1]]])
  })

  it('is for the highest number also when f + 1 name a lower one first', () => {
    const driver = stuckDriver()
    driver.receive(0, statusAt(2n))
    for (const from of [1, 2]) driver.receive(from, statusAt(4n, 3))
    fireStatus(driver, 3)
    expect(driver.of('transfer').map(({ sequence }) => sequence)).to.deep.equal([4n])
  })

  it('begins one transfer at a time, and another when that has failed', () => {
    const driver = stuckDriver()
    for (const from of [1, 2]) driver.receive(from, statusAt(2n))
    expect(targets(fireStatus(driver, 10))).to.have.length(1)
    driver.step({ type: 'transferFailed' })
    for (const from of [0, 1]) driver.receive(from, statusAt(4n))
    expect(targets(fireStatus(driver, 1))).to.deep.equal([[4n, stateDigest(4n), [0, 1]]])
  })

  it('waits for the execution that is running, and for what comes next in the log', () => {
    const driver = stuckDriver({ maxExecutionsInFlight: 1 })
    for (const sequence of [1n, 2n]) {
      driver.prePrepare(sequence, batchOf(`request ${sequence}`))
      for (const from of [0, 1, 2]) driver.commit(from, sequence, batchOf(`request ${sequence}`))
    }
    for (const from of [1, 2]) driver.receive(from, statusAt(8n))
    expect(targets(fireStatus(driver, 10))).to.deep.equal([])
    driver.executed(1n)
    driver.executed(2n)
    expect(targets(fireStatus(driver, 4))).to.deep.equal([[8n, stateDigest(8n), [1, 2]]])
  })

  it('lets nothing be executed until the transfer ends, and then what follows it', () => {
    const driver = stuckDriver()
    for (const from of [1, 2]) driver.receive(from, statusAt(2n))
    fireStatus(driver, 3)
    for (const sequence of [1n, 3n]) {
      driver.prePrepare(sequence, a)
      for (const from of [0, 1, 2]) driver.commit(from, sequence, a)
    }
    expect(driver.of('execute')).to.deep.equal([])
    driver.step({ type: 'transferred', sequence: 2n, digest: stateDigest(2n) })
    expect(driver.of('execute').map((e) => e.sequence)).to.deep.equal([3n])
  })

  it('that the transfer does not come out at stops the replica', () => {
    const driver = stuckDriver()
    for (const from of [1, 2]) driver.receive(from, statusAt(3n))
    fireStatus(driver, 3)
    driver.step({ type: 'transferred', sequence: 3n, digest: 'ff' })
    expect(driver.of('fail').map((f) => f.code)).to.deep.equal(['PBFT_STATE_DIVERGED'])
  })
})

describe('claims in status messages', () => {
  it('are made down to where the replica that is furthest behind is, while one is', () => {
    const group = new Group(4, { checkpointPeriod: 10 })
    for (const name of ['a', 'b', 'c']) group.propose(name)
    const driver = group.at(0)
    const told = (): readonly string[] | undefined =>
      broadcasts(driver.fire('status'), 'status')[0]?.digests
    for (const from of [1, 2, 3]) driver.receive(from, statusAt(3n, 0))
    expect(told(), 'all level').to.deep.equal([])
    driver.receive(2, statusAt(1n, 0))
    expect(told()).to.deep.equal([stateDigest(3n), stateDigest(2n)])
    driver.receive(1, statusAt(7n, 0))
    driver.receive(2, statusAt(7n, 0))
    expect(told(), 'itself behind').to.deep.equal([])
  })

  it('are of the last maxClaims numbers at most', () => {
    const group = new Group(4, { checkpointPeriod: 2 * maxClaims })
    for (let i = 1; i <= maxClaims + 1; i++) group.propose(`request ${i}`)
    const driver = group.at(0)
    driver.receive(3, statusAt(0n, 0))
    const [status] = broadcasts(driver.fire('status'), 'status')
    expect(status?.digests).to.have.length(maxClaims)
    expect(status?.digests.at(-1)).to.equal(stateDigest(2n))
  })

  it('after a restart or a state transfer are of what was executed since', () => {
    const driver = new Driver({ id: 1, checkpointPeriod: 10 }, [], 5n)
    driver.step({ type: 'start' })
    driver.receive(3, statusAt(0n, 0))
    expect(toldBy(driver)).to.deep.equal([stateDigest(5n)])
    for (const from of [0, 2]) driver.receive(from, statusAt(8n))
    fireStatus(driver, 3)
    driver.step({ type: 'transferred', sequence: 8n, digest: stateDigest(8n) })
    expect(toldBy(driver)).to.deep.equal([stateDigest(8n)])
  })

  it('after a restart or a state transfer are of what the state machine knows of the way there, too', () => {
    const driver = new Driver({ id: 1, checkpointPeriod: 10 }, [], 5n)
    driver.step({ type: 'start', earlier: [4n, 3n].map(stateDigest) })
    driver.receive(3, statusAt(0n, 0))
    expect(toldBy(driver)).to.deep.equal([5n, 4n, 3n].map(stateDigest))
    for (const from of [0, 2]) driver.receive(from, statusAt(8n))
    fireStatus(driver, 3)
    const earlier = [7n, 6n, 5n].map(stateDigest)
    driver.step({ type: 'transferred', sequence: 8n, digest: stateDigest(8n), earlier })
    expect(toldBy(driver)).to.deep.equal([8n, 7n, 6n, 5n].map(stateDigest))
  })

  it('are not fewer because the state machine knows less than this replica', () => {
    const driver = new Driver({ id: 1, checkpointPeriod: 10 }, [], 5n)
    driver.step({ type: 'start', earlier: [4n, 3n].map(stateDigest) })
    for (const from of [0, 2]) driver.receive(from, statusAt(6n))
    driver.receive(3, statusAt(0n, 0))
    fireStatus(driver, 4)
    const event = { type: 'transferred', sequence: 6n, digest: stateDigest(6n) } as const
    driver.step({ ...event, earlier: [stateDigest(5n)] })
    expect(toldBy(driver)).to.deep.equal([6n, 5n, 4n, 3n].map(stateDigest))
  })

  it('are of the last maxClaims numbers at most, whatever the state machine tells', () => {
    const executed = BigInt(maxClaims) + 10n
    const driver = new Driver({ id: 1, checkpointPeriod: 2 * maxClaims }, [], executed)
    const numbers = Array.from({ length: maxClaims + 9 }, (_, index) => executed - BigInt(index))
    driver.step({ type: 'start', earlier: numbers.slice(1).map(stateDigest) })
    driver.receive(3, statusAt(0n, 0))
    expect(toldBy(driver)).to.deep.equal(numbers.slice(0, maxClaims).map(stateDigest))
  })
})

/** The digests in its next status message. */
function toldBy(driver: Driver): readonly string[] | undefined {
  return broadcasts(driver.fire('status'), 'status')[0]?.digests
}

describe('a replica whose state came by a weak certificate', () => {
  it('asks for no batch below, whatever commits still come, and repeats no prepare of it', () => {
    const driver = transferred(3n, (before) => before.prePrepare(1n, a))
    expect(broadcasts(fireStatus(driver, 3), 'prepare')).to.deep.equal([])
    for (const from of [0, 1, 2]) driver.commit(from, 2n, a)
    expect(
      only(driver.effects, 'send').filter((e) => e.message.type === 'fetch-batch'),
    ).to.deep.equal([])
  })

  it('is where it was after a restart, says what it had said, and goes on', () => {
    const before = transferred(3n, (driver) => {
      driver.prePrepare(1n, a)
      for (const from of [1, 2]) driver.prepare(from, 1n, a)
    })
    const after = before.restart(3n)
    after.step({ type: 'start' })
    expect(after.core.inspect()).to.include({ lastExecuted: 3n, lowWatermark: 0n, failed: false })
    const [left] = broadcasts(after.step({ type: 'suspect', view: 0n }), 'view-change')
    expect(left?.prepared.map((claim) => claim.sequence)).to.deep.equal([1n])
    expect(left?.prePrepared.map((claim) => claim.sequence)).to.deep.equal([1n])
    for (const from of [0, 1, 2]) after.commit(from, 4n, a)
    after.receive(0, { type: 'batch', batch: a })
    expect(after.of('execute').map((e) => e.sequence)).to.deep.equal([4n])
    const [signed] = broadcasts(after.executed(4n), 'checkpoint')
    expect(signed).to.include({ sequence: 4n, digest: stateDigest(4n) })
  })

  it('signs for the checkpoint that it arrived at', () => {
    const effects = transferred(2n).effects
    const [signed] = broadcasts(effects, 'checkpoint')
    expect(signed).to.include({ sequence: 2n, digest: stateDigest(2n) })
  })

  it('follows a stable checkpoint that went past it meanwhile', () => {
    const driver = stuckDriver()
    for (const from of [1, 2]) driver.receive(from, statusAt(3n))
    fireStatus(driver, 3)
    driver.receive(0, { type: 'certificate', checkpoints: certificate(6n) })
    driver.step({ type: 'transferred', sequence: 3n, digest: stateDigest(3n) })
    expect(driver.of('transfer').map((t) => t.sequence)).to.deep.equal([3n, 6n])
  })

  it('as primary assigns nothing meanwhile, and no number that others executed afterwards', () => {
    const primary = stuckDriver({ id: 0 })
    for (const from of [1, 2]) primary.receive(from, statusAt(3n))
    fireStatus(primary, 3)
    expect(primary.core.room()).to.equal(0)
    expect(primary.core.isBehind(), 'nor blames another').to.equal(true)
    primary.step({ type: 'transferred', sequence: 3n, digest: stateDigest(3n) })
    const [sent] = broadcasts(primary.step({ type: 'propose', batch: a }), 'pre-prepare')
    expect(sent?.sequence).to.equal(4n)
    expect(primary.core.isBehind()).to.equal(false)
  })

  it('beyond a checkpoint that it cannot sign still makes the next one stable, with f silent', () => {
    const group = aloneInLaterView(2)
    group.exchangeStatus(6)
    expect(group.executed[3]).to.deep.equal([{ sequence: 3n, digest: 'transferred' }])
    // Replica 2, the primary of view 2, is silent from now on: 0, 1 and 3 are the quorum.
    group.drop = ({ from, to }) => from === 2 || to === 2
    group.exchangeStatus(3)
    expect(group.at(0).core.inspect().lowWatermark, 'of checkpoint 2 there are two').to.equal(0n)
    group.suspect(0, 1)
    group.act(3, { type: 'propose', batch: batchOf('d') })
    for (const id of [0, 1, 3])
      expect(group.at(id).core.inspect(), `replica ${id}`).to.include({
        lastExecuted: 4n,
        lowWatermark: 4n,
      })
  })
})

/** Replica 3 after a transfer to `sequence` that two others claimed; `before` happens before it. */
function transferred(
  sequence: bigint,
  before: (driver: Driver) => unknown = () => undefined,
): Driver {
  const driver = stuckDriver()
  before(driver)
  for (const from of [1, 2]) driver.receive(from, statusAt(sequence))
  fireStatus(driver, 3)
  driver.step({ type: 'transferred', sequence, digest: stateDigest(sequence) })
  return driver
}
