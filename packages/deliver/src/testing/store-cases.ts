import assert from 'node:assert/strict'
import {
  type Received,
  blockDataHash,
  blockHeaderHash,
  common,
  create,
  encode,
  receive,
} from '@heddle/proto'
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

/** Blocks 0 to 2 of a chain, each with an encoding that nobody would make again: an unknown field at its end. */
function blocks(): Received<common.Block>[] {
  const made: Received<common.Block>[] = []
  for (let number = 0; number < 3; number++) {
    const previous = made.at(-1)?.message.header
    const data = [Buffer.from(`envelope ${number}`)]
    const block = create(common.BlockSchema, {
      header: {
        number: BigInt(number),
        previousHash: previous === undefined ? new Uint8Array(0) : blockHeaderHash(previous),
        dataHash: blockDataHash(data),
      },
      data: { data },
      metadata: { metadata: Array<Uint8Array>(5).fill(new Uint8Array(0)) },
    })
    const unknownField = Buffer.from('2a0161', 'hex')
    const bytes = Buffer.concat([encode(common.BlockSchema, block), unknownField])
    made.push(receive(common.BlockSchema, bytes))
  }
  return made
}

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex')

async function empty({ ledger }: StoreUnderTest): Promise<void> {
  assert.equal(await ledger.height(), 0n)
  assert.equal(await ledger.block(0n), undefined)
}

async function counts({ ledger, sink }: StoreUnderTest): Promise<void> {
  for (const block of blocks()) {
    await sink.put(block)
    assert.equal(await ledger.height(), (block.message.header?.number ?? 0n) + 1n)
  }
}

async function givesBack({ ledger, sink }: StoreUnderTest): Promise<void> {
  for (const block of blocks()) await sink.put(block)
  for (const [number, { bytes }] of blocks().entries()) {
    assert.equal(hex(await ledger.block(BigInt(number))), hex(bytes))
  }
}

async function nothingBeyond({ ledger, sink }: StoreUnderTest): Promise<void> {
  for (const block of blocks().slice(0, 1)) await sink.put(block)
  assert.equal(await ledger.block(1n), undefined)
  assert.equal(await ledger.block(0xffff_ffff_ffff_ffffn), undefined)
}

async function copies({ ledger, sink }: StoreUnderTest): Promise<void> {
  for (const block of blocks().slice(0, 1)) {
    const before = hex(block.bytes)
    await sink.put(block)
    block.bytes.fill(0)
    assert.equal(hex(await ledger.block(0n)), before)
  }
}
