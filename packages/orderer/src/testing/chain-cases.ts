import assert from 'node:assert/strict'
import {
  blockDataHash,
  blockHeaderHash,
  common,
  create,
  decode,
  encode,
  receive,
} from '@heddle/proto'
import type { AbortOptions } from '@heddle/interface'
import type { Chain } from '../ports.ts'

/** One case of a compliance suite, for any test framework: `it(c.name, c.run)`. */
export interface ComplianceCase {
  readonly name: string
  readonly run: () => Promise<void>
}

/** A chain that orders, envelopes that it takes, and how to get rid of it. */
export interface ChainUnderTest {
  readonly chain: Chain
  /** The encoded envelope number `index`, another one for each; by default a meaningless one. */
  envelope?(index: number): Promise<Uint8Array>
  close?(): Promise<void>
}

type Submit = (index: number, options?: AbortOptions) => Promise<Uint8Array>
type Check = (chain: Chain, submit: Submit) => Promise<void>

/**
 * The cases that every {@link Chain} must pass.
 *
 * @param setup - makes a chain, with any number of blocks; asked for anew by each case
 */
export function chainCases(setup: () => Promise<ChainUnderTest>): ComplianceCase[] {
  const cases: Record<string, Check> = {
    'has an envelope in a block, as it came, when submit resolves': inBlock,
    'takes the same envelope again without a second place in a block': once,
    'orders overlapping envelopes, each once': overlapping,
    'numbers its blocks without a gap and gives none beyond its height': numbers,
    'links its blocks by their hashes': links,
    'follows from any block, as blocks are added': follows,
    'lets each follower go its own way': followers,
    'ends following and submitting by a signal': aborts,
    'can order, as long as it does not say otherwise': able,
  }
  return Object.entries(cases).map(([name, check]) => ({
    name,
    run: async () => {
      const tested = await setup()
      const { chain } = tested
      try {
        await check(chain, async (index, options) => {
          const bytes = await (tested.envelope?.(index) ?? plainEnvelope(index))
          await chain.submit(receive(common.EnvelopeSchema, bytes), options)
          return bytes
        })
      } finally {
        await tested.close?.()
      }
    },
  }))
}

function plainEnvelope(index: number): Promise<Uint8Array> {
  const message = create(common.EnvelopeSchema, {
    payload: Buffer.from(`payload ${index}`),
    signature: Buffer.from('signature'),
  })
  return Promise.resolve(encode(common.EnvelopeSchema, message))
}

/** All blocks, in order. */
async function blocksOf(chain: Chain): Promise<common.Block[]> {
  const found: common.Block[] = []
  for (let number = 0n; number < chain.height(); number++) {
    const bytes = await chain.block(number)
    assert.ok(bytes, `block ${String(number)} is below the height and not there`)
    found.push(decode(common.BlockSchema, bytes))
  }
  return found
}

/** All envelopes in all blocks, in order, as hex. */
async function ordered(chain: Chain): Promise<string[]> {
  return (await blocksOf(chain)).flatMap(({ data }) => (data?.data ?? []).map(hex))
}

async function inBlock(chain: Chain, submit: Submit): Promise<void> {
  const bytes = await submit(0)
  assert.equal((await ordered(chain)).filter((one) => one === hex(bytes)).length, 1)
}

async function once(chain: Chain, submit: Submit): Promise<void> {
  const [bytes] = await Promise.all([submit(0), submit(0)])
  await submit(0)
  assert.equal((await ordered(chain)).filter((one) => one === hex(bytes)).length, 1)
}

async function overlapping(chain: Chain, submit: Submit): Promise<void> {
  const sent = await Promise.all([...Array(30).keys()].map((index) => submit(index)))
  const found = (await ordered(chain)).filter((one) => sent.some((bytes) => hex(bytes) === one))
  assert.deepEqual([...found].sort(), sent.map(hex).sort())
}

async function numbers(chain: Chain, submit: Submit): Promise<void> {
  await submit(0)
  await submit(1)
  for (const [number, block] of (await blocksOf(chain)).entries()) {
    assert.equal(block.header?.number, BigInt(number))
  }
  assert.equal(await chain.block(chain.height()), undefined)
  assert.equal(await chain.block(0xffff_ffff_ffff_ffffn), undefined)
}

async function links(chain: Chain, submit: Submit): Promise<void> {
  await submit(0)
  await submit(1)
  let previous: common.BlockHeader | undefined
  for (const { header, data } of await blocksOf(chain)) {
    assert.ok(header)
    const hash = previous === undefined ? new Uint8Array(0) : blockHeaderHash(previous)
    assert.equal(hex(header.previousHash), hex(hash))
    assert.equal(hex(header.dataHash), hex(blockDataHash(data?.data ?? [])))
    previous = header
  }
}

async function follows(chain: Chain, submit: Submit): Promise<void> {
  await submit(0)
  const from = chain.height() - 1n
  const blocks = chain.follow(from)[Symbol.asyncIterator]()
  const first = await blocks.next()
  const second = blocks.next()
  await submit(1)
  const found = [first, await second]
  await submit(2)
  found.push(await blocks.next())
  for (const [index, { value }] of found.entries()) {
    const stored = (await chain.block(from + BigInt(index))) ?? new Uint8Array()
    assert.equal(hex(value as Uint8Array), hex(stored))
  }
  await blocks.return?.()
}

async function followers(chain: Chain, submit: Submit): Promise<void> {
  const from = chain.height()
  const open = (): AsyncIterator<Uint8Array> => chain.follow(from)[Symbol.asyncIterator]()
  const take = async (blocks: AsyncIterator<Uint8Array>): Promise<string> =>
    hex((await blocks.next()).value as Uint8Array)
  const [gone, slow, fast] = [open(), open(), open()]
  await submit(0)
  await take(gone)
  await gone.return?.()
  await submit(1)
  const ahead = [await take(fast), await take(fast)]
  assert.deepEqual([await take(slow), await take(slow)], ahead)
  await Promise.all([slow.return?.(), fast.return?.()])
}

async function able(chain: Chain, submit: Submit): Promise<void> {
  assert.equal(chain.errored?.().aborted ?? false, false)
  await submit(0)
  assert.equal(chain.errored?.().aborted ?? false, false)
}

async function aborts(chain: Chain, submit: Submit): Promise<void> {
  const controller = new AbortController()
  const { signal } = controller
  const blocks = chain.follow(chain.height(), { signal })[Symbol.asyncIterator]()
  const waiting = blocks.next().then(
    ({ done }) => done === true,
    () => true,
  )
  controller.abort(new Error('enough'))
  assert.equal(await waiting, true)
  await assert.rejects(submit(0, { signal }))
  // Whoever gave up may submit again.
  await submit(0)
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
