import { randomBytes } from 'node:crypto'

/** Fabric's length of a nonce. */
export const nonceBytes = 24

/** Nonces drawn at once: asking the system for one costs as much as asking for many. */
export const noncesPerDraw = 256

let drawn: Buffer = Buffer.alloc(0)
let used = 0

/**
 * {@link nonceBytes} random bytes that were never given out before. They are a copy: whoever holds a
 * nonce can neither see nor change the next ones.
 */
export function freshNonce(): Uint8Array {
  if (used === drawn.length) {
    drawn = randomBytes(nonceBytes * noncesPerDraw)
    used = 0
  }
  const start = used
  used += nonceBytes
  return new Uint8Array(drawn.subarray(start, used))
}
