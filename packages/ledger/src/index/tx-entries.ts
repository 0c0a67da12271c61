import type { TxLocation } from '../ports.ts'

/*
 * A key: length u16 · packed id, as in the record of a block.
 * An entry: block u48 · position in it u32 · key. Numbers are big-endian.
 * A chunk: number of entries u32 · for each the first hash of its key u32 and its offset u32 · the
 * entries.
 */

/** Bytes of an entry before its key. */
const placeBytes = 10

/** Bytes of the key at an offset, with its length. */
export const keyBytes = (bytes: Uint8Array, at: number): number =>
  2 + ((bytes[at] ?? 0) << 8) + (bytes[at + 1] ?? 0)

/** Whether the same key is at both offsets. */
export function isSameKey(one: Uint8Array, at: number, other: Uint8Array, from: number): boolean {
  const length = keyBytes(one, at)
  for (let byte = 0; byte < length; byte += 1) {
    if (one[at + byte] !== other[from + byte]) return false
  }
  return true
}

/** A transaction, its key in bytes that it shares with others. */
export interface TxEntry {
  readonly block: number
  readonly index: number
  readonly bytes: Buffer
  /** Where in `bytes` its key begins. */
  readonly key: number
}

/** An entry with the first hash of its key. */
export type HashedEntry = TxEntry & { readonly first: number }

/** Entries, one behind the other. */
export function encodeEntries(entries: readonly TxEntry[]): Buffer {
  const target = Buffer.allocUnsafe(bytesOf(entries))
  let at = 0
  for (const entry of entries) at = writeEntry(target, at, entry)
  return target
}

/** What {@link encodeEntries} encoded. */
export function decodeEntries(bytes: Buffer): TxEntry[] {
  const entries: TxEntry[] = []
  for (let at = 0; at < bytes.length;) {
    const key = at + placeBytes
    const block = bytes.readUIntBE(at, 6)
    entries.push({ block, index: bytes.readUInt32BE(at + 6), bytes, key })
    at = key + keyBytes(bytes, key)
  }
  return entries
}

/** Makes a chunk. */
export function encodeChunk(entries: readonly HashedEntry[]): Buffer {
  const table = 4 + 8 * entries.length
  const chunk = Buffer.allocUnsafe(table + bytesOf(entries))
  chunk.writeUInt32BE(entries.length)
  let at = table
  for (const [number, entry] of entries.entries()) {
    chunk.writeUInt32BE(entry.first, 4 + 8 * number)
    chunk.writeUInt32BE(at, 8 + 8 * number)
    at = writeEntry(chunk, at, entry)
  }
  return chunk
}

/** The place of the transaction whose key is at the beginning of `key`, if the chunk has it. */
export function findInChunk(chunk: Buffer, key: Buffer, first: number): TxLocation | undefined {
  const count = chunk.readUInt32BE()
  for (let number = 0; number < count; number += 1) {
    if (chunk.readUInt32BE(4 + 8 * number) !== first) continue
    const at = chunk.readUInt32BE(8 + 8 * number)
    if (!isSameKey(key, 0, chunk, at + placeBytes)) continue
    return { block: BigInt(chunk.readUIntBE(at, 6)), index: chunk.readUInt32BE(at + 6) }
  }
  return undefined
}

function bytesOf(entries: readonly TxEntry[]): number {
  return entries.reduce((sum, { bytes, key }) => sum + placeBytes + keyBytes(bytes, key), 0)
}

/** @returns where the next entry goes */
function writeEntry(target: Buffer, at: number, { block, index, bytes, key }: TxEntry): number {
  target.writeUIntBE(block, at, 6)
  target.writeUInt32BE(index, at + 6)
  const to = at + placeBytes
  return to + bytes.copy(target, to, key, key + keyBytes(bytes, key))
}
