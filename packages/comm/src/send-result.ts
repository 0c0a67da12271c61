import type { RemotePeer } from './remote-peer.ts'

/** What became of a message sent to one peer. */
export interface SendResult {
  readonly peer: RemotePeer
  /** Absent: acknowledged. Else the peer's refusal, `timed out`, or why it was not sent. */
  readonly error?: string
}

/** The results of one {@link Comm.sendWithAck}, those that were in when it returned. */
export class AggregatedSendResult {
  readonly results: readonly SendResult[]

  constructor(results: readonly SendResult[]) {
    this.results = results
  }

  /** How many acknowledged. */
  get ackCount(): number {
    return this.results.filter((result) => result.error === undefined).length
  }

  /** How many refused, or did not answer. */
  get nackCount(): number {
    return this.results.length - this.ackCount
  }

  /** JSON as Fabric prints it: `{"failures":{"‹text›":n,…},"successes":n}`, empty parts left out. */
  toString(): string {
    const failures = new Map<string, number>()
    for (const { error } of this.results) {
      if (error !== undefined) failures.set(error, (failures.get(error) ?? 0) + 1)
    }
    const sorted = [...failures].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    return JSON.stringify({
      ...(sorted.length > 0 && { failures: Object.fromEntries(sorted) }),
      ...(this.ackCount > 0 && { successes: this.ackCount }),
    })
  }
}
