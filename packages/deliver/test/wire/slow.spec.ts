import { expect } from 'chai'
import { systemClock } from '@heddle/events'
import { VirtualClock } from '@heddle/events/testing'
import type { Logger } from '@heddle/interface'
import { type PullBlocksOptions, type Endpoint, pullBlocks } from '../../src/index.ts'
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
  stopAll,
  until,
} from '../network.ts'

/** Of 2 s, one and a half are spent measuring what an endpoint gives. */
const [blockCensorshipTimeoutMs, measureMs] = [2_000, 1_500]

/** Time passes only while a slow endpoint takes it. */
class Setup {
  readonly clock = new VirtualClock({ wallTimeMs: systemClock.wallTime() })
  /** `Clock.now()` when another endpoint was asked, and in whose place. */
  readonly replaced: [number, unknown][] = []
  /** Blocks that the reader has. */
  taken = 0
  readonly logger: Logger = {
    debug: () => undefined,
    info: (event, fields) => {
      if (event === 'another endpoint is asked')
        this.replaced.push([this.clock.now(), fields?.['endpoint']])
    },
    warn: () => undefined,
    error: () => undefined,
    child: () => this.logger,
  }

  /** Lets so much time pass, but for what is left when another endpoint is asked. */
  async pass(ms: number): Promise<void> {
    const before = this.replaced.length
    const end = this.clock.now() + ms
    while (this.clock.now() < end && this.replaced.length === before) await this.clock.advance(1)
  }

  /** Gives one of `blocks` each `everyMs`. */
  slow(blocks: readonly Uint8Array[], everyMs: number): ReturnType<typeof scripted> {
    return scripted((call) => {
      call.once('data', (request: Buffer) => {
        const before = this.replaced.length
        const isOver = (): boolean => call.cancelled || this.replaced.length > before
        void (async () => {
          for (let number = Number(seekStart(request)); number < blocks.length; number++) {
            // Else time would pass while a block is on its way.
            await until(() => this.taken >= number || isOver())
            await this.pass(everyMs)
            if (isOver()) return
            call.write(blockFrame(blocks[number]!))
          }
        })()
      })
    })
  }

  /** Blocks 0 to `to`, and what was done with each. */
  async pull(
    to: bigint,
    endpoints: readonly Endpoint[],
    onBlock: () => unknown = () => undefined,
    options: Partial<PullBlocksOptions> = {},
  ): Promise<bigint[]> {
    const { client: signer, clientTls: tls, genesis: configBlock } = await channel()
    const { clock, logger } = this
    const numbers: bigint[] = []
    this.taken = Number(options.from ?? 0n)
    for await (const { message } of pullBlocks(
      { signer, clock, logger, random: () => 0 },
      {
        ...{ channelId, configBlock, tls, endpoints, to, blockCensorshipTimeoutMs },
        ...{ connectTimeoutMs: 60_000, ...impatient, ...options },
      },
    )) {
      numbers.push(message.header!.number)
      await onBlock()
      this.taken++
    }
    return numbers
  }
}

const upTo = (last: number): bigint[] => Array.from({ length: last + 1 }, (_, at) => BigInt(at))

/** An honest service with blocks 0 to `last`, and the blocks. */
async function chainTo(last: number): Promise<{ endpoint: Endpoint; blocks: Uint8Array[] }> {
  const { chain, endpoint } = await honest()
  await grow(chain, last)
  return { endpoint, blocks: await blocksOf(chain) }
}

describe('an endpoint that is slow while there are blocks to give', function () {
  this.timeout(60_000)
  afterEach(stopAll)

  for (const everyMs of [100, 400, 1_499, 4_000])
    it(`is measured for ${measureMs} ms and then replaced, at a block each ${everyMs} ms`, async () => {
      const at = new Setup()
      const { endpoint, blocks } = await chainTo(40)
      const slow = await at.slow(blocks, everyMs)
      expect(await at.pull(40n, [slow, endpoint])).to.deep.equal(upTo(40))
      expect(at.replaced).to.deep.equal([[measureMs, slow.address]])
      expect(at.clock.now(), 'in all').to.equal(measureMs)
    })

  it('is replaced also when it withholds what its other blocks need to be verified', async () => {
    const at = new Setup()
    const { endpoint, blocks } = await chainTo(5)
    const slow = await at.slow(blocks, 60_000)
    expect(await at.pull(5n, [slow, endpoint], undefined, { from: 3n })).to.deep.equal([3n, 4n, 5n])
    expect(at.replaced).to.deep.equal([[measureMs, slow.address]])
  })

  it('costs each round no more than it may take to measure all, wherever it stands', async () => {
    const { endpoint, blocks } = await chainTo(12)
    for (let round = 0; round < 20; round++) {
      const at = new Setup()
      const liars = await Promise.all([4_000, 60_000].map((ms) => at.slow(blocks, ms)))
      const endpoints = [...liars.slice(0, round % 3), endpoint, ...liars.slice(round % 3)]
      expect(await at.pull(12n, endpoints)).to.deep.equal(upTo(12))
      expect(at.clock.now(), `round ${round}`).to.be.at.most(2 * measureMs)
    }
  })

  it('is not blamed for the time that its reader takes', async () => {
    const at = new Setup()
    const { endpoint, blocks } = await chainTo(10)
    const other = await at.slow(blocks, 1)
    expect(await at.pull(10n, [endpoint, other], () => at.clock.advance(10_000))).to.have.length(11)
    expect([at.replaced, other.streams()]).to.deep.equal([[], 0])
  })

  it('is asked on when the others are no faster, and when there is no other', async () => {
    const at = new Setup()
    const { blocks } = await chainTo(12)
    const slow = await Promise.all([1, 2, 3].map(() => at.slow(blocks, 900)))
    expect(await at.pull(12n, slow)).to.deep.equal(upTo(12))
    expect(slow.map(({ streams }) => streams())).to.deep.equal([1, 1, 1])
    const alone = new Setup()
    const one = await alone.slow(blocks, 4_000)
    expect(await alone.pull(2n, [one])).to.deep.equal(upTo(2))
    expect(alone.replaced).to.deep.equal([])
  })

  it('is left for one that is known to be more than twice as fast', async () => {
    const at = new Setup()
    const { blocks } = await chainTo(40)
    const fast = await at.slow(blocks, 100)
    const slow = await at.slow(blocks, 700)
    expect(await at.pull(40n, [fast, slow])).to.deep.equal(upTo(40))
    expect(at.replaced.map(([, address]) => address)).to.deep.equal([fast.address, slow.address])
  })
})
