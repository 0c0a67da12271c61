import type { RecordPosition } from '../records/record-scan.ts'
import type { KeyChange, KeyValueStore } from '../storage/storage.ts'

/*
 * `b` and the number of a block divided by 64, u64 → for each of these blocks in turn, as far as they
 * are known: offset u48, length u32.
 */

const blocksPerKey = 64n
const positionBytes = 10

/** Where the record of a block is, if that is stored. */
export function storedPosition(store: KeyValueStore, number: bigint): RecordPosition | undefined {
  const stored = Buffer.from(store.get(keyOf(number)) ?? [])
  const at = positionBytes * Number(number % blocksPerKey)
  if (stored.length < at + positionBytes) return undefined
  return {
    sequence: number,
    offset: stored.readUIntBE(at, 6),
    length: stored.readUInt32BE(at + 6),
  }
}

/** What stores the positions of consecutive blocks: the first is the next that is not stored. */
export function positionChanges(
  store: KeyValueStore,
  positions: readonly RecordPosition[],
): KeyChange[] {
  const changes = new Map<bigint, { key: Buffer; parts: Buffer[] }>()
  for (const { sequence, offset, length } of positions) {
    const group = sequence / blocksPerKey
    let change = changes.get(group)
    if (change === undefined) {
      const key = keyOf(sequence)
      const known = positionBytes * Number(sequence % blocksPerKey)
      change = { key, parts: [Buffer.from(store.get(key) ?? []).subarray(0, known)] }
      changes.set(group, change)
    }
    const position = Buffer.allocUnsafe(positionBytes)
    position.writeUIntBE(offset, 0, 6)
    position.writeUInt32BE(length, 6)
    change.parts.push(position)
  }
  return [...changes.values()].map(({ key, parts }) => ({ key, value: Buffer.concat(parts) }))
}

function keyOf(number: bigint): Buffer {
  const key = Buffer.allocUnsafe(9)
  key.write('b')
  key.writeBigUInt64BE(number / blocksPerKey, 1)
  return key
}
