import { expect } from 'chai'
import {
  batchOf,
  broadcasts,
  certificate,
  checkpoint,
  Driver,
  Group,
  only,
  rejectCodes,
} from '../support/cores.ts'

describe('PBFT (OSDI ’99) §4.3: checkpoints', () => {
  it('§4.3 a replica multicasts a checkpoint at every multiple of K', () => {
    const group = new Group(4)
    for (const name of ['a', 'b', 'c', 'd', 'e']) group.propose(name)
    const sent = broadcasts(group.at(1).effects, 'checkpoint').map((c) => c.sequence)
    expect(sent).to.deep.equal([2n, 4n])
  })

  it('§4.3 2f + 1 checkpoints for one number and digest, its own included, move h to it', () => {
    const driver = new Driver({ id: 1 }, [], 2n)
    driver.step({ type: 'start' })
    driver.receive(2, checkpoint(2, 2n))
    expect(driver.core.inspect().lowWatermark).to.equal(0n)
    driver.receive(3, checkpoint(3, 2n))
    expect(driver.core.inspect().lowWatermark).to.equal(2n)
    expect(driver.core.inspect().highWatermark).to.equal(10n)
  })

  it('§4.3 checkpoints for different digests do not add up', () => {
    const driver = new Driver({ id: 1 })
    driver.receive(0, checkpoint(0, 2n, 'aa'))
    driver.receive(2, checkpoint(2, 2n, 'bb'))
    driver.receive(3, checkpoint(3, 2n, 'cc'))
    expect(driver.core.inspect().lowWatermark).to.equal(0n)
  })

  it('§4.3 a stable checkpoint discards what lies at and below it', () => {
    const group = new Group(4)
    group.propose('a')
    group.propose('b')
    group.propose('c')
    const kept = group
      .at(1)
      .core.durableRecords()
      .filter((r) => r.type === 'pre-prepared')
    expect(kept.map((r) => r.sequence)).to.deep.equal([3n])
    expect(only(group.at(1).effects, 'stable').map((s) => s.sequence)).to.deep.equal([2n])
  })

  it('§4.3 the watermarks let execution go on past the window', () => {
    const group = new Group(4, { checkpointPeriod: 2, logMultiplier: 2 })
    for (let i = 1; i <= 7; i++) group.propose(`request ${i}`)
    expect(group.digests(3)).to.have.length(7)
    expect(group.at(3).core.inspect().lowWatermark).to.equal(6n)
  })

  it('§4.3 the primary stops assigning numbers half a window, or two checkpoints, above h', () => {
    const primary = new Driver({ id: 0, checkpointPeriod: 2, logMultiplier: 8 })
    expect(primary.core.room()).to.equal(8)
    const narrow = new Driver({ id: 0, checkpointPeriod: 2, logMultiplier: 2 })
    for (let i = 0; i < 4; i++) narrow.step({ type: 'propose', batch: batchOf(`request ${i}`) })
    expect(narrow.core.room()).to.equal(0)
  })

  it('§4.3 a checkpoint that is no multiple of K is refused', () => {
    const driver = new Driver({ id: 1 })
    expect(rejectCodes(driver.receive(2, checkpoint(2, 3n)))).to.deep.equal([
      'PBFT_INVALID_CHECKPOINT',
    ])
  })

  it('§4.3 a relayed certificate moves h, and the state follows when the log is gone', () => {
    const driver = new Driver({ id: 3 })
    const relayed = { type: 'certificate', checkpoints: certificate(4n) } as const
    const [transfer] = only(driver.receive(0, relayed), 'transfer')
    expect(transfer).to.include({ sequence: 4n })
    expect(transfer?.replicas).to.deep.equal([0, 1, 2])
    driver.step({ type: 'transferred', sequence: 4n, digest: transfer!.digest })
    expect(driver.core.inspect()).to.include({ lastExecuted: 4n, transferring: false })
  })

  it('§4.3 a certificate of fewer than 2f + 1 replicas, or with one twice, proves nothing', () => {
    const driver = new Driver({ id: 3 })
    const two = certificate(4n).slice(0, 2)
    for (const checkpoints of [two, [...two, two[0]!]]) {
      const effects = driver.receive(0, { type: 'certificate', checkpoints })
      expect(rejectCodes(effects)).to.deep.equal(['PBFT_INVALID_CHECKPOINT'])
    }
  })

  it('§4.6.2 a state transfer announces the checkpoint that it reached, once', () => {
    const driver = new Driver({ id: 3 })
    driver.receive(0, { type: 'certificate', checkpoints: certificate(4n) })
    const { digest } = driver.of('transfer')[0]!
    const effects = driver.step({ type: 'transferred', sequence: 4n, digest })
    expect(broadcasts(effects, 'checkpoint').map((c) => c.sequence)).to.deep.equal([4n])
  })

  it('a transfer that fails is tried again at the next status interval', () => {
    const driver = new Driver({ id: 3 })
    driver.step({ type: 'start' })
    driver.receive(0, { type: 'certificate', checkpoints: certificate(4n) })
    driver.step({ type: 'transferFailed' })
    driver.fire('status')
    driver.fire('status')
    expect(driver.of('transfer')).to.have.length(2)
  })

  it('a transfer that ends below a newer stable checkpoint is followed by another one', () => {
    const driver = new Driver({ id: 3 })
    driver.receive(0, { type: 'certificate', checkpoints: certificate(2n) })
    const { digest } = driver.of('transfer')[0]!
    driver.receive(0, { type: 'certificate', checkpoints: certificate(4n) })
    driver.step({ type: 'transferred', sequence: 2n, digest })
    expect(driver.of('transfer').map((t) => t.sequence)).to.deep.equal([2n, 4n])
  })

  it('a state transfer waits for the execution that is running', () => {
    const driver = new Driver({ id: 3 })
    for (const sequence of [1n, 2n]) {
      driver.prePrepare(sequence, batchOf(`request ${sequence}`))
      for (const from of [0, 1, 2]) driver.commit(from, sequence, batchOf(`request ${sequence}`))
    }
    driver.receive(0, { type: 'certificate', checkpoints: certificate(20n) })
    expect(driver.of('transfer')).to.have.length(0)
    driver.executed(1n)
    expect(driver.of('transfer')).to.have.length(0)
    driver.executed(2n)
    expect(driver.of('transfer').map((t) => t.sequence)).to.deep.equal([20n])
  })

  it('a replica that can execute to the stable checkpoint from its log does not transfer', () => {
    const driver = new Driver({ id: 3 })
    for (const sequence of [1n, 2n]) {
      driver.prePrepare(sequence, batchOf(`request ${sequence}`))
      for (const from of [0, 1, 2]) driver.commit(from, sequence, batchOf(`request ${sequence}`))
    }
    driver.receive(0, { type: 'certificate', checkpoints: certificate(2n) })
    driver.executed(1n)
    driver.executed(2n)
    expect(driver.of('transfer')).to.deep.equal([])
    expect(driver.core.inspect()).to.include({ lastExecuted: 2n, lowWatermark: 2n })
  })

  it('a replica that executes to another state than is stable asks for no signature under it', () => {
    const driver = new Driver({ id: 3 })
    for (const sequence of [1n, 2n]) {
      driver.prePrepare(sequence, batchOf(`request ${sequence}`))
      for (const from of [0, 1, 2]) driver.commit(from, sequence, batchOf(`request ${sequence}`))
    }
    driver.receive(0, { type: 'certificate', checkpoints: certificate(2n) })
    driver.executed(1n)
    const effects = driver.core.step({ type: 'executed', sequence: 2n, digest: 'ff' })
    expect(effects.map(({ type }) => type)).to.deep.equal(['fail'])
  })

  it('a replica whose state differs from a stable checkpoint stops, and a lie of f replicas does not stop it', () => {
    const driver = new Driver({ id: 1 }, [], 2n)
    driver.step({ type: 'start' })
    driver.receive(2, checkpoint(2, 2n, 'ff'))
    expect(driver.of('fail')).to.deep.equal([])
    driver.receive(3, checkpoint(3, 2n, 'ff'))
    driver.receive(0, checkpoint(0, 2n, 'ff'))
    expect(driver.of('fail').map((f) => f.code)).to.deep.equal(['PBFT_STATE_DIVERGED'])
    expect(driver.core.inspect().failed).to.equal(true)
  })
})
