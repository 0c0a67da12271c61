import { expect } from 'chai'
import { Broadcaster } from '../../../src/out/broadcaster.ts'
import { decodeMessage } from '../../../src/wire/codec.ts'
import { decodeFrame, maxFrameMessages, maxJoinedBytes } from '../../../src/wire/frame.ts'
import { smallRequestBytes } from '../../../src/requests/large.ts'
import { nextTurn } from '../../support/turns.ts'

const options = { id: 0, n: 4, maxSendQueue: 10, maxSendQueueBytes: 10_000, maxPoolRequests: 10 }

/** A network whose destinations hang, fail or take what they get. */
function setup(
  behave: (to: number) => Promise<void> = () => Promise.resolve(),
  more: Partial<typeof options> = {},
) {
  const sent: { to: number; text: string }[] = []
  const dropped: [number, number][] = []
  const failed: number[] = []
  const frames: number[] = []
  const network = {
    send: async (to: number, bytes: Uint8Array) => {
      await behave(to)
      frames.push(bytes.length)
      for (const message of decodeFrame(bytes)) sent.push({ to, text: textOf(message) })
    },
  }
  const broadcaster = new Broadcaster(
    network,
    { ...options, ...more },
    {
      dropped: (to, messages) => dropped.push([to, messages]),
      failed: (to) => failed.push(to),
    },
  )
  const to = (id: number) => sent.filter((s) => s.to === id).map((s) => s.text)
  return { broadcaster, sent, dropped, failed, frames, to }
}

/** Of a request that is forwarded, its own bytes. */
function textOf(message: Buffer): string {
  if (message[0] !== 0x52) return message.toString()
  const incoming = decodeMessage(message)
  return incoming.type === 'forward' ? Buffer.from(incoming.request).toString() : ''
}

const item = (text: string): { readonly request: Buffer } => ({ request: Buffer.from(text) })

const forever = (): Promise<void> => new Promise(() => undefined)

describe('Broadcaster', () => {
  it('sends a broadcast to every other replica once', async () => {
    const { broadcaster, sent } = setup()
    broadcaster.broadcast(Buffer.from('a'))
    broadcaster.flush()
    await nextTurn()
    expect(sent.map((s) => s.to).sort()).to.deep.equal([1, 2, 3])
  })

  it('sends a unicast to exactly its destination, and nothing to itself or to nobody', async () => {
    const { broadcaster, sent } = setup()
    for (const to of [2, 0, 77]) broadcaster.send(to, Buffer.from('a'))
    broadcaster.flush()
    await nextTurn()
    expect(sent).to.deep.equal([{ to: 2, text: 'a' }])
  })

  it('is held back by no destination that hangs, however many messages there are', async () => {
    const { broadcaster, to } = setup((id) => (id === 3 ? forever() : Promise.resolve()))
    for (let i = 0; i < 20; i++) {
      broadcaster.broadcast(Buffer.from(`${i}`))
      broadcaster.flush()
      await nextTurn()
    }
    expect([to(1).length, to(2).length, to(3).length]).to.deep.equal([20, 20, 0])
  })

  it('keeps the order for each destination', async () => {
    const { broadcaster, to } = setup((id) => nextTurn(id))
    for (let i = 0; i < 8; i++) broadcaster.broadcast(Buffer.from(`${i}`))
    broadcaster.flush()
    await nextTurn(20)
    for (const id of [1, 2, 3])
      expect(to(id), `to ${id}`).to.deep.equal(['0', '1', '2', '3', '4', '5', '6', '7'])
  })

  it('drops the oldest, and says so, when more than maxSendQueue wait', async () => {
    const { broadcaster, dropped, to } = setup()
    for (let i = 0; i < 12; i++) broadcaster.send(1, Buffer.from(`${i}`))
    broadcaster.flush()
    await nextTurn()
    expect(dropped).to.deep.equal([
      [1, 1],
      [1, 1],
    ])
    expect(to(1)).to.deep.equal(['2', '3', '4', '5', '6', '7', '8', '9', '10', '11'])
  })

  it('drops the oldest when more than maxSendQueueBytes wait, but never the only one', async () => {
    const { broadcaster, dropped, to } = setup(undefined, { maxSendQueueBytes: 100 })
    for (const size of [60, 60, 500]) broadcaster.send(1, Buffer.alloc(size, `${size}`))
    broadcaster.flush()
    await nextTurn()
    expect(dropped).to.deep.equal([
      [1, 1],
      [1, 1],
    ])
    expect(to(1).map((text) => text.length)).to.deep.equal([500])
  })

  it('counts what the network refuses, and goes on', async () => {
    let attempts = 0
    const { broadcaster, failed, to } = setup(() =>
      ++attempts === 1 ? Promise.reject(new TypeError('no')) : Promise.resolve(),
    )
    broadcaster.send(1, Buffer.from('a'))
    broadcaster.flush()
    await nextTurn()
    broadcaster.send(1, Buffer.from('b'))
    broadcaster.flush()
    await nextTurn()
    expect(failed).to.deep.equal([1])
    expect(to(1)).to.deep.equal(['b'])
  })

  it('lets messages of the protocol go ahead of forwarded requests, and bounds those', async () => {
    const { broadcaster, dropped, to } = setup(undefined, { maxPoolRequests: 2 })
    for (const name of ['f1', 'f2', 'f3']) broadcaster.forward(1, item(name), 'own')
    broadcaster.send(1, Buffer.from('vote'))
    broadcaster.flush()
    await nextTurn()
    expect(to(1)).to.deep.equal(['vote', 'f1', 'f2'])
    expect(dropped).to.deep.equal([[1, 1]])
  })

  it('lets small forwarded requests pass by large ones, and both have their turn', async () => {
    const { broadcaster, sent } = setup(() => nextTurn(), { maxSendQueueBytes: 10_000_000 })
    const forward = (name: string, bytes: number): void => {
      broadcaster.forward(1, { request: Buffer.alloc(bytes, name) }, 'own')
      broadcaster.flush()
    }
    for (const name of 'ABC') forward(name, 600_000)
    for (const name of 'xy') forward(name, smallRequestBytes)
    broadcaster.send(1, Buffer.from('protocol'))
    await nextTurn(20)
    expect(sent.map(({ text }) => text.charAt(0)).join('')).to.equal('ApxyBC')
  })

  it('knows to whom forwarded requests still wait to be sent', async () => {
    const { broadcaster } = setup()
    broadcaster.send(1, Buffer.from('vote'))
    broadcaster.forward(2, item('f'), 'own')
    expect([0, 1, 2, 9].map((to) => broadcaster.hasForwards(to))).to.deep.equal([
      ...[false, false, true, false],
    ])
    broadcaster.flush()
    await nextTurn()
    expect(broadcaster.hasForwards(2)).to.equal(false)
  })

  it('bounds the bytes of forwarded requests, and has room again when they went', async () => {
    const { broadcaster, dropped, to } = setup(undefined, { maxSendQueueBytes: 4 })
    for (const name of ['12', '34', '5']) broadcaster.forward(1, item(name), 'own')
    expect(dropped).to.deep.equal([[1, 1]])
    broadcaster.flush()
    await nextTurn()
    for (const name of ['12345', '6']) broadcaster.forward(1, item(name), 'own')
    expect(dropped, 'one alone always has room').to.have.length(2)
    broadcaster.flush()
    await nextTurn()
    expect(to(1)).to.deep.equal(['12', '34', '12345'])
  })

  const [small, large] = ['s', 'L'].map((name) => name.padEnd(smallRequestBytes + 1, name))
  for (const [what, others, own] of [
    ['own requests for those of others', 'relayed', small!.slice(1)],
    ['large own requests for those of others', 'relayed', large!],
    ['small own requests for large ones', 'own', small!.slice(1)],
  ] as const)
    it(`drops no ${what}, however many wait, in number or in bytes`, () => {
      for (const bounds of [{ maxPoolRequests: 3 }, { maxSendQueueBytes: 3 * large!.length }]) {
        const more = { maxPoolRequests: 1_000, maxSendQueueBytes: 1e9, ...bounds }
        const { broadcaster, dropped } = setup(undefined, more)
        for (let i = 0; i < 5; i++) {
          broadcaster.forward(1, item(large!), others)
          if (others === 'relayed') broadcaster.forward(1, item(small!.slice(1)), others)
        }
        const before = dropped.length
        expect(before).to.be.above(0)
        for (let i = 0; i < 3; i++) broadcaster.forward(1, item(own), 'own')
        expect(dropped.slice(before)).to.deep.equal([])
      }
    })

  it('lets own requests and those of others have their turns', async () => {
    const { broadcaster, to } = setup()
    for (const name of ['a', 'b', 'c']) broadcaster.forward(1, item(name), 'relayed')
    for (const name of ['x', 'y']) broadcaster.forward(1, item(name), 'own')
    broadcaster.flush()
    await nextTurn()
    expect(to(1)).to.deep.equal(['a', 'x', 'b', 'y', 'c'])
  })

  it('sends what was withdrawn to nobody, has its room again, and sends the same once', async () => {
    const { broadcaster, dropped, to } = setup(undefined, { maxSendQueueBytes: 4 })
    const [first, second] = [item('12'), item('34')]
    for (const each of [first, second, second]) broadcaster.forward('all', each, 'own')
    broadcaster.withdraw(first)
    broadcaster.forward('all', item('56'), 'own')
    broadcaster.flush()
    await nextTurn()
    for (const id of [1, 2, 3]) expect(to(id), `to ${id}`).to.deep.equal(['34', '56'])
    expect(dropped).to.deep.equal([])
  })

  it('keeps no copy of a request that waits: it is encoded when it is sent', async () => {
    const { broadcaster, to } = setup()
    const { request } = item('before')
    broadcaster.forward(1, { request }, 'own')
    request.set(Buffer.from('later '))
    broadcaster.flush()
    await nextTurn()
    expect(to(1)).to.deep.equal(['later '])
  })

  it('joins forwarded requests to frames of maxJoinedBytes at most', async () => {
    const { broadcaster, frames, to } = setup(undefined, {
      maxSendQueueBytes: 1e7,
      maxPoolRequests: 1e3,
    })
    for (let i = 0; i < 100; i++) broadcaster.forward(1, { request: Buffer.alloc(30_000) }, 'own')
    broadcaster.flush()
    await nextTurn(20)
    expect(to(1)).to.have.length(100)
    expect(Math.max(...frames)).to.be.within(maxJoinedBytes - 40_000, maxJoinedBytes)
  })

  it('puts no more than maxFrameMessages messages into a frame', async () => {
    const count = maxFrameMessages + 1
    const { broadcaster, to } = setup(undefined, { maxSendQueue: count, maxSendQueueBytes: 1e6 })
    for (let i = 0; i < count; i++) broadcaster.send(1, Buffer.from(`${i}`))
    broadcaster.flush()
    await nextTurn()
    expect(to(1)).to.have.length(count)
  })

  it('sends nothing after it was closed', async () => {
    const { broadcaster, sent } = setup()
    broadcaster.broadcast(Buffer.from('a'))
    broadcaster.close()
    broadcaster.broadcast(Buffer.from('b'))
    broadcaster.flush()
    await nextTurn()
    expect(sent).to.deep.equal([])
  })
})
