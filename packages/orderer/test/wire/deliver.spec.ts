import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { blockHeaderHash, common, create, decode, encode, orderer } from '@heddle/proto'
import { OrdererError } from '../../src/index.ts'
import { burstSeconds } from '../../src/client-budgets.ts'
import { readCost } from '../../src/deliver.ts'
import type { TlsMaterial } from '@heddle/msp/testing'
import type { MemoryChain } from '../../src/testing.ts'
import {
  type At,
  type Fixture,
  channelId,
  envelope,
  fill,
  organization,
  otherTls,
  seek,
  serve,
  shiftedClock,
  until,
} from '../harness.ts'

const { SeekInfo_SeekBehavior: Behavior } = orderer
const { SeekInfo_SeekContentType: ContentType } = orderer
const { SeekInfo_SeekErrorResponse: ErrorResponse } = orderer
const forever = 0xffff_ffff_ffff_ffffn

describe('Deliver', function () {
  this.timeout(30_000) // a loaded machine takes its time

  let fixture: Fixture | undefined
  afterEach(async () => {
    await fixture?.close()
    fixture = undefined
  })

  describe('with five blocks', () => {
    const ranges: [At, At, (bigint | string)[]][] = [
      ['oldest', 'newest', [0n, 1n, 2n, 3n, 4n, 'SUCCESS']],
      ['oldest', 'oldest', [0n, 'SUCCESS']],
      [2n, 'oldest', [2n, 'SUCCESS']],
      ['newest', 'newest', [4n, 'SUCCESS']],
      ['newest', 4n, [4n, 'SUCCESS']],
      [1n, 3n, [1n, 2n, 3n, 'SUCCESS']],
      [3n, 3n, [3n, 'SUCCESS']],
      [3n, 'newest', [3n, 4n, 'SUCCESS']],
      [3n, 2n, ['BAD_REQUEST']],
      [6n, 'newest', ['NOT_FOUND']],
      [6n, forever, ['NOT_FOUND']],
      [undefined, 'newest', ['BAD_REQUEST']],
      ['oldest', undefined, ['BAD_REQUEST']],
    ]
    for (const [start, stop, expected] of ranges) {
      it(`gives ${expected.map(String).join(' ')} for ${String(start)} to ${String(stop)}`, async () => {
        fixture = await serve()
        await fill(fixture.chain, 5)
        const stream = fixture.connect('deliver')
        stream.send(seek(fixture, { start, stop }))
        expect(await stream.frames()).to.deep.equal(expected)
      })
    }

    for (const [start, stop] of [
      ['nextCommit', 5n],
      ['nextCommit', 'nextCommit'],
      [5n, 'newest'],
    ] as const) {
      it(`waits for the next block and gives exactly it for ${start} to ${stop}`, async () => {
        fixture = await serve()
        await fill(fixture.chain, 5)
        const stream = fixture.connect('deliver')
        stream.send(seek(fixture, { start, stop }))
        stream.send(seek(fixture, { start: 0n, stop: 0n })) // waits for its turn
        await followed(fixture.chain)
        expect(stream.waiting).to.equal(0)
        await fixture.chain.appendBlock([Buffer.from('next')])
        await fixture.chain.appendBlock([Buffer.from('one more')])
        expect(await stream.frames()).to.deep.equal([5n, 'SUCCESS'])
        expect(await stream.frames()).to.deep.equal([0n, 'SUCCESS'])
      })
    }

    it('gives newest to newest once, though a block is added meanwhile', async () => {
      fixture = await serve()
      await fill(fixture.chain, 5)
      const { chain } = fixture
      chain.authorize = async () => {
        await chain.appendBlock([Buffer.from('meanwhile')])
        return {}
      }
      const stream = fixture.connect('deliver')
      stream.send(seek(fixture, { start: 'newest', stop: 'newest' }))
      expect(await stream.frames()).to.deep.equal([5n, 'SUCCESS'])
    })

    it('sends NOT_FOUND after the blocks there are when told to fail if not ready', async () => {
      fixture = await serve()
      await fill(fixture.chain, 5)
      const stream = fixture.connect('deliver')
      const behavior = Behavior.FAIL_IF_NOT_READY
      stream.send(seek(fixture, { start: 3n, stop: 6n }, { behavior }))
      expect(await stream.frames()).to.deep.equal([3n, 4n, 'NOT_FOUND'])
      expect(await stream.next(), 'the stream ends').to.equal(undefined)
    })

    it('follows the chain as it grows', async () => {
      fixture = await serve()
      await fill(fixture.chain, 2)
      const stream = fixture.connect('deliver')
      stream.send(seek(fixture, { start: 1n, stop: forever }))
      const number = async (): Promise<bigint> => {
        const frame = await stream.frame()
        return (frame as common.Block).header!.number
      }
      expect(await number()).to.equal(1n)
      await fill(fixture.chain, 2)
      expect([await number(), await number()]).to.deep.equal([2n, 3n])
    })
  })

  it('sends blocks as they are stored, unusual encodings included', async () => {
    fixture = await serve()
    await fill(fixture.chain, 1)
    const stored = Buffer.concat([(await fixture.chain.block(0n))!, Buffer.from('2a0161', 'hex')])
    fixture.chain.append(stored)
    const stream = fixture.connect('deliver')
    stream.send(seek(fixture, { start: 1n, stop: 1n }))
    const frame = (await stream.next())!
    expect(frame.subarray(frame.length - stored.length).equals(stored)).to.equal(true)
    expect(frame[0]).to.equal(0x12)
  })

  it('answers several requests on one stream, one after another', async () => {
    fixture = await serve()
    await fill(fixture.chain, 4)
    const stream = fixture.connect('deliver')
    stream.send(seek(fixture, { start: 0n, stop: 1n }))
    stream.send(seek(fixture, { start: 3n, stop: 3n }))
    stream.send(seek(fixture, { start: 'newest', stop: 'oldest' }))
    stream.call.end()
    expect(await stream.frames()).to.deep.equal([0n, 1n, 'SUCCESS'])
    expect(await stream.frames()).to.deep.equal([3n, 'SUCCESS'])
    expect(await stream.frames()).to.deep.equal([3n, 'SUCCESS'])
    expect(await stream.next()).to.equal(undefined)
  })

  describe('with HEADER_WITH_SIG', () => {
    it('leaves the transactions out and keeps header and metadata', async () => {
      fixture = await serve()
      await fill(fixture.chain, 2)
      const stream = fixture.connect('deliver')
      const contentType = ContentType.HEADER_WITH_SIG
      stream.send(seek(fixture, { start: 1n, stop: 1n }, { contentType }))
      const sent = (await stream.frame()) as common.Block
      const stored = decode(common.BlockSchema, (await fixture.chain.block(1n))!)
      expect(sent.data).to.equal(undefined)
      expect(blockHeaderHash(sent.header!)).to.deep.equal(blockHeaderHash(stored.header!))
      expect(sent.metadata!.metadata.map(hex)).to.deep.equal(stored.metadata!.metadata.map(hex))
    })

    it('sends a configuration block whole', async () => {
      fixture = await serve()
      const config = envelope(fixture.signer, { type: common.HeaderType.CONFIG })
      await fixture.chain.appendBlock([config])
      const stream = fixture.connect('deliver')
      const contentType = ContentType.HEADER_WITH_SIG
      stream.send(seek(fixture, { start: 0n, stop: 0n }, { contentType }))
      const sent = (await stream.frame()) as common.Block
      expect(sent.data!.data.map(hex)).to.deep.equal([config.toString('hex')])
    })
  })

  it('reads maxBlockBytesPerSecondPerClient of blocks in a second, five times as many at once, sent or not', async () => {
    const clock = new VirtualClock({ wallTimeMs: Date.now() })
    const waits: number[] = []
    const schedule = clock.schedule.bind(clock)
    clock.schedule = (ms, callback) => {
      waits.push(ms)
      return schedule(ms, callback)
    }
    const perSecond = readCost
    fixture = await serve({ deps: { clock }, maxBlockBytesPerSecondPerClient: perSecond })
    await fill(fixture.chain, 10)
    let left = burstSeconds * perSecond - readCost
    let last = -1n
    while (left >= 0) left -= (await fixture.chain.block(++last))!.length + readCost
    const dueMs = Math.ceil((-left / perSecond) * 1000)
    const stream = fixture.connect('deliver')
    const contentType = ContentType.HEADER_WITH_SIG
    stream.send(seek(fixture, { start: 0n, stop: last }, { contentType }))
    await until(() => waits.includes(dueMs))
    for (let number = 0n; number < last; number++)
      expect(await stream.frame()).to.have.nested.property('header.number', number)

    const second = fixture.connect('deliver')
    second.send(seek(fixture, { start: 1n, stop: 1n }))
    await until(() => waits.includes(dueMs + 1000))
    const tls = await (await organization()).tls('another')
    const another = fixture.connect('deliver', tls)
    another.send(seek({ ...fixture, clientTls: tls }, { start: 0n, stop: 0n }))
    expect(await another.frames(), 'of another').to.deep.equal([0n, 'SUCCESS'])

    await clock.advance(dueMs - 1)
    expect(stream.waiting + second.waiting, 'too soon').to.equal(0)
    await clock.advance(1)
    expect(await stream.frames()).to.deep.equal([last, 'SUCCESS'])
    await clock.advance(1000)
    const { length } = (await fixture.chain.block(1n))!
    // What was rounded up to a millisecond is left over.
    const over = (dueMs * perSecond) / 1000 + left
    await until(() => waits.includes(Math.ceil(((length + readCost - over) / perSecond) * 1000)))
    expect(second.waiting, 'too soon').to.equal(0)
    await clock.advance(10_000)
    expect(await second.frames()).to.deep.equal([1n, 'SUCCESS'])
  })

  it('reads maxBlockBytesPerSecondPerOrganization of blocks for all clients of an organisation', async () => {
    const clock = new VirtualClock({ wallTimeMs: Date.now() })
    const perSecond = 2 * readCost
    const ofAll = burstSeconds * readCost
    const bounds = { maxBlockBytesPerSecondPerClient: perSecond }
    const served = await serve({
      ...{ deps: { clock }, ...bounds },
      maxBlockBytesPerSecondPerOrganization: ofAll,
    })
    fixture = served
    await fill(served.chain, 2)
    const frames = (tls: TlsMaterial): Promise<unknown> => {
      const stream = served.connect('deliver', tls)
      stream.send(seek({ ...served, clientTls: tls }, { start: 1n, stop: 1n }))
      return stream.frames()
    }
    for (let count = 1; count < burstSeconds; count++)
      expect(await frames(await (await organization()).tls(`client ${count}`))).to.deep.equal([
        ...[1n, 'SUCCESS'],
      ])
    const others = clock.pending
    let isDone = false
    const waits = frames(served.clientTls).finally(() => (isDone = true))
    await until(() => clock.pending === others + 1)
    expect(await frames(await otherTls()), 'of another').to.deep.equal([1n, 'SUCCESS'])
    const { length } = (await served.chain.block(1n))!
    const dueMs = Math.ceil(((burstSeconds * length) / ofAll) * 1000)
    await clock.advance(dueMs - 1)
    expect(isDone).to.equal(false)
    await clock.advance(1)
    expect(await waits).to.deep.equal([1n, 'SUCCESS'])
  })

  describe('refuses, in this order,', () => {
    type Make = (f: Fixture) => Buffer
    const range = { start: 'oldest', stop: 'newest' } as const
    const withEnvelope =
      (init: Parameters<typeof envelope>[1]): Make =>
      (f) =>
        seek(f, range, { envelope: init })
    const cases: [string, string, Make][] = [
      ['garbage', 'BAD_REQUEST', () => Buffer.from([0xff])],
      ['a payload without header', 'BAD_REQUEST', () => Buffer.from('0a03120161', 'hex')],
      ['a missing timestamp', 'BAD_REQUEST', withEnvelope({ timestamp: null })],
      [
        'a timestamp too old, even for an unknown channel',
        'BAD_REQUEST',
        withEnvelope({ timestamp: new Date(Date.now() - 16 * 60_000), channelId: 'other' }),
      ],
      [
        'a timestamp too far ahead',
        'BAD_REQUEST',
        withEnvelope({ timestamp: new Date(Date.now() + 60 * 60_000) }),
      ],
      [
        'a missing hash of the TLS certificate, even for an unknown channel',
        'BAD_REQUEST',
        withEnvelope({ tlsCertHash: new Uint8Array(), channelId: 'other' }),
      ],
      [
        'the hash of another TLS certificate',
        'BAD_REQUEST',
        withEnvelope({ tlsCertHash: new Uint8Array(32) }),
      ],
      [
        'an unknown channel, even with a malformed seek info',
        'NOT_FOUND',
        withEnvelope({ channelId: 'other', data: Buffer.from([0xff]) }),
      ],
      ['a malformed seek info', 'BAD_REQUEST', withEnvelope({ data: Buffer.from([0xff]) })],
    ]
    for (const [what, status, make] of cases) {
      it(`${what}: ${status}`, async () => {
        fixture = await serve()
        await fill(fixture.chain, 1)
        fixture.chain.fail(new Error('later in the order'))
        const stream = fixture.connect('deliver')
        stream.send(make(fixture))
        expect(await stream.frames()).to.deep.equal([status])
        expect(await stream.next(), 'the stream ends').to.equal(undefined)
      })
    }

    it('a chain that cannot order, before the policy: SERVICE_UNAVAILABLE', async () => {
      fixture = await serve({ chain: { authorize: forbid } })
      fixture.chain.fail(new Error('no quorum'))
      const stream = fixture.connect('deliver')
      stream.send(seek(fixture, { start: undefined, stop: 'newest' }))
      expect(await stream.frames()).to.deep.equal(['SERVICE_UNAVAILABLE'])
    })

    it('whom the policy does not let read, before the positions: FORBIDDEN', async () => {
      fixture = await serve({ chain: { authorize: forbid } })
      const stream = fixture.connect('deliver')
      stream.send(seek(fixture, { start: undefined, stop: 'newest' }))
      expect(await stream.frames()).to.deep.equal(['FORBIDDEN'])
    })

    it('an identity that has expired: FORBIDDEN', async () => {
      fixture = await serve({
        chain: { authorize: () => Promise.resolve({ expiresAt: new Date(Date.now() - 1000) }) },
      })
      const stream = fixture.connect('deliver')
      stream.send(seek(fixture, { start: 'oldest', stop: 'newest' }))
      expect(await stream.frames()).to.deep.equal(['FORBIDDEN'])
    })
  })

  it('takes a seek of maxSeekBytes, and refuses one that is a byte longer', async () => {
    const signer = await (await organization()).identity('client', 'client')
    const clientTls = await (await organization()).tls('client')
    const bytes = seek({ signer, clientTls }, { start: 0n, stop: 0n })
    for (const [maxSeekBytes, expected] of [
      [bytes.length, [0n, 'SUCCESS']],
      [bytes.length - 1, ['BAD_REQUEST']],
    ] as const) {
      fixture = await serve({ maxSeekBytes })
      await fill(fixture.chain, 1)
      const stream = fixture.connect('deliver', clientTls)
      stream.send(bytes)
      expect(await stream.frames()).to.deep.equal(expected)
      await fixture.close()
    }
  })

  it('takes a timestamp at the edge of the time window', async () => {
    const clock = shiftedClock()
    fixture = await serve({ timeWindowMs: 60_000, deps: { clock } })
    await fill(fixture.chain, 1)
    const now = Date.now()
    clock.wallTime = () => now
    for (const [offMs, expected] of [
      [60_000, 'SUCCESS'],
      [-60_000, 'SUCCESS'],
      [61_000, 'BAD_REQUEST'],
      [-61_000, 'BAD_REQUEST'],
    ] as const) {
      const stream = fixture.connect('deliver')
      const timestamp = new Date(now + offMs)
      const request = seek(fixture, { start: 0n, stop: 0n }, { envelope: { timestamp } })
      stream.send(request)
      expect((await stream.frames()).at(-1), `${offMs} ms`).to.equal(expected)
    }
  })

  it('needs no hash where clients need no certificate', async () => {
    const tls = await (await organization()).tls('orderer')
    fixture = await serve({ tls: { ...tls, requireClientCertificate: false } })
    await fill(fixture.chain, 1)
    const stream = fixture.connect('deliver', { certificate: undefined, key: undefined })
    const tlsCertHash = new Uint8Array()
    stream.send(seek(fixture, { start: 0n, stop: 0n }, { envelope: { tlsCertHash } }))
    expect(await stream.frames()).to.deep.equal([0n, 'SUCCESS'])
  })

  it('reads best effort from a chain that cannot order', async () => {
    fixture = await serve()
    await fill(fixture.chain, 1)
    fixture.chain.fail(new Error('no quorum'))
    const stream = fixture.connect('deliver')
    const errorResponse = ErrorResponse.BEST_EFFORT
    stream.send(seek(fixture, { start: 0n, stop: 0n }, { errorResponse }))
    expect(await stream.frames()).to.deep.equal([0n, 'SUCCESS'])
  })

  it('sends SERVICE_UNAVAILABLE when the chain fails while a block is waited for', async () => {
    fixture = await serve()
    await fill(fixture.chain, 1)
    const stream = fixture.connect('deliver')
    stream.send(seek(fixture, { start: 0n, stop: forever }))
    await stream.frame()
    fixture.chain.fail(new Error('no quorum'))
    expect(await stream.frames()).to.deep.equal(['SERVICE_UNAVAILABLE'])
  })

  it('judges a reader once while the configuration stays, and again when it has changed', async () => {
    let asked = 0
    fixture = await serve({
      chain: {
        authorize: () => {
          asked++
          if (asked === 1) return Promise.resolve({})
          return Promise.reject(new OrdererError('ORDERER_FORBIDDEN', 'not any more'))
        },
      },
    })
    await fill(fixture.chain, 3)
    const stream = fixture.connect('deliver')
    stream.send(seek(fixture, { start: 0n, stop: forever }))
    for (let number = 0; number < 3; number++) await stream.frame()
    expect(asked).to.equal(1)
    fixture.chain.configSequence = 1n
    await fill(fixture.chain, 1)
    expect(await stream.frames()).to.deep.equal(['FORBIDDEN'])
    expect(asked).to.equal(2)
  })

  it('looks at the expiry of the identity before every block', async () => {
    const clock = shiftedClock()
    const expiresAt = new Date(Date.now() + 60_000)
    fixture = await serve({
      deps: { clock },
      chain: { authorize: () => Promise.resolve({ expiresAt }) },
    })
    await fill(fixture.chain, 1)
    const stream = fixture.connect('deliver')
    stream.send(seek(fixture, { start: 0n, stop: forever }))
    await stream.frame()
    clock.shiftMs = 61_000
    await fill(fixture.chain, 1)
    expect(await stream.frames()).to.deep.equal(['FORBIDDEN'])
  })

  it('lets a slow reader hold up nobody, and buffers little for it', async () => {
    fixture = await serve()
    const { chain } = fixture
    const large = Buffer.alloc(200_000, 1)
    for (let number = 0; number < 100; number++) await chain.appendBlock([large])
    let read = 0
    const follow = chain.follow.bind(chain)
    chain.follow = async function* (...range) {
      for await (const block of follow(...range)) {
        read++
        yield block
      }
    }
    const slow = fixture.connect('deliver')
    slow.call.pause()
    slow.send(seek(fixture, { start: 0n, stop: 99n }))
    const quick = fixture.connect('deliver')
    quick.send(seek(fixture, { start: 0n, stop: 99n }))
    expect(await quick.frames()).to.have.length(101)
    expect(read, 'far from all blocks are read for the slow one').to.be.lessThan(180)
    slow.call.resume()
    expect(await slow.frames()).to.have.length(101)
  })

  it('stops reading for a client that left', async () => {
    fixture = await serve()
    await fill(fixture.chain, 1)
    const stream = fixture.connect('deliver')
    const left = new Promise<void>((resolve) => {
      const { chain } = fixture!
      const follow = chain.follow.bind(chain)
      chain.follow = (from, options) => {
        options!.signal!.addEventListener('abort', () => resolve())
        return follow(from, options)
      }
    })
    stream.send(seek(fixture, { start: 0n, stop: forever }))
    await stream.frame()
    stream.close()
    await left
  })

  it('counts streams, requests and blocks', async () => {
    const counted: [string, unknown][] = []
    const counter = ({ name }: { name: string }): never =>
      ({
        add: (_: number, labels: unknown) => counted.push([name, labels]),
        observe: () => undefined,
        set: () => undefined,
      }) as never
    fixture = await serve({ deps: { metrics: { counter, gauge: counter, histogram: counter } } })
    await fill(fixture.chain, 2)
    const stream = fixture.connect('deliver')
    stream.send(seek(fixture, { start: 0n, stop: 1n }))
    await stream.frames()
    stream.call.end()
    await stream.next()
    while (!counted.some(([name]) => name === 'deliver_streams_closed')) await turn()
    const labels = { channel: channelId, filtered: 'false', data_type: 'block' }
    expect(counted).to.deep.equal([
      ['deliver_streams_opened', undefined],
      ['deliver_requests_received', labels],
      ['deliver_blocks_sent', labels],
      ['deliver_blocks_sent', labels],
      ['deliver_requests_completed', { ...labels, success: 'true' }],
      ['deliver_streams_closed', undefined],
    ])
  })

  it('sends every kind of block that fits into one varint byte of length and more', async () => {
    fixture = await serve()
    const sizes = [1, 100, 127, 128, 16_383, 16_384, 3_000_000]
    for (const size of sizes) {
      const data = [Buffer.alloc(size)]
      const block = { header: { number: 0n }, data: { data } }
      fixture.chain.append(encode(common.BlockSchema, create(common.BlockSchema, block)))
    }
    const stream = fixture.connect('deliver')
    stream.send(seek(fixture, { start: 0n, stop: BigInt(sizes.length - 1) }))
    for (const size of sizes) {
      const block = (await stream.frame()) as common.Block
      expect(block.data!.data[0], `${size} bytes`).to.have.length(size)
    }
  })
})

function forbid(): Promise<never> {
  return Promise.reject(new OrdererError('ORDERER_FORBIDDEN', 'no'))
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Resolves when the server waits for blocks of the chain. */
async function followed(chain: MemoryChain): Promise<void> {
  const follow = chain.follow.bind(chain)
  await new Promise<void>((resolve) => {
    chain.follow = (...range) => {
      resolve()
      return follow(...range)
    }
  })
}

/** One turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
