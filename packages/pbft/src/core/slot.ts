import type { Batch, Claim, Vote } from './messages.ts'

/** A batch that pre-prepared, and the last view in which it did: an entry of Q. */
export interface PrePrepared {
  readonly view: bigint
  readonly batch: Batch
}

/** The latest vote of each replica for one sequence number: by view, at most one each. */
export class Votes {
  readonly #latest: (Vote | undefined)[]

  constructor(n: number) {
    this.#latest = new Array<Vote | undefined>(n).fill(undefined)
  }

  /** Keeps `vote` unless `replica` voted in that or a later view already. */
  add(replica: number, vote: Vote): void {
    const previous = this.#latest[replica]
    if (previous === undefined || previous.view < vote.view) this.#latest[replica] = vote
  }

  of(replica: number): Vote | undefined {
    return this.#latest[replica]
  }

  /** How many replicas, `except` one, voted for exactly this. */
  count(view: bigint, digest: string, except = -1): number {
    return this.replicas(view, digest).filter((replica) => replica !== except).length
  }

  /** The replicas that voted for exactly this, in ascending order. */
  replicas(view: bigint, digest: string): number[] {
    const found: number[] = []
    this.#latest.forEach((vote, replica) => {
      if (vote?.view === view && vote.digest === digest) found.push(replica)
    })
    return found
  }
}

/** All that a replica knows about one sequence number. */
export class Slot {
  readonly sequence: bigint
  readonly prepares: Votes
  readonly commits: Votes
  /** The pre-prepare accepted in the current view; undefined when there is none yet. */
  current: PrePrepared | undefined
  /** This slot's entry of P: what prepared here last. */
  prepared: Claim | undefined
  /** This slot's entries of Q, by digest, each with its batch. */
  readonly prePrepared = new Map<string, PrePrepared>()
  /** What a quorum committed, once the batch is here: final, whatever the view. */
  committed: Batch | undefined
  /** What a quorum committed while the batch is missing. */
  decided: Vote | undefined

  constructor(sequence: bigint, n: number) {
    this.sequence = sequence
    this.prepares = new Votes(n)
    this.commits = new Votes(n)
  }

  /** The batch of this digest, if it was seen here. */
  batch(digest: string): Batch | undefined {
    if (this.committed?.digest === digest) return this.committed
    return this.prePrepared.get(digest)?.batch
  }

  /**
   * Makes `batch` the one pre-prepared in `view`, which enters Q. Of more than `limit` digests the
   * one with the oldest view is forgotten, never the one that prepared: forgetting can delay a view
   * change, not misguide it.
   */
  prePrepare(view: bigint, batch: Batch, limit: number): void {
    this.current = { view, batch }
    this.prePrepared.delete(batch.digest)
    this.prePrepared.set(batch.digest, this.current)
    if (this.prePrepared.size <= limit) return
    let oldest: PrePrepared = this.current
    for (const entry of this.prePrepared.values()) {
      if (entry.view < oldest.view && entry.batch.digest !== this.prepared?.digest) oldest = entry
    }
    this.prePrepared.delete(oldest.batch.digest)
  }
}
