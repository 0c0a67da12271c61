import assert from 'node:assert/strict'
import { type Received, common, create, encode, receive } from '@heddle/proto'
import type { BlockSink, LedgerInfo } from '../ports.ts'

/** One case of a compliance suite, for any test framework: `it(c.name, c.run)`. */
export interface ComplianceCase {
  readonly name: string
  readonly run: () => Promise<void>
}

/** A ledger and the sink that fills it, and how to get rid of both. */
export interface StoreUnderTest {
  readonly ledger: LedgerInfo
  readonly sink: BlockSink
  close?(): Promise<void>
}

type Check = (store: StoreUnderTest) => Promise<void>

/**
 * The cases that a {@link LedgerInfo} and its {@link BlockSink} must pass together.
 *
 * @param setup - makes an empty ledger; asked for anew by each case
 */
export function storeCases(setup: () => Promise<StoreUnderTest>): ComplianceCase[] {
  const cases: Record<string, Check> = {
    'is empty at first': empty,
    'counts a block once it is taken': counts,
    'gives back the bytes of a block as they came': givesBack,
    'gives nothing beyond its height': nothingBeyond,
    'does not keep views of what it is given': copies,
  }
  return Object.entries(cases).map(([name, check]) => ({
    name,
    run: async () => {
      const store = await setup()
      try {
        await check(store)
      } finally {
        await store.close?.()
      }
    },
  }))
}

/** Block `number`, with an encoding that nobody would make again: an unknown field at its end. */
function blockOf(number: number): Received<common.Block> {
  const block = create(common.BlockSchema, {
    header: {
      number: BigInt(number),
      previousHash: new Uint8Array(32),
      dataHash: new Uint8Array(32),
    },
    data: { data: [Buffer.from(`envelope ${number}`)] },
    metadata: { metadata: Array<Uint8Array>(5).fill(new Uint8Array(0)) },
  })
  const unknownField = Buffer.from('2a0161', 'hex')
  return receive(
    common.BlockSchema,
    Buffer.concat([encode(common.BlockSchema, block), unknownField]),
  )
}

async function empty({ ledger }: StoreUnderTest): Promise<void> {
  assert.equal(await ledger.height(), 0n)
  assert.equal(await ledger.block(0n), undefined)
}

async function counts({ ledger, sink }: StoreUnderTest): Promise<void> {
  for (let number = 0; number < 3; number++) {
    await sink.put(blockOf(number))
    assert.equal(await ledger.height(), BigInt(number + 1))
  }
}

async function givesBack({ ledger, sink }: StoreUnderTest): Promise<void> {
  for (let number = 0; number < 3; number++) await sink.put(blockOf(number))
  for (let number = 0; number < 3; number++) {
    const stored = await ledger.block(BigInt(number))
    assert.deepEqual(Buffer.from(stored ?? []), Buffer.from(blockOf(number).bytes))
  }
}

async function nothingBeyond({ ledger, sink }: StoreUnderTest): Promise<void> {
  await sink.put(blockOf(0))
  assert.equal(await ledger.block(1n), undefined)
  assert.equal(await ledger.block(0xffff_ffff_ffff_ffffn), undefined)
}

async function copies({ ledger, sink }: StoreUnderTest): Promise<void> {
  const block = blockOf(0)
  const before = Buffer.from(block.bytes).toString('hex')
  await sink.put(block)
  block.bytes.fill(0)
  const stored = await ledger.block(0n)
  assert.equal(Buffer.from(stored ?? []).toString('hex'), before)
}
