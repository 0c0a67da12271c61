import { expect } from 'chai'
import { systemClock } from '@heddle/events'
import type { Clock } from '@heddle/interface'
import { common, decode, encode } from '@heddle/proto'
import {
  type Endpoint,
  type PullBlocksOptions,
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

/** The system's timers beside a time that the test tells. */
const virtual: Pick<Clock, 'wallTime' | 'schedule'> = {
  wallTime: () => systemClock.wallTime(),
  schedule: (ms, task) => systemClock.schedule(ms, task),
}

/** Four blocks as four consenters sign them. */
async function chainOfFour(): Promise<Uint8Array[]> {
  const { chain } = await honest()
  await grow(chain, 3)
  return blocksOf(chain)
}

/** `block` with the signatures that `other` has: well-formed, of the right consenters, and wrong. */
function withSignaturesOf(other: Uint8Array, block: Uint8Array): Uint8Array {
  const copy = decode(common.BlockSchema, block)
  copy.metadata!.metadata[0] = decode(common.BlockSchema, other).metadata!.metadata[0]!
  return encode(common.BlockSchema, copy)
}

/** A service with these blocks that gives at most `most` of them on one stream, then hangs up. */
function serving(
  blocks: readonly Uint8Array[],
  most = Infinity,
): Promise<Endpoint & { streams: () => number }> {
  return scripted((call) => {
    call.once('data', (request: Buffer) => {
      const from = Number(seekStart(request) ?? 0n)
      for (const block of blocks.slice(from, from + most)) call.write(blockFrame(block))
      call.end()
    })
  })
}

/** What is pulled, and what ends it. */
async function pulled(
  options: Partial<PullBlocksOptions> & Pick<PullBlocksOptions, 'endpoints'>,
): Promise<{ blocks: Buffer[]; code: unknown }> {
  const { client: signer, clientTls: tls, genesis: configBlock } = await channel()
  const blocks: Buffer[] = []
  try {
    for await (const { bytes } of pullBlocks(
      { signer, clock: systemClock, random: () => 0 },
      { channelId, configBlock, tls, maxFailures: 1, to: 3n, ...impatient, ...options },
    )) {
      blocks.push(Buffer.from(bytes))
    }
    return { blocks, code: undefined }
  } catch (error) {
    return { blocks, code: (error as { code?: unknown }).code }
  }
}

describe('a bad block', function () {
  this.timeout(20_000)
  afterEach(stopAll)

  it('with wrong signatures is not given out, though all its hashes are right', async () => {
    const blocks = await chainOfFour()
    const forged = blocks.map((block, at) =>
      at === 2 ? withSignaturesOf(blocks[1]!, block) : block,
    )
    const { blocks: given, code } = await pulled({ endpoints: [await serving(forged)] })
    expect(code).to.equal('DELIVER_SIGNATURES')
    expect(given).to.deep.equal(blocks.slice(0, 2).map((block) => Buffer.from(block)))
  })

  it('with wrong signatures is no place to begin behind', async () => {
    const blocks = await chainOfFour()
    const forged = blocks.map((block, at) =>
      at === 1 ? withSignaturesOf(blocks[3]!, block) : block,
    )
    const { blocks: given, code } = await pulled({ endpoints: [await serving(forged)], from: 2n })
    expect([given, code]).to.deep.equal([[], 'DELIVER_SIGNATURES'])
  })

  it('makes its endpoint suspected: it is not asked when it would be its turn', async () => {
    const blocks = await chainOfFour()
    const liar = await serving([withoutData(blocks[0]!)])
    const breaking = await serving(blocks, 1)
    const { blocks: given } = await pulled({ endpoints: [liar, breaking], maxFailures: 9 })
    expect(given).to.have.length(4)
    expect([liar.streams(), breaking.streams()]).to.deep.equal([1, 4])
  })
})

/** A block that no check lets through. */
function withoutData(block: Uint8Array): Uint8Array {
  const copy = decode(common.BlockSchema, block)
  delete copy.data
  return encode(common.BlockSchema, copy)
}

describe('failures in a row', function () {
  this.timeout(20_000)
  afterEach(stopAll)

  it('are counted from the last block on: streams may break as often as each brought one', async () => {
    const blocks = await chainOfFour()
    const endpoint = await serving(blocks, 1)
    const { blocks: given, code } = await pulled({ endpoints: [endpoint], maxFailures: 2 })
    expect([given.length, code]).to.deep.equal([4, undefined])
    expect(endpoint.streams()).to.equal(4)
  })

  it('of a sink count from the last block on: it may refuse each once, and no wait grows', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 5)
    const store = new MemoryStore()
    const refused = new Set<bigint>()
    const sink = {
      put: async (block: Parameters<MemoryStore['put']>[0]): Promise<void> => {
        const { number } = block.message.header!
        if (refused.has(number)) return store.put(block)
        refused.add(number)
        throw new Error('not yet')
      },
    }
    const waits: number[] = []
    const clock: Clock = {
      ...virtual,
      now: () => systemClock.now(),
      schedule: (ms, task) => {
        waits.push(ms)
        return systemClock.schedule(ms, task)
      },
    }
    const { client: signer, clientTls: tls, genesis: configBlock } = await channel()
    const service = createDeliverService(
      { signer, clock, ledger: store, sink, random: () => 0 },
      { channelId, configBlock, tls, endpoints: [endpoint], minBackOffMs: 1, maxBackOffMs: 1000 },
    )
    started.push(service)
    await service.start()
    await until(() => store.height() === 6n)
    expect(new Set(waits.filter((ms) => ms <= 1000))).to.deep.equal(new Set([1]))
  })

  it('end it at maxFailures and not before', async () => {
    const silent = await serving([])
    expect(await pulled({ endpoints: [silent], maxFailures: 3 })).to.deep.equal({
      blocks: [],
      code: 'DELIVER_STREAM_FAILED',
    })
    expect(silent.streams()).to.equal(3)
  })
})

describe('the keepalive of a stream', function () {
  this.timeout(20_000)
  afterEach(stopAll)

  it('pings once a minute: Fabric cuts whoever does more often', async () => {
    const endpoint = await serving(await chainOfFour())
    const { setTimeout: original } = globalThis
    const waits: number[] = []
    const spying = (task: () => void, ms?: number): NodeJS.Timeout => {
      waits.push(ms ?? 0)
      return original(task, ms)
    }
    globalThis.setTimeout = Object.assign(spying, original)
    try {
      await pulled({ endpoints: [endpoint], to: 0n })
    } finally {
      globalThis.setTimeout = original
    }
    expect(waits).to.include(60_000)
  })
})
