import type { PoolEntry } from './request-pool.ts'
import { Recent } from './recent.ts'

/**
 * Who brought another request of an id that was good here. A client may sign several with one id, and
 * give one to each of several replicas: none of these is to blame. But none passes on two: more is its
 * own doing.
 */
export class KnownIds {
  /**
   * A bit for each replica that has been excused; for ids that were executed, or excused while pending.
   * Changed in place: who is excused under old ids makes no newer one forgotten.
   */
  readonly #excused: Recent<{ bits: bigint }>

  /** @param limit - most ids remembered, the latest; at least half as many are */
  constructor(limit: number) {
    this.#excused = new Recent(limit)
  }

  /** A request of this id was executed. */
  executed(id: string): void {
    this.#excused.set(id, this.#excused.get(id) ?? { bits: 0n })
  }

  /**
   * Whether replica `from` is not to blame for another request of an id: the first that it brings
   * while one of that id is pending, or was executed lately.
   *
   * @param pending - the one of this id that is pending, if one is
   */
  excuse(id: string, from: number, pending: Pick<PoolEntry, 'origin'> | undefined): boolean {
    const known = this.#excused.get(id)
    if ((known ?? pending) === undefined || pending?.origin === from) return false
    const bit = 1n << BigInt(from)
    if (known === undefined) this.#excused.set(id, { bits: bit })
    else if ((known.bits & bit) === 0n) known.bits |= bit
    else return false
    return true
  }
}
