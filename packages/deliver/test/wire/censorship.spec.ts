import { expect } from 'chai'
import { systemClock } from '@heddle/events'
import { VirtualClock } from '@heddle/events/testing'
import type { Logger } from '@heddle/interface'
import { MemoryChain } from '@heddle/orderer/testing'
import { common, decode, encode, orderer } from '@heddle/proto'
import {
  type DeliverServiceOptions,
  type Endpoint,
  createDeliverService,
  pullBlocks,
} from '../../src/index.ts'
import { MemoryStore } from '../../src/testing.ts'
import {
  blockFrame,
  blocksOf,
  channel,
  channelId,
  grow,
  honest,
  impatient,
  scripted,
  seekStart,
  started,
  stopAll,
  until,
} from '../network.ts'

/** The default: within so long an endpoint that withholds blocks is replaced. */
const blockCensorshipTimeoutMs = 20_000

/** Half of the time between two looks at headers. */
const stepMs = blockCensorshipTimeoutMs / 16

/** Whether a request is for headers only. */
function wantsHeaders(request: Uint8Array): boolean {
  const { payload } = decode(common.EnvelopeSchema, request)
  const { data } = decode(common.PayloadSchema, payload)
  const { contentType } = decode(orderer.SeekInfoSchema, data)
  return contentType === orderer.SeekInfo_SeekContentType.HEADER_WITH_SIG
}

/** A block without its transactions. */
function headerOf(block: Uint8Array): Uint8Array {
  const copy = decode(common.BlockSchema, block)
  delete copy.data
  return encode(common.BlockSchema, copy)
}

/** The same with the signatures of another. */
function forgedHeader(block: Uint8Array, other: Uint8Array): Uint8Array {
  const copy = decode(common.BlockSchema, headerOf(block))
  copy.metadata!.metadata[0] = decode(common.BlockSchema, other).metadata!.metadata[0]!
  return encode(common.BlockSchema, copy)
}

/** A follower under a clock that the test moves, by round trips. */
class Follower {
  readonly clock = new VirtualClock({ wallTimeMs: systemClock.wallTime() })
  readonly store = new MemoryStore()
  readonly lines: { event: string; endpoint: unknown; at: number }[] = []
  readonly #barrier: Endpoint
  readonly #logger: Logger

  constructor(barrier: Endpoint) {
    this.#barrier = barrier
    const say: Logger['info'] = (event, fields) =>
      void this.lines.push({ event, endpoint: fields?.['endpoint'], at: this.clock.now() })
    this.#logger = { debug: say, info: say, warn: say, error: say, child: () => this.#logger }
  }

  async start(
    endpoints: readonly Endpoint[],
    options: Partial<DeliverServiceOptions> = {},
  ): Promise<void> {
    const { client: signer, clientTls: tls, genesis: configBlock } = await channel()
    const { clock, store } = this
    const deps = { signer, clock, ledger: store, sink: store, logger: this.#logger }
    const service = createDeliverService(
      { ...deps, random: () => 0 },
      {
        ...{ channelId, configBlock, tls, endpoints, connectTimeoutMs: 3_600_000 },
        ...{ stallTimeoutMs: 3_600_000, ...impatient, ...options },
      },
    )
    started.push(service)
    await service.start()
  }

  /** `Clock.now()` when another endpoint was asked. */
  get replacedAt(): number | undefined {
    return this.lines.find(({ event }) => event === 'another endpoint is asked')?.at
  }

  get suspected(): unknown[] {
    return this.lines.flatMap(({ event, endpoint }) =>
      event === 'endpoint is suspected' ? [endpoint] : [],
    )
  }

  /**
   * Lets time pass. After each step a stream is opened elsewhere and read, by when what was on its way
   * before has arrived.
   */
  async pass(ms: number, isDone: () => boolean = () => false): Promise<void> {
    const { client: signer, clientTls: tls, genesis: configBlock } = await channel()
    for (let passed = 0; passed < ms && !isDone(); passed += stepMs) {
      const endpoints = [this.#barrier]
      const options = { channelId, configBlock, tls, endpoints, to: 0n, onlyGiven: true }
      const stream = pullBlocks({ signer, clock: systemClock }, options)
      for await (const block of stream) expect(block.message.header?.number).to.equal(0n)
      await this.clock.advance(stepMs)
    }
  }
}

/** Gives blocks as `give` says, and no headers. */
function source(
  give: (from: number, write: (block: Uint8Array) => void) => void,
): ReturnType<typeof scripted> {
  return scripted((call) => {
    call.once('data', (request: Buffer) => {
      if (wantsHeaders(request)) return
      give(Number(seekStart(request)), (block) => call.write(blockFrame(block)))
    })
  })
}

describe('an endpoint that is followed', function () {
  this.timeout(60_000)
  afterEach(stopAll)

  let chain: MemoryChain
  let blocks: Uint8Array[]
  let others: Endpoint[]
  let follower: Follower
  beforeEach(async () => {
    const first = await honest()
    chain = first.chain
    await grow(chain, 30)
    blocks = await blocksOf(chain)
    others = [first.endpoint, (await honest({ chain })).endpoint]
    follower = new Follower(first.endpoint)
  })

  const isLevel = (): boolean => follower.store.height() >= chain.height()

  it('and withholds blocks is replaced within blockCensorshipTimeoutMs', async () => {
    const withholding = await source((from, write) => blocks.slice(from, 4).forEach(write))
    await follower.start([withholding, ...others])
    await until(() => follower.store.height() === 4n)
    await follower.pass(blockCensorshipTimeoutMs, () => follower.replacedAt !== undefined)
    expect(follower.replacedAt).to.be.within(1, blockCensorshipTimeoutMs)
    await until(isLevel)
    expect(follower.suspected, 'it may be only behind').to.deep.equal([])
  })

  it('and drips old blocks is replaced within blockCensorshipTimeoutMs', async () => {
    let next = 4
    let drip: (block: Uint8Array) => void = () => undefined
    const dripping = await source((from, write) => {
      blocks.slice(from, 4).forEach(write)
      drip = write
    })
    await follower.start([dripping, ...others])
    await until(() => follower.store.height() === 4n)
    const isReplaced = (): boolean => follower.replacedAt !== undefined
    while (!isReplaced() && next < 12) {
      await follower.pass(3_750, isReplaced)
      if (!isReplaced()) drip(blocks[next++]!)
    }
    expect(follower.replacedAt).to.be.within(1, blockCensorshipTimeoutMs)
    await until(isLevel)
  })

  it('keeps its turn while the channel is idle', async () => {
    await follower.start(others)
    await until(isLevel)
    await follower.pass(2 * blockCensorshipTimeoutMs)
    expect(follower.replacedAt).to.equal(undefined)
  })

  it('keeps its turn while the channel is idle, whatever headers others invent', async () => {
    const [from, to] = [blocks.length, blocks.length + 3]
    await grow(chain, 3)
    const later = await blocksOf(chain)
    const honestOnes = await honest({
      chain: new MemoryChain({ channelId, blocks, signers: (await channel()).signers }),
    })
    const inventor = await scripted((call) => {
      call.once('data', () => {
        for (const block of later.slice(from, to))
          call.write(blockFrame(forgedHeader(block, blocks[1]!)))
      })
    })
    follower = new Follower(honestOnes.endpoint)
    await follower.start([honestOnes.endpoint, inventor])
    await until(() => follower.store.height() === BigInt(blocks.length))
    await follower.pass(3 * blockCensorshipTimeoutMs)
    expect(follower.replacedAt).to.equal(undefined)
    expect(new Set(follower.suspected)).to.deep.equal(new Set([inventor.address]))
    expect(follower.store.height()).to.equal(BigInt(blocks.length))
  })

  it('costs so many streams of headers as maxHeaderStreams says, each from where it is', async () => {
    const asked: bigint[] = []
    const watched = await Promise.all(
      [1, 2, 3, 4, 5].map(() =>
        scripted((call) => {
          call.once('data', (request: Buffer) => {
            if (wantsHeaders(request)) asked.push(seekStart(request)!)
          })
        }),
      ),
    )
    await follower.start([others[0]!, ...watched], { maxHeaderStreams: 2 })
    await until(isLevel)
    await follower.pass(2 * blockCensorshipTimeoutMs)
    expect(asked).to.have.length(2)
    expect(follower.replacedAt).to.equal(undefined)
  })

  it('is not watched by who sends whole blocks where headers were asked for', async () => {
    const old = await scripted((call) => {
      call.once('data', () => blocks.slice(4).forEach((block) => call.write(blockFrame(block))))
    })
    const withholding = await source((from, write) => blocks.slice(from, 4).forEach(write))
    await follower.start([withholding, old])
    await until(() => follower.store.height() === 4n)
    await follower.pass(2 * blockCensorshipTimeoutMs)
    expect(follower.replacedAt).to.equal(undefined)
    expect([follower.suspected, old.streams()]).to.deep.equal([[], 1])
  })
})
