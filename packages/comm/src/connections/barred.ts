import { BoundedMap } from '@heddle/events'
import type { Clock } from '@heddle/interface'
import { CommError } from '../errors.ts'
import { hexOf } from '../hex.ts'

/** Peers that are remembered as barred; the one barred longest ago gives way. */
export const maxBarred = 1000

/** Peers that get no connection for a while, whoever dials. */
export class Barred {
  readonly #clock: Clock
  readonly #barMs: number
  /** When each may come again, by PKI-ID in hex. */
  readonly #until = new BoundedMap<number>(maxBarred)

  constructor(clock: Clock, barMs: number) {
    this.#clock = clock
    this.#barMs = barMs
  }

  /** From now on, for `barMs`. */
  add(pkiId: Uint8Array): void {
    this.#until.set(hexOf(pkiId), this.#clock.now() + this.#barMs)
  }

  /** Whether the peer is; nobody is whose PKI-ID is not known. */
  has(pkiId: Uint8Array | undefined): boolean {
    return this.#leftMs(pkiId) > 0
  }

  /** @throws {CommError} COMM_BARRED while the peer is */
  check(pkiId: Uint8Array | undefined): void {
    const leftMs = this.#leftMs(pkiId)
    if (leftMs <= 0) return
    const seconds = Math.ceil(leftMs / 1_000)
    throw new CommError('COMM_BARRED', `barred for ${seconds} s more: it sent too much`)
  }

  #leftMs(pkiId: Uint8Array | undefined): number {
    const until = pkiId && this.#until.get(hexOf(pkiId))
    return (until ?? 0) - this.#clock.now()
  }
}
