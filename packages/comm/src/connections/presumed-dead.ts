import { BoundedMap } from '@heddle/events'
import { hexOf } from '../hex.ts'

/** Peers remembered as presumed dead; the oldest is forgotten, and may be told of once more. */
export const maxPresumedDead = 1000

/** Tells once for each loss that a peer is presumed dead: not again before it was back. */
export class PresumedDead {
  readonly #tell: (pkiId: Uint8Array) => void
  readonly #told = new BoundedMap<true>(maxPresumedDead)

  constructor(tell: (pkiId: Uint8Array) => void) {
    this.#tell = tell
  }

  /** The peer could not be reached, or its connection broke. */
  presume(pkiId: Uint8Array): void {
    const key = hexOf(pkiId)
    if (this.#told.has(key)) return
    this.#told.set(key, true)
    this.#tell(pkiId)
  }

  /** There was a connection with the peer. */
  wasBack(pkiId: Uint8Array): void {
    this.#told.delete(hexOf(pkiId))
  }
}
