import { VirtualClock } from '@heddle/events/testing'
import { expect } from 'chai'
import { ConnectionStore } from '../../src/connection-store.ts'
import { fakeConnection, fakeHost } from '../support/fakes.ts'
import type { FakeHost } from '../support/fakes.ts'

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

  it('keeps the first of two that we opened', () => {
    const connections = store(1)
    const one = dialled()
    const two = dialled(10)
    connections.add(one.connection)
    expect(connections.add(two.connection)).to.equal(one.connection)
    expect(two.stream.finished).to.equal(true)
  })

  for (const { own, winner } of [
    { own: 1, winner: 'dialled' },
    { own: 9, winner: 'accepted' },
  ]) {
    for (const order of ['dialled first', 'accepted first']) {
      it(`keeps the one ${winner} of two opened simultaneously when its PKI-ID is ${own}, ${order}`, async () => {
        const connections = store(own)
        const pair = { dialled: dialled(), accepted: accepted(simultaneousMs) }
        const [first, second] =
          order === 'dialled first'
            ? [pair.dialled, pair.accepted]
            : [accepted(), dialled(simultaneousMs)]
        connections.add(first.connection)
        connections.add(second.connection)
        const active = connections.get(peerKey)!
        expect(active.dialled ? 'dialled' : 'accepted').to.equal(winner)
        const loser = active === first.connection ? second : first
        expect(loser.connection.open, 'the loser still takes what the peer sends').to.equal(true)
        expect(connections.all()).to.have.length(2)
        await clock.advance(loser.connection.dialled ? graceMs : 3 * graceMs)
        expect(loser.stream.finished).to.equal(true)
        expect(connections.get(peerKey)).to.equal(active)
      })
    }
  }

  it('falls back to the loser of a tie when the winner ends, as with a Fabric peer', () => {
    const connections = store(1)
    const own = dialled()
    const theirs = accepted(10)
    connections.add(own.connection)
    connections.add(theirs.connection)
    own.stream.roomy = false
    for (const text of ['a', 'b']) own.connection.outgoing.offer(Buffer.from(text))
    expect(connections.remove(own.connection)).to.deep.equal({
      active: theirs.connection,
      lost: false,
    })
    expect(theirs.stream.written.join()).to.equal('b')
    expect(counts).to.deep.equal([1])
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
    const connections = store(1)
    connections.add(dialled().connection)
    connections.add(accepted().connection)
    expect(clock.pending).to.equal(1)
    connections.clearTimers()
    expect(clock.pending).to.equal(0)
  })
})
