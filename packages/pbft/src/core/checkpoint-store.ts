import type { Checkpoint } from './messages.ts'

/**
 * Signed checkpoints: one for each replica and sequence number, and for each replica no more than
 * `limit`, the highest ones, so that a replica can only crowd out its own.
 */
export class CheckpointStore {
  readonly #byReplica: Map<bigint, Checkpoint>[]
  readonly #limit: number
  /** By replica: the highest that was heard of, kept or not. */
  readonly #latest: bigint[] = []

  constructor(n: number, limit: number) {
    this.#byReplica = Array.from({ length: n }, () => new Map<bigint, Checkpoint>())
    this.#limit = limit
  }

  /** One of this replica, verified: perhaps too late to be kept. */
  hear({ replica, sequence }: Checkpoint): void {
    if (sequence > this.latestOf(replica)) this.#latest[replica] = sequence
  }

  /** The highest sequence number that {@link hear} heard of a replica; 0 when there is none. */
  latestOf(replica: number): bigint {
    return this.#latest[replica] ?? 0n
  }

  /** Keeps it; `conflict` when the replica signed for another digest there before. */
  add(checkpoint: Checkpoint): 'added' | 'known' | 'conflict' {
    const own = this.#byReplica[checkpoint.replica]
    if (own === undefined) return 'conflict'
    const known = own.get(checkpoint.sequence)
    if (known !== undefined) return known.digest === checkpoint.digest ? 'known' : 'conflict'
    own.set(checkpoint.sequence, checkpoint)
    if (own.size > this.#limit) own.delete([...own.keys()].reduce((a, b) => (a < b ? a : b)))
    return 'added'
  }

  /** All checkpoints for exactly this, in order of replica. */
  matching(sequence: bigint, digest: string): Checkpoint[] {
    return this.#byReplica
      .map((own) => own.get(sequence))
      .filter((found): found is Checkpoint => found?.digest === digest)
  }

  of(replica: number): Checkpoint[] {
    return [...(this.#byReplica[replica]?.values() ?? [])].sort((a, b) =>
      a.sequence < b.sequence ? -1 : 1,
    )
  }

  /** The highest sequence number that so many replicas, each by one kept of it, say to have reached; or 0. */
  reachedBy(replicas: number): bigint {
    const highest = this.#byReplica.map((own) => {
      let top = 0n
      for (const sequence of own.keys()) if (sequence > top) top = sequence
      return top
    })
    return highest.sort((a, b) => (a > b ? -1 : 1))[replicas - 1] ?? 0n
  }

  /** Forgets all up to and including `sequence`. */
  forget(sequence: bigint): void {
    for (const own of this.#byReplica)
      for (const at of own.keys()) if (at <= sequence) own.delete(at)
  }
}
