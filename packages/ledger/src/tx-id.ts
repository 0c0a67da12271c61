import { LedgerError } from './errors.ts'

/** Most bytes of a transaction id, in UTF-8. Fabric's have 64. */
export const maxTxIdBytes = 1_024

/** Whether a transaction can be found under this id: it is not empty and not too long. */
export function isTxId(txId: string): boolean {
  // The length in UTF-16 units decides most cases without counting bytes.
  return txId !== '' && (txId.length <= maxTxIdBytes / 3 || Buffer.byteLength(txId) <= maxTxIdBytes)
}

const hexDigits = /^[0-9a-f]+$/

/** Bytes of a packed id. */
export function packedLength(txId: string): number {
  if (txId === '') return 0
  const isHex = txId.length % 2 === 0 && hexDigits.test(txId)
  return 1 + (isHex ? txId.length / 2 : Buffer.byteLength(txId))
}

/**
 * Writes a transaction id as bytes, without loss: what is lower-case hex, as Fabric's ids are, takes
 * half. The first byte tells which: `x` for hex, `s` for text. Nothing for the empty id.
 *
 * @param length - `packedLength` of the id
 */
export function packTxId(txId: string, target: Buffer, offset: number, length: number): void {
  if (length === 0) return
  // Text of n bytes and hex of n bytes differ in length unless n is 0: the length tells which it is.
  const isHex = length === 1 + txId.length / 2
  target[offset] = isHex ? 0x78 : 0x73
  target.write(txId, offset + 1, length - 1, isHex ? 'hex' : 'utf8')
}

/** @throws LedgerError LEDGER_TOO_LARGE unless an id is empty or {@link isTxId} */
export function checkTxId(txId: string): void {
  if (txId === '' || isTxId(txId)) return
  throw new LedgerError('LEDGER_TOO_LARGE', `a transaction id has more than ${maxTxIdBytes} bytes`)
}

/** The id that {@link packTxId} packed. */
export function unpackTxId(packed: Buffer): string {
  if (packed.length === 0) return ''
  return packed[0] === 0x78 ? packed.toString('hex', 1) : packed.toString('utf8', 1)
}
