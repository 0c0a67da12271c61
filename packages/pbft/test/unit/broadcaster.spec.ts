import { expect } from 'chai'
import { Broadcaster } from '../../src/broadcaster.ts'
import { decodeFrame, maxFrameMessages } from '../../src/frame.ts'
import { smallRequestBytes } from '../../src/large.ts'
import { nextTurn } from '../support/turns.ts'

const options = { id: 0, n: 4, maxSendQueue: 10, maxSendQueueBytes: 10_000, maxPoolRequests: 10 }

/** A network whose destinations hang, fail or take what they get. */
function setup(
  behave: (to: number) => Promise<void> = () => Promise.resolve(),
  more: Partial<typeof options> = {},
) {
  const sent: { to: number; text: string }[] = []
  const dropped: [number, number][] = []
  const failed: number[] = []
  const network = {
    send: async (to: number, bytes: Uint8Array) => {
      await behave(to)
      for (const message of decodeFrame(bytes)) sent.push({ to, text: message.toString() })
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
  return { broadcaster, sent, dropped, failed, to }
}

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
    for (const name of ['f1', 'f2', 'f3']) broadcaster.forward(1, Buffer.from(name))
    broadcaster.send(1, Buffer.from('vote'))
    broadcaster.flush()
    await nextTurn()
    expect(to(1)).to.deep.equal(['vote', 'f1', 'f2'])
    expect(dropped).to.deep.equal([[1, 1]])
  })

  it('lets small forwarded requests pass by large ones, and both have their turn', async () => {
    const { broadcaster, sent } = setup(() => nextTurn(), { maxSendQueueBytes: 10_000_000 })
    const forward = (name: string, bytes: number): void => {
      broadcaster.forward(1, Buffer.alloc(bytes, name))
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
    broadcaster.forward(2, Buffer.from('f'))
    expect([0, 1, 2, 9].map((to) => broadcaster.hasForwards(to))).to.deep.equal([
      ...[false, false, true, false],
    ])
    broadcaster.flush()
    await nextTurn()
    expect(broadcaster.hasForwards(2)).to.equal(false)
  })

  it('bounds the bytes of forwarded requests, and has room again when they went', async () => {
    const { broadcaster, dropped, to } = setup(undefined, { maxSendQueueBytes: 8 })
    for (const name of ['12', '34', '5']) broadcaster.forward(1, Buffer.from(name))
    expect(dropped).to.deep.equal([[1, 1]])
    broadcaster.flush()
    await nextTurn()
    broadcaster.forward(1, Buffer.from('67'))
    broadcaster.flush()
    await nextTurn()
    expect(to(1)).to.deep.equal(['12', '34', '67'])
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
