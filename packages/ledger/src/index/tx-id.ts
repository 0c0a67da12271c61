import { LedgerError } from '../errors.ts'

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
 * Packs the ids of a block, one behind the other, without loss: the length of what follows u16, then
 * `x` and the bytes of what is lower-case hex, as Fabric's ids are, or `s` and the text. Nothing
 * follows for the empty id.
 *
 * @throws LedgerError LEDGER_TOO_LARGE
 */
export function packTxIds(txIds: readonly string[]): Buffer {
  return packHexIds(txIds) ?? packAnyIds(txIds)
}

/** Packs ids that are all hex, which is nearly always so: decoded together, in half of the time. */
function packHexIds(txIds: readonly string[]): Buffer | undefined {
  const text = txIds.join('')
  const decoded = Buffer.from(text, 'hex')
  // What is not lower-case hex does not come back.
  if (decoded.toString('hex') !== text) return undefined
  const bytes = Buffer.allocUnsafe(3 * txIds.length + decoded.length)
  let from = 0
  let to = 0
  for (const { length } of txIds) {
    if (length === 0 || length % 2 === 1 || length > maxTxIdBytes) return undefined
    to = bytes.writeUInt16BE(1 + length / 2, to)
    bytes[to] = 0x78
    to += 1
    for (const end = from + length / 2; from < end; from += 1, to += 1)
      bytes[to] = decoded[from] ?? 0
  }
  return bytes
}

function packAnyIds(txIds: readonly string[]): Buffer {
  const lengths = txIds.map(packedLength)
  const bytes = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + 2 + length, 0))
  let offset = 0
  for (const [index, txId] of txIds.entries()) {
    const length = lengths[index] ?? 0
    bytes.writeUInt16BE(length, offset)
    writePacked(txId, bytes, offset + 2, length)
    offset += 2 + length
  }
  return bytes
}

/** Whether the bytes have the form that {@link packTxIds} gives them. */
export function arePackedTxIds(bytes: Buffer): boolean {
  let at = 0
  while (at + 2 <= bytes.length) at += 2 + bytes.readUInt16BE(at)
  return at === bytes.length
}
