/**
 * `bytes`, apart from a much larger buffer that they are a view of: what is kept must not keep a whole
 * frame alive. Copied when they fill less than half of it.
 */
export function ownBytes(bytes: Buffer): Buffer {
  return 2 * bytes.length < bytes.buffer.byteLength ? copyOf(bytes) : bytes
}

/** Not from the pool of small buffers, which would be such a view again. */
function copyOf(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
