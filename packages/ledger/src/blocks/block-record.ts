import { blockHeaderHash, common, decode } from '@heddle/proto'
import { LedgerError } from '../errors.ts'
import type { LedgerHeader } from '../ports.ts'
import type { RecordBody } from '../records/record-file.ts'
import { arePackedTxIds } from '../index/tx-id.ts'

/*
 * The body of a block's record: block length u32 · block · for each transaction: length of the
 * packed id u16 · packed id. With a note the highest bit of the length is set, and length u8 and note
 * stand before the block. Numbers are big-endian.
 */

/** Most bytes of a note. */
export const maxNoteBytes = 64

const noteFlag = 0x80000000

/** The body of a record; nothing is copied. @param txIds - what `packTxIds` made of the ids */
export function encodeBlockRecord(block: Uint8Array, txIds: Buffer, note?: Uint8Array): RecordBody {
  const head = Buffer.alloc(note === undefined ? 4 : 5 + note.length)
  head.writeUInt32BE(block.length + (note === undefined ? 0 : noteFlag))
  if (note !== undefined) {
    head.writeUInt8(note.length, 4)
    head.set(note, 5)
  }
  return [head, block, txIds]
}

/** What the body of a record holds: views of it. */
export interface BlockRecordContent {
  readonly block: Buffer
  /** The ids of its transactions, as `packTxIds` packs them. */
  readonly txIds: Buffer
  /** Absent: none was given. */
  readonly note: Buffer | undefined
}

/** What a body with the right checksum holds. Absent: it is no body of a block's record. */
export function decodeBlockRecord(body: Buffer): BlockRecordContent | undefined {
  if (body.length < 4) return undefined
  const length = body.readUInt32BE(0)
  const hasNote = length >= noteFlag
  const start = hasNote ? 5 + (body[4] ?? 0) : 4
  const end = start + (hasNote ? length - noteFlag : length)
  if (end > body.length) return undefined
  const txIds = body.subarray(end)
  if (!arePackedTxIds(txIds)) return undefined
  const note = hasNote ? body.subarray(5, start) : undefined
  return { block: body.subarray(start, end), txIds, note }
}

/**
 * The header of an encoded `common.Block`, with copies of its fields.
 *
 * @throws LedgerError LEDGER_BAD_BLOCK when the bytes are not a block, or it has no header
 */
export function headerOf(block: Uint8Array): LedgerHeader {
  let header
  try {
    header = plainHeader(block) ?? decode(common.BlockSchema, block).header
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

// Field numbers and wire types of a block, as tags.
const headerTag = 0x0a
const dataTag = 0x12
const metadataTag = 0x1a
const elementTag = 0x0a

/**
 * The header of a block with its fields in order, each once: without looking into its transactions,
 * hundreds of which would be views for nothing. Absent for any other, about which the codec decides.
 */
function plainHeader(block: Uint8Array): common.BlockHeader | undefined {
  const header = fieldAt(block, 0, headerTag)
  const data = header && fieldAt(block, header.end, dataTag)
  const metadata = data && fieldAt(block, data.end, metadataTag)
  if (header === undefined || data === undefined || metadata?.end !== block.length) return undefined
  if (!isList(block, data) || !isList(block, metadata)) return undefined
  return decode(common.BlockHeaderSchema, block.subarray(header.start, header.end))
}

interface Span {
  readonly start: number
  readonly end: number
}

/** The content of the field at an offset, if it has this tag and ends within the bytes. */
function fieldAt(bytes: Uint8Array, at: number, tag: number): Span | undefined {
  if (bytes[at] !== tag) return undefined
  let length = 0
  // Four bytes hold a length of 28 bits, more than any block has.
  for (let digit = 0; digit < 4; digit += 1) {
    const byte = bytes[at + 1 + digit] ?? 0xff
    length += (byte & 0x7f) << (7 * digit)
    if (byte > 0x7f) continue
    const start = at + 2 + digit
    return start + length > bytes.length ? undefined : { start, end: start + length }
  }
  return undefined
}

/** Whether the content is repeated bytes, field 1, and nothing else. */
function isList(bytes: Uint8Array, { start, end }: Span): boolean {
  let at = start
  while (at < end) at = fieldAt(bytes, at, elementTag)?.end ?? Infinity
  return at === end
}

/** Throws unless a block with `header` may come behind `previous`. @throws LedgerError */
export function checkSuccessor(header: LedgerHeader, previous: LedgerHeader | undefined): void {
  const expected = previous === undefined ? 0n : previous.number + 1n
  const block = header.number
  if (block < expected) {
    const message = `block ${block.toString()} is already stored: the next is ${expected.toString()}`
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
