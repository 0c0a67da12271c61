import { blockHeaderHash, common, decode } from '@heddle/proto'
import { LedgerError } from './errors.ts'
import type { BlockRecord, LedgerHeader } from './ports.ts'
import type { RecordBody } from './record-file.ts'
import { unpackTxId } from './tx-id.ts'
import type { PackedTxIds } from './tx-id.ts'

/*
 * The body of a block's record: block length u32 · block · for each transaction: length of the
 * packed id u16 · packed id. Numbers are big-endian.
 */

/** The body of a record; nothing is copied. */
export function encodeBlockRecord(block: Uint8Array, txIds: PackedTxIds): RecordBody {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(block.length)
  return [length, block, txIds.bytes]
}

/** The block and the ids in a body whose checksum is right; views of it. Absent: it is no such body. */
export function decodeBlockRecord(body: Buffer): BlockRecord | undefined {
  if (body.length < 4) return undefined
  let offset = 4 + body.readUInt32BE(0)
  if (offset > body.length) return undefined
  const block = body.subarray(4, offset)
  const txIds: string[] = []
  while (offset < body.length) {
    if (offset + 2 > body.length) return undefined
    const end = offset + 2 + body.readUInt16BE(offset)
    if (end > body.length) return undefined
    txIds.push(unpackTxId(body.subarray(offset + 2, end)))
    offset = end
  }
  return { block, txIds }
}

/**
 * The header of an encoded `common.Block`, with copies of its fields.
 *
 * @throws LedgerError LEDGER_BAD_BLOCK when the bytes are no block or it has no header
 */
export function headerOf(block: Uint8Array): LedgerHeader {
  let header
  try {
    header = decode(common.BlockSchema, block).header
  } catch (cause) {
    throw new LedgerError('LEDGER_BAD_BLOCK', 'the bytes are no common.Block', { cause })
  }
  if (header === undefined) throw new LedgerError('LEDGER_BAD_BLOCK', 'the block has no header')
  return {
    number: header.number,
    previousHash: Uint8Array.from(header.previousHash),
    dataHash: Uint8Array.from(header.dataHash),
    hash: Uint8Array.from(blockHeaderHash(header)),
  }
}

/** Throws unless a block with `header` may come behind `previous`. @throws LedgerError */
export function checkSuccessor(header: LedgerHeader, previous: LedgerHeader | undefined): void {
  const expected = previous === undefined ? 0n : previous.number + 1n
  const block = header.number
  if (block < expected) {
    const message = `block ${block.toString()} is there already: the next is ${expected.toString()}`
    throw new LedgerError('LEDGER_DUPLICATE', message, { block })
  }
  if (block > expected) {
    const message = `block ${block.toString()} leaves a gap: the next is ${expected.toString()}`
    throw new LedgerError('LEDGER_GAP', message, { block })
  }
  // The first block has no predecessor: Fabric leaves the field empty, whatever stands there is kept.
  if (previous !== undefined && !Buffer.from(previous.hash).equals(header.previousHash)) {
    const message = `block ${block.toString()} does not carry the hash of the block before it`
    throw new LedgerError('LEDGER_WRONG_PREVIOUS_HASH', message, { block })
  }
}
