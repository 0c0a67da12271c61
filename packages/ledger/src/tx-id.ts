import { LedgerError } from './errors.ts'

/** Most bytes of a transaction id, in UTF-8. Fabric's have 64. */
export const maxTxIdBytes = 1_024

/** Whether a transaction can be found under this id: it is not empty and not too long. */
export function isTxId(txId: string): boolean {
  // The length in UTF-16 units decides most cases without counting bytes.
  return txId !== '' && (txId.length <= maxTxIdBytes / 3 || Buffer.byteLength(txId) <= maxTxIdBytes)
}

const hexId = /^(?:[0-9a-f]{2})+$/

/**
 * A transaction id as bytes, without loss: what is lower-case hex, as Fabric's ids are, takes half.
 * The first byte tells which: `x` for hex, `s` for text. Empty for the empty id.
 *
 * @throws LedgerError LEDGER_TOO_LARGE above `maxTxIdBytes`
 */
export function packTxId(txId: string): Buffer {
  if (txId === '') return Buffer.alloc(0)
  if (!isTxId(txId)) {
    const message = `a transaction id has more than ${maxTxIdBytes} bytes`
    throw new LedgerError('LEDGER_TOO_LARGE', message)
  }
  return hexId.test(txId) ? Buffer.from(`78${txId}`, 'hex') : Buffer.from(`s${txId}`)
}

/** The id that {@link packTxId} packed. */
export function unpackTxId(packed: Buffer): string {
  if (packed.length === 0) return ''
  return packed[0] === 0x78 ? packed.toString('hex', 1) : packed.toString('utf8', 1)
}
