/** Two hashes of a packed id, each 32 bits: enough to place it in a table, a filter and a run. */
export interface KeyHash {
  readonly first: number
  /** Odd, so that its multiples reach every place of a table whose size is a power of two. */
  readonly second: number
}

const prime = 0x01000193

/**
 * Hashes the bytes from `start` up to `end` (FNV-1a twice, mixed), from a seed that those who choose
 * ids do not know. It decides nothing but where to look: keys are compared whole.
 */
export function hashKey(bytes: Uint8Array, start: number, end: number, seed: KeyHash): KeyHash {
  let { first, second } = seed
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] ?? 0
    first = Math.imul(first ^ byte, prime)
    second = Math.imul(second ^ byte ^ (second >>> 13), prime)
  }
  return { first: mix(first), second: (mix(second) | 1) >>> 0 }
}

/** The seed that 8 random bytes give. */
export function hashSeed(bytes: Uint8Array): KeyHash {
  const view = Buffer.from(bytes)
  return { first: view.readUInt32BE(), second: view.readUInt32BE(4) }
}

/** Spreads each bit over all (the end of MurmurHash3, 32 bits). */
function mix(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}
