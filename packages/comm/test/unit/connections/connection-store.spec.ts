import { VirtualClock } from '@heddle/events/testing'
import { expect } from 'chai'
import { ConnectionStore } from '../../../src/connections/connection-store.ts'
import { fakeConnection, fakeHost } from '../../support/fakes.ts'
import type { FakeHost } from '../../support/fakes.ts'

const graceMs = 1000
const simultaneousMs = 5000
const peerKey = '07'

describe('ConnectionStore', () => {
  let clock: VirtualClock
  let host: FakeHost
  let counts: number[]

  beforeEach(() => {
    clock = new VirtualClock()
    host = fakeHost()
    counts = []
  })

  const store = (ownPkiId: number, maxConnections = 10): ConnectionStore =>
    new ConnectionStore(clock, {
      ownPkiId: Uint8Array.of(ownPkiId),
      maxConnections,
      simultaneousMs,
      graceMs,
      onCount: (count) => counts.push(count),
    })
  type Made = ReturnType<typeof fakeConnection>
  const dialled = (establishedAt = 0): ReturnType<typeof fakeConnection> =>
    fakeConnection(host, { dialled: true, establishedAt })
  const accepted = (establishedAt = 0): ReturnType<typeof fakeConnection> =>
    fakeConnection(host, { dialled: false, establishedAt })

  it('finds a connection by PKI-ID, counts, and forgets only the very connection', () => {
    const connections = store(1)
    const one = accepted()
    const two = accepted(10)
    expect(connections.add(one.connection)).to.equal(one.connection)
    expect(connections.add(two.connection)).to.equal(two.connection)
    expect(connections.remove(one.connection)).to.deep.equal({
      active: two.connection,
      lost: false,
    })
    expect(connections.get(peerKey)).to.equal(two.connection)
    expect(connections.remove(two.connection)).to.deep.equal({ active: undefined, lost: true })
    expect(counts).to.deep.equal([1, 0])
  })

  it('keeps the newest of two that the peer opened, and hands over what waits', async () => {
    const connections = store(1)
    const one = accepted()
    one.stream.roomy = false
    for (const text of ['a', 'b']) one.connection.outgoing.offer(Buffer.from(text))
    const two = accepted(10)
    connections.add(one.connection)
    connections.add(two.connection)
    expect(two.stream.written.join()).to.equal('b')
    expect(one.connection.open).to.equal(false)
    await clock.advance(graceMs)
    expect(host.over).to.deep.equal([one.connection])
    expect(connections.get(peerKey)).to.equal(two.connection)
  })

  // The kind: two sides that judge the same two connections differently lose both.
  describe('of two that crossed', () => {
    const crossed = (own: number): { connections: ConnectionStore; ours: Made; theirs: Made } => {
      const connections = store(own)
      const [ours, theirs] = [dialled(), accepted(simultaneousMs)]
      connections.add(ours.connection)
      expect(connections.add(theirs.connection)).to.equal(ours.connection)
      return { connections, ours, theirs }
    }

    it('keeps the one it dialled when its PKI-ID is the smaller, and takes what comes on the other', async () => {
      const { connections, ours, theirs } = crossed(1)
      expect(clock.pending).to.equal(0)
      await clock.advance(100 * graceMs)
      expect(connections.get(peerKey)).to.equal(ours.connection)
      expect(theirs.connection.open, 'the side that dialled it ends it').to.equal(true)
      expect(connections.all()).to.have.length(2)
      theirs.connection.onRemoteDone()
      theirs.connection.onOver({ reason: undefined })
      expect(connections.remove(theirs.connection)).to.deep.equal({
        active: ours.connection,
        lost: false,
      })
    })

    it('keeps both when it has dialled itself: they are the two ends of one stream', async () => {
      const { connections, ours, theirs } = crossed(7)
      await clock.advance(100 * graceMs)
      expect(connections.get(peerKey)).to.equal(ours.connection)
      expect([ours.connection.open, theirs.connection.open]).to.deep.equal([true, true])
    })

    it('changes over to the other when its PKI-ID is the larger, after a while', async () => {
      const { connections, ours, theirs } = crossed(9)
      await clock.advance(graceMs - 1)
      expect(connections.get(peerKey)).to.equal(ours.connection)
      ours.stream.roomy = false
      for (const text of ['a', 'b']) ours.connection.outgoing.offer(Buffer.from(text))
      await clock.advance(1)
      expect(connections.get(peerKey)).to.equal(theirs.connection)
      expect([ours.stream.written.join(), theirs.stream.written.join()]).to.deep.equal(['a', 'b'])
      expect(ours.connection.open).to.equal(false)
      await clock.advance(graceMs)
      expect(host.over).to.deep.equal([ours.connection])
    })

    it('stays with its own when the peer ends the other at once, as Fabric does', async () => {
      const { connections, ours, theirs } = crossed(9)
      theirs.connection.onOver({ reason: undefined })
      connections.remove(theirs.connection)
      await clock.advance(10 * graceMs)
      expect(connections.get(peerKey)).to.equal(ours.connection)
      expect(ours.connection.open).to.equal(true)
      expect(clock.pending).to.equal(0)
    })

    it('falls back to the other when its own ends, and hands over what waits', () => {
      const { connections, ours, theirs } = crossed(1)
      ours.stream.roomy = false
      for (const text of ['a', 'b']) ours.connection.outgoing.offer(Buffer.from(text))
      expect(connections.remove(ours.connection)).to.deep.equal({
        active: theirs.connection,
        lost: false,
      })
      expect(theirs.stream.written.join()).to.equal('b')
      expect(counts).to.deep.equal([1])
      expect(connections.all()).to.deep.equal([theirs.connection])
      expect(connections.remove(theirs.connection)).to.deep.equal({ active: undefined, lost: true })
      expect(counts).to.deep.equal([1, 0])
    })

    it('loses the peer when its own ends and the other cannot send any more', () => {
      const { connections, ours, theirs } = crossed(1)
      theirs.connection.finish()
      expect(connections.remove(ours.connection)).to.deep.equal({ active: undefined, lost: true })
      expect(connections.get(peerKey)).to.equal(undefined)
      expect(counts).to.deep.equal([1, 0])
    })

    it('does not change over to one that cannot send any more', async () => {
      const { connections, ours, theirs } = crossed(9)
      theirs.connection.finish()
      await clock.advance(graceMs)
      expect(connections.get(peerKey)).to.equal(ours.connection)
      expect(ours.connection.open).to.equal(true)
    })

    it('lets the peer’s first one go when the peer opens another', async () => {
      const { connections, ours, theirs } = crossed(1)
      const third = accepted(simultaneousMs)
      expect(connections.add(third.connection)).to.equal(ours.connection)
      expect([theirs.connection.open, third.connection.open]).to.deep.equal([false, true])
      expect(connections.all()).to.have.members([
        ours.connection,
        theirs.connection,
        third.connection,
      ])
      await clock.advance(graceMs)
      expect(host.over).to.deep.equal([theirs.connection])
    })

    it('keeps neither when the peer has lost both', async () => {
      const { connections, ours, theirs } = crossed(1)
      const third = accepted(simultaneousMs + 1)
      expect(connections.add(third.connection)).to.equal(third.connection)
      expect([ours.connection.open, theirs.connection.open]).to.deep.equal([false, false])
      for (const over of host.over) connections.remove(over)
      await clock.advance(graceMs)
      expect(host.over).to.have.members([ours.connection, theirs.connection])
    })

    it('goes by the time between the two, whenever that was', () => {
      const connections = store(1)
      const [ours, theirs] = [dialled(50_000), accepted(50_000 + simultaneousMs)]
      connections.add(ours.connection)
      expect(connections.add(theirs.connection)).to.equal(ours.connection)
    })
  })

  it('gives one connection of a peer time to end, not many', () => {
    const connections = store(1)
    const made = Array.from({ length: 10 }, (_, i) => accepted(i))
    for (const { connection } of made) {
      connections.add(connection)
      for (const over of host.over) connections.remove(over)
    }
    expect(host.over).to.have.length(8)
    expect(connections.all()).to.have.length(2)
    const told = 'replaced by another connection to the same peer'
    expect(made.map(({ stream }) => stream.aborted)).to.deep.equal([
      ...Array<string>(8).fill(told),
      undefined,
      undefined,
    ])
  })

  it('refuses what still comes for a connection that was replaced, and says so', async () => {
    const connections = store(1)
    const [one, two] = [accepted(), accepted(1)]
    connections.add(one.connection)
    connections.add(two.connection)
    const late = one.connection.outgoing.push(Buffer.from('late')).catch((error: unknown) => error)
    expect(await late).to.include({
      code: 'COMM_CLOSED',
      message: 'replaced by another connection to the same peer',
    })
  })

  it('forgets one on its way out that ended by itself: nobody closes it', () => {
    const connections = store(1)
    const made = [accepted(), accepted(1), accepted(2)] as const
    connections.add(made[0].connection)
    connections.add(made[1].connection)
    made[0].connection.onOver({ reason: undefined })
    expect(connections.remove(made[0].connection)).to.deep.equal({
      active: made[1].connection,
      lost: false,
    })
    expect(clock.pending).to.equal(0)
    connections.add(made[2].connection)
    expect(made[0].stream.aborted).to.equal(undefined)
    expect(connections.all()).to.have.members([made[1].connection, made[2].connection])
  })

  it('tells peers apart, and forgets one that it never had', () => {
    const connections = store(1)
    const seven = accepted()
    const eight = fakeConnection(host, { pkiId: 8 })
    connections.add(seven.connection)
    expect(connections.remove(eight.connection)).to.deep.equal({ active: undefined, lost: false })
    connections.add(eight.connection)
    expect(connections.active()).to.deep.equal([seven.connection, eight.connection])
    expect(connections.get('09')).to.equal(undefined)
    expect(counts).to.deep.equal([1, 2])
  })

  it('does not take two that it dialled, or two that the peer dialled, for crossed', () => {
    for (const make of [dialled, accepted]) {
      const connections = store(1)
      connections.add(make().connection)
      const young = make(1)
      expect(connections.add(young.connection)).to.equal(young.connection)
    }
  })

  it('takes the peer’s new connection for ours of long ago: the peer has lost that one', () => {
    const connections = store(1)
    const old = dialled()
    const young = accepted(simultaneousMs + 1)
    connections.add(old.connection)
    expect(connections.add(young.connection)).to.equal(young.connection)
    expect(old.connection.open).to.equal(false)
  })

  it('replaces one that cannot send any more', () => {
    const connections = store(1)
    const old = dialled()
    connections.add(old.connection)
    old.connection.finish()
    const young = dialled(1)
    expect(connections.add(young.connection)).to.equal(young.connection)
  })

  it('is full at maxConnections', () => {
    const connections = store(1, 1)
    expect(connections.full).to.equal(false)
    connections.add(dialled().connection)
    expect(connections.full).to.equal(true)
  })

  it('leaves no timer behind', () => {
    const connections = store(9)
    connections.add(dialled().connection)
    connections.add(accepted().connection)
    expect(clock.pending).to.equal(1)
    connections.clearTimers()
    expect(clock.pending).to.equal(0)
    expect(connections.all()).to.have.length(2)
  })
})
