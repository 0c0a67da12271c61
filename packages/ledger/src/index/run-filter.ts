import type { KeyHash } from './tx-hash.ts'

/** Runs that share a filter: a bit of each of its words. */
export const runsPerFilter = 32
/** Words of a filter: a power of two, and 16 times the keys of a run. */
export const filterWords = 262_144
/** Bytes of a filter. */
export const filterBytes = filterWords * Uint32Array.BYTES_PER_ELEMENT
const probes = 5

/**
 * Tells which of 32 runs may hold a key: a Bloom filter for each, bit by bit beside the others, so
 * that one look at a few words answers for all. It is never wrong about a key that is there, and for
 * one that is not it names a run in about 700 (5 probes, 16 bits a key).
 */
export class RunFilter {
  readonly #words = new Uint32Array(filterWords)

  /** @param bytes - of a filter that was kept: {@link filterBytes} of them */
  constructor(bytes?: Uint8Array) {
    if (bytes !== undefined) this.bytes.set(bytes)
  }

  /** All that it holds, to be kept: a view. */
  get bytes(): Buffer {
    return Buffer.from(this.#words.buffer)
  }

  /** Adds a key to `run` (0 to 31). */
  add(run: number, hash: KeyHash): void {
    const bit = 1 << run
    for (let probe = 0; probe < probes; probe += 1) {
      const at = placeOf(hash, probe)
      this.#words[at] = (this.#words[at] ?? 0) | bit
    }
  }

  /** A bit for each run that may hold the key. */
  runsWith(hash: KeyHash): number {
    let runs = -1
    for (let probe = 0; probe < probes && runs !== 0; probe += 1) {
      runs &= this.#words[placeOf(hash, probe)] ?? 0
    }
    return runs
  }
}

function placeOf({ first, second }: KeyHash, probe: number): number {
  return (first + Math.imul(second, probe)) & (filterWords - 1)
}
