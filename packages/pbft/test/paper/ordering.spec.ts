import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { NULL_BATCH } from '../../src/core/messages.ts'
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

const a = batchOf('a')
const b = batchOf('b')

describe('PBFT (OSDI ’99) §4.2: ordering a request', () => {
  it('§4.2 the primary assigns sequence numbers without gaps and multicasts the pre-prepare', () => {
    const primary = new Driver({ id: 0 })
    const effects = [
      ...primary.step({ type: 'propose', batch: a }),
      ...primary.step({ type: 'propose', batch: b }),
    ]
    const sent = broadcasts(effects, 'pre-prepare')
    expect(sent.map((m) => [m.view, m.sequence, m.batch.digest])).to.deep.equal([
      [0n, 1n, a.digest],
      [0n, 2n, b.digest],
    ])
  })

  it('§4.2 a backup that accepts a pre-prepare multicasts a prepare with its view, number and digest', () => {
    const backup = new Driver({ id: 1 })
    const [prepare] = broadcasts(backup.prePrepare(1n, a), 'prepare')
    expect(prepare).to.include({ view: 0n, sequence: 1n, digest: a.digest })
  })

  it('§4.2 a backup accepts no pre-prepare from anybody but the primary', () => {
    const backup = new Driver({ id: 1 })
    const effects = backup.prePrepare(1n, a, 0n, 2)
    expect(rejectCodes(effects)).to.deep.equal(['PBFT_NOT_PRIMARY'])
    expect(broadcasts(effects, 'prepare')).to.deep.equal([])
  })

  it('§4.2 a backup accepts no pre-prepare of another view', () => {
    const backup = new Driver({ id: 1 })
    expect(broadcasts(backup.prePrepare(1n, a, 4n), 'prepare')).to.deep.equal([])
  })

  it('§4.2 a backup accepts no second pre-prepare for the same view and number with another digest', () => {
    const backup = new Driver({ id: 1 })
    backup.prePrepare(1n, a)
    const effects = backup.prePrepare(1n, b)
    expect(rejectCodes(effects)).to.deep.equal(['PBFT_CONFLICT'])
    expect(broadcasts(effects, 'prepare')).to.deep.equal([])
  })

  it('§4.2 a backup accepts no sequence number outside of the watermarks', () => {
    const backup = new Driver({ id: 1 })
    expect(rejectCodes(backup.prePrepare(9n, a)), 'above H').to.deep.equal(['PBFT_OUT_OF_WINDOW'])
    expect(broadcasts(backup.prePrepare(0n, a), 'prepare'), 'at h').to.deep.equal([])
    expect(broadcasts(backup.prePrepare(8n, a), 'prepare'), 'at H').to.have.length(1)
  })

  it('§4.2 prepared needs the pre-prepare and 2f prepares of different backups', () => {
    const backup = new Driver({ id: 1 })
    expect(broadcasts(backup.prepare(2, 1n, a), 'commit'), 'no pre-prepare').to.deep.equal([])
    expect(broadcasts(backup.prePrepare(1n, a), 'commit'), 'own and one other').to.have.length(1)
  })

  it('§4.2 prepares for another digest do not prepare', () => {
    const backup = new Driver({ id: 1 })
    backup.prePrepare(1n, a)
    const effects = [...backup.prepare(2, 1n, b), ...backup.prepare(3, 1n, b)]
    expect(broadcasts(effects, 'commit')).to.deep.equal([])
  })

  it('§4.2 the same backup counts once', () => {
    const primary = new Driver({ id: 0 })
    primary.step({ type: 'propose', batch: a })
    const effects = [...primary.prepare(2, 1n, a), ...primary.prepare(2, 1n, a)]
    expect(broadcasts(effects, 'commit')).to.deep.equal([])
    expect(broadcasts(primary.prepare(3, 1n, a), 'commit')).to.have.length(1)
  })

  it('§4.2 a prepare of the primary does not count: its pre-prepare stands for it', () => {
    const backup = new Driver({ id: 1 })
    backup.prePrepare(1n, a)
    expect(broadcasts(backup.prepare(0, 1n, a), 'commit')).to.deep.equal([])
  })

  it('§4.2 committed needs 2f + 1 commits that match', () => {
    const backup = new Driver({ id: 1 })
    backup.prePrepare(1n, a)
    backup.prepare(2, 1n, a)
    backup.commit(0, 1n, b)
    expect(only(backup.commit(2, 1n, a), 'execute'), 'own, one other').to.deep.equal([])
    const [execute] = only(backup.commit(3, 1n, a), 'execute')
    expect(execute).to.include({ sequence: 1n, batch: a })
  })

  it('§4.2 commits of different views do not add up', () => {
    const backup = new Driver({ id: 1 })
    backup.prePrepare(1n, a)
    for (const [from, view] of [
      [0, 0n],
      [2, 1n],
      [3, 2n],
      [0, 2n],
    ] as const)
      expect(only(backup.commit(from, 1n, a, view), 'execute')).to.deep.equal([])
    expect(only(backup.commit(2, 1n, a, 2n), 'execute'), 'a quorum in view 2').to.have.length(1)
  })

  it('§4.2 requests are executed in the order of their numbers, whatever order they commit in', () => {
    const backup = new Driver({ id: 1 })
    for (const [sequence, batch] of [
      [2n, b],
      [1n, a],
    ] as const) {
      backup.prePrepare(sequence, batch)
      for (const from of [2, 3]) backup.prepare(from, sequence, batch)
      for (const from of [2, 3]) backup.commit(from, sequence, batch)
    }
    expect(backup.of('execute').map((e) => e.sequence)).to.deep.equal([1n, 2n])
  })

  it('§4.2 messages that come before the pre-prepare count when it comes', () => {
    const backup = new Driver({ id: 1 })
    for (const from of [2, 3]) backup.prepare(from, 1n, a)
    for (const from of [0, 2, 3]) backup.commit(from, 1n, a)
    expect(only(backup.prePrepare(1n, a), 'execute')).to.have.length(1)
  })

  it('§4.2 all replicas execute the same batches when all are correct', () => {
    const group = new Group(4)
    for (const name of ['a', 'b', 'c']) group.propose(name)
    const expected = ['a', 'b', 'c'].map((name) => batchOf(name).digest)
    for (const id of [0, 1, 2, 3])
      expect(group.digests(id), `replica ${id}`).to.deep.equal(expected)
  })

  it('§4.2 seven replicas tolerate two silent ones', () => {
    const group = new Group(7)
    group.drop = ({ from }) => from >= 5
    group.propose('a')
    for (const id of [0, 1, 2, 3, 4]) expect(group.digests(id)).to.have.length(1)
  })

  it('§4.2 one replica alone executes what it proposes', () => {
    const group = new Group(1)
    group.propose('a')
    expect(group.digests(0)).to.deep.equal([a.digest])
  })

  it('§4.4 null requests come from new views only', () => {
    const backup = new Driver({ id: 1 })
    expect(rejectCodes(backup.prePrepare(1n, NULL_BATCH))).to.deep.equal(['PBFT_EMPTY_BATCH'])
  })

  it('§4.4 the digest of the null request is the SHA-256 of nothing, as for any batch', () => {
    expect(NULL_BATCH.digest).to.equal(createHash('sha256').digest('hex'))
  })

  it('§4.2 a replica logs its pre-prepare and its prepared state before it speaks of them', () => {
    const backup = new Driver({ id: 1 })
    const types = [...backup.prePrepare(1n, a), ...backup.prepare(2, 1n, a)]
      .filter((e) => e.type === 'persist' || e.type === 'broadcast')
      .map((e) => (e.type === 'persist' ? e.record.type : e.message.type))
      .filter((type) => type !== 'heard')
    expect(types).to.deep.equal(['pre-prepared', 'prepare', 'prepared', 'commit'])
  })

  describe('the next step is the primary’s', () => {
    const backup = (id = 2): Driver => {
      const driver = new Driver({ id })
      driver.step({ type: 'start' })
      return driver
    }

    it('until it proposes, and when all have committed but the primary; at backups of a view that is on', () => {
      const driver = backup()
      expect(driver.core.awaitsPrimary()).to.equal(true)
      driver.prePrepare(1n, a)
      expect(driver.core.awaitsPrimary(), 'proposed').to.equal(false)
      driver.prepare(3, 1n, a)
      expect(driver.core.awaitsPrimary(), 'prepared: it lacks the commit of the primary').to.equal(
        true,
      )
      driver.commit(0, 1n, a)
      expect(driver.core.awaitsPrimary(), 'it lacks that of another').to.equal(false)
      driver.commit(3, 1n, a)
      expect(driver.core.awaitsPrimary(), 'executing').to.equal(false)
      driver.executed(1n)
      expect(driver.core.awaitsPrimary(), 'executed').to.equal(true)
      driver.step({ type: 'suspect', view: 0n })
      expect(driver.core.awaitsPrimary(), 'left').to.equal(false)
      expect(backup(0).core.awaitsPrimary(), 'itself').to.equal(false)
    })

    it('not when the others decided without this replica, which lacks the batch', () => {
      const driver = backup()
      for (const from of [0, 1, 3]) driver.commit(from, 1n, a)
      expect(driver.core.awaitsPrimary()).to.equal(false)
    })

    it('not while this replica executes what the others committed without the primary', () => {
      const driver = backup()
      driver.prePrepare(1n, a)
      driver.prepare(3, 1n, a)
      for (const from of [1, 3]) driver.commit(from, 1n, a)
      expect(driver.of('execute')).to.have.length(1)
      expect(driver.core.awaitsPrimary()).to.equal(false)
    })

    it('not while this replica fetches the state of the others', () => {
      const driver = backup()
      driver.receive(0, { type: 'certificate', checkpoints: certificate(2n) })
      expect(driver.core.inspect().transferring).to.equal(true)
      expect(driver.core.awaitsPrimary()).to.equal(false)
    })

    it('not where it must wait for a checkpoint', () => {
      const driver = backup()
      for (let sequence = 1n; sequence <= 4n; sequence++) {
        expect(driver.core.awaitsPrimary(), `${sequence}`).to.equal(true)
        driver.prePrepare(sequence, a)
        for (const from of [0, 1, 3]) driver.commit(from, sequence, a)
        driver.executed(sequence)
      }
      expect(driver.core.awaitsPrimary(), 'L / 2 above h').to.equal(false)
      for (const from of [0, 1]) driver.receive(from, checkpoint(from, 2n))
      expect(driver.core.awaitsPrimary()).to.equal(true)
    })
  })
})
