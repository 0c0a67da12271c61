import type { RemotePeer } from './remote-peer.ts'

/** The outcome of a message sent to one peer. */
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
    const counts = new Map<string, number>()
    for (const { error } of this.results) {
      if (error !== undefined) counts.set(error, (counts.get(error) ?? 0) + 1)
    }
    const failures = [...counts]
      .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .map(([text, count]) => `${goString(text)}:${count}`)
    const parts: string[] = []
    if (failures.length > 0) parts.push(`"failures":{${failures.join(',')}}`)
    if (this.ackCount > 0) parts.push(`"successes":${this.ackCount}`)
    return `{${parts.join(',')}}`
  }
}

/** A JSON string as Go writes it, which escapes more than JavaScript does. */
function goString(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
