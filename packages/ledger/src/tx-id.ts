import { LedgerError } from './errors.ts'

/** Most bytes of a transaction id, in UTF-8. Fabric's have 64. */
export const maxTxIdBytes = 1_024

/** Whether a transaction can be found under this id: it is not empty and not too long. */
export function isTxId(txId: string): boolean {
  // The length in UTF-16 units decides most cases without counting bytes.
  return txId !== '' && (txId.length <= maxTxIdBytes / 3 || Buffer.byteLength(txId) <= maxTxIdBytes)
}

const hexDigits = /^[0-9a-f]+$/

/** Bytes of a packed id. @throws LedgerError LEDGER_TOO_LARGE */
function packedLength(txId: string): number {
  if (txId === '') return 0
  if (!isTxId(txId)) {
    const message = `a transaction id has more than ${maxTxIdBytes} bytes`
    throw new LedgerError('LEDGER_TOO_LARGE', message)
  }
  const isHex = txId.length % 2 === 0 && hexDigits.test(txId)
  return 1 + (isHex ? txId.length / 2 : Buffer.byteLength(txId))
}

/** Writes a packed id of `length` bytes. */
function writePacked(txId: string, target: Buffer, offset: number, length: number): void {
  if (length === 0) return
  // Text of n bytes and hex of n bytes differ in length unless n is 0: the length tells which it is.
  const isHex = length === 1 + txId.length / 2
  target[offset] = isHex ? 0x78 : 0x73
  target.write(txId, offset + 1, length - 1, isHex ? 'hex' : 'utf8')
}

/**
 * A transaction id as bytes, without loss: what is lower-case hex, as Fabric's ids are, takes half.
 * The first byte tells which: `x` for hex, `s` for text. Nothing for the empty id.
 *
 * @throws LedgerError LEDGER_TOO_LARGE
 */
export function packTxId(txId: string): Buffer {
  const packed = Buffer.allocUnsafe(packedLength(txId))
  writePacked(txId, packed, 0, packed.length)
  return packed
}

/** The ids of a block. */
export interface PackedTxIds {
  /** One behind the other, each packed and behind its length u16. */
  readonly bytes: Buffer
  /** Each packed: views of `bytes`. */
  readonly packed: readonly Buffer[]
}

/** Packs the ids of a block, each as {@link packTxId} does. @throws LedgerError LEDGER_TOO_LARGE */
export function packTxIds(txIds: readonly string[]): PackedTxIds {
  const lengths = txIds.map(packedLength)
  const bytes = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + 2 + length, 0))
  let offset = 0
  const packed = txIds.map((txId, index) => {
    const length = lengths[index] ?? 0
    const begin = offset + 2
    bytes.writeUInt16BE(length, offset)
    writePacked(txId, bytes, begin, length)
    offset = begin + length
    return bytes.subarray(begin, offset)
  })
  return { bytes, packed }
}

/** The id that {@link packTxId} packed. */
export function unpackTxId(packed: Buffer): string {
  if (packed.length === 0) return ''
  return packed[0] === 0x78 ? packed.toString('hex', 1) : packed.toString('utf8', 1)
}
