import { VirtualClock } from '@heddle/events/testing'
import { RecordingLogger, RecordingMetrics } from '@heddle/interface/testing'
import { expect } from 'chai'
import { Demultiplexer } from '../../../src/queues/demultiplexer.ts'
import { commMetrics } from '../../../src/metrics.ts'
import type { ReceivedMessage } from '../../../src/index.ts'
import { dataMessage, sequenceOf } from '../../support/nodes.ts'

const received = (sequence: number, bytes = 10): ReceivedMessage =>
  ({
    message: dataMessage(sequence),
    envelope: { bytes: { length: bytes } },
    connection: { endpoint: '127.0.0.1:5', pkiId: Buffer.from([1, 2]) },
  }) as unknown as ReceivedMessage
const all = (): boolean => true

describe('Demultiplexer', () => {
  let metrics: RecordingMetrics
  let logger: RecordingLogger
  let clock: VirtualClock
  let demultiplexer: Demultiplexer

  beforeEach(() => {
    metrics = new RecordingMetrics()
    logger = new RecordingLogger()
    clock = new VirtualClock()
    demultiplexer = new Demultiplexer(commMetrics(metrics), clock, logger)
  })

  it('keeps no more than maxBytes for a slow reader, though one message always', async () => {
    const stream = demultiplexer.accept(all, { maxBytes: 100 })
    for (const [sequence, bytes] of [
      [0, 500],
      [1, 1],
    ] as const)
      void demultiplexer.dispatch(received(sequence, bytes))
    expect(metrics.get('gossip_comm_subscriber_drops_total')).to.equal(1)
    expect(sequenceOf((await stream.next()).value!)).to.equal(0)
    for (const sequence of [2, 3, 4]) void demultiplexer.dispatch(received(sequence, 50))
    expect(metrics.get('gossip_comm_subscriber_drops_total')).to.equal(2)
    for (const sequence of [2, 3])
      expect(sequenceOf((await stream.next()).value!)).to.equal(sequence)
    expect(() => demultiplexer.accept(all, { maxBytes: 0 })).to.throw('maxBytes')
  })

  it('writes ten lines a minute about a subscriber that throws, and counts all', () => {
    demultiplexer.onMessage(all, () => {
      throw new RangeError('no')
    })
    for (let i = 0; i < 50; i += 1) void demultiplexer.dispatch(received(i))
    expect(logger.lines).to.have.length(10)
    expect(metrics.get('gossip_comm_handler_errors_total')).to.equal(50)
  })

  it('gives each subscriber what its predicate wants, to each everything it wants', async () => {
    const even = demultiplexer.accept((message) => sequenceOf(message)! % 2 === 0)
    const odd = demultiplexer.accept((message) => sequenceOf(message)! % 2 === 1)
    for (let i = 0; i < 20; i += 1) void demultiplexer.dispatch(received(i))
    demultiplexer.close()
    const read = async (stream: AsyncIterable<ReceivedMessage>): Promise<unknown[]> => {
      const sequences = []
      for await (const message of stream) sequences.push(sequenceOf(message))
      return sequences
    }
    expect(await read(even)).to.deep.equal([0, 2, 4, 6, 8, 10, 12, 14, 16, 18])
    expect(await read(odd)).to.deep.equal([1, 3, 5, 7, 9, 11, 13, 15, 17, 19])
  })

  it('drops the messages of a slow subscriber, counts them, and stalls nobody', () => {
    demultiplexer.accept(all, { capacity: 3 })
    let fast = 0
    demultiplexer.onMessage(all, () => {
      fast += 1
    })
    for (let i = 0; i < 100; i += 1) {
      expect(demultiplexer.dispatch(received(i)), `message ${i}`).to.equal(undefined)
    }
    expect(fast).to.equal(100)
    expect(metrics.get('gossip_comm_subscriber_drops_total')).to.equal(97)
  })

  it('asks to be waited for by a full subscriber that wants no drops, until there is room', async () => {
    const stream = demultiplexer.accept(all, { capacity: 1, whenFull: 'wait' })
    expect(demultiplexer.dispatch(received(0))).to.equal(undefined)
    let settled = false
    const wait = demultiplexer.dispatch(received(1))!.then(() => {
      settled = true
    })
    await Promise.resolve()
    expect(settled).to.equal(false)
    expect(sequenceOf((await stream.next()).value!)).to.equal(0)
    await wait
    expect(sequenceOf((await stream.next()).value!)).to.equal(1)
  })

  it('releases whoever waits for a full subscriber when that ends', async () => {
    const stream = demultiplexer.accept(all, { capacity: 1, whenFull: 'wait' })
    void demultiplexer.dispatch(received(0))
    const wait = demultiplexer.dispatch(received(1))
    await stream.return!()
    await wait
    expect(demultiplexer.dispatch(received(2))).to.equal(undefined)
  })

  it('lets a subscriber that throws or rejects disturb nobody', async () => {
    const boom = (): never => {
      throw new RangeError('boom')
    }
    demultiplexer.onMessage(boom, () => undefined)
    demultiplexer.onMessage(all, boom)
    demultiplexer.onMessage(all, () => Promise.reject(new RangeError('boom')))
    let got = 0
    demultiplexer.onMessage(all, () => {
      got += 1
    })
    await demultiplexer.dispatch(received(1))
    expect(got).to.equal(1)
    expect(metrics.get('gossip_comm_handler_errors_total')).to.equal(3)
    expect(logger.lines.map(({ event }) => event)).to.deep.equal(Array(3).fill('subscriber failed'))
    const whose = { endpoint: '127.0.0.1:5', pkiId: '0102' }
    for (const { fields } of logger.lines) expect(fields).to.deep.equal(whose)
  })

  it('waits for all that ask for it', async () => {
    const order: string[] = []
    const later = (name: string) => async (): Promise<void> => {
      await Promise.resolve()
      order.push(name)
    }
    demultiplexer.onMessage(all, later('one'))
    demultiplexer.onMessage(all, later('two'))
    await demultiplexer.dispatch(received(1))
    expect(order).to.deep.equal(['one', 'two'])
  })

  it('gives nothing more after unsubscribe, return, abort or close', async () => {
    let got = 0
    const unsubscribe = demultiplexer.onMessage(all, () => {
      got += 1
    })
    const returned = demultiplexer.accept(all)
    const controller = new AbortController()
    const aborted = demultiplexer.accept(all, { signal: controller.signal })
    void demultiplexer.dispatch(received(1))
    unsubscribe()
    unsubscribe()
    await returned.return!()
    controller.abort()
    void demultiplexer.dispatch(received(2))
    expect(got).to.equal(1)
    expect((await returned.next()).done).to.equal(true)
    expect(sequenceOf((await aborted.next()).value!)).to.equal(1)
    expect((await aborted.next()).done).to.equal(true)
    const ended = demultiplexer.accept(all, { signal: controller.signal })
    expect((await ended.next()).done).to.equal(true)
    demultiplexer.close()
    demultiplexer.close()
    let asked = 0
    const late = demultiplexer.accept(() => {
      asked += 1
      return true
    })
    void demultiplexer.dispatch(received(3))
    expect((await late.next()).done).to.equal(true)
    expect(asked).to.equal(0)
  })

  it('keeps what was queued readable after the end, and answers a reader that waits', async () => {
    const stream = demultiplexer.accept(all)
    void demultiplexer.dispatch(received(1))
    expect(sequenceOf((await stream.next()).value!)).to.equal(1)
    const next = stream.next()
    demultiplexer.close()
    expect(await next).to.deep.equal({ done: true, value: undefined })
  })

  it('refuses a capacity that is none', () => {
    for (const capacity of [0, -1, 1.5, Number.NaN]) {
      expect(() => demultiplexer.accept(all, { capacity }), String(capacity)).to.throw(
        'capacity must be a positive integer',
      )
    }
  })
})
