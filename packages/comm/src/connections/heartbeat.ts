import type { Clock, ClockTimer } from '@heddle/interface'
import type { Connection } from './connection.ts'
import { within } from '../deadline.ts'
import { CommError } from '../errors.ts'
import type { GossipStream } from '../transport/gossip-stream.ts'

/** How long a peer may be silent. */
export interface HeartbeatOptions {
  readonly clock: Clock
  /** Silent for so long, it is pinged. */
  readonly pingAfterMs: number
  /** It has so long to answer, or to say anything else. */
  readonly pingTimeoutMs: number
}

/** A peer that may have vanished. */
export interface Pinged {
  /** When it was heard last, on the clock's `now`. */
  readonly heardAt: number
  /** Settles when there is an answer, whatever it says; rejects when `signal` aborts. */
  ping(signal: AbortSignal): Promise<void>
  /** It has vanished. Called once. */
  onVanished(error: CommError): void
}

/**
 * Notices that a peer has vanished without a word, within `pingAfterMs` + `pingTimeoutMs` of when it
 * was heard last. While it talks, nothing is sent.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #peer: Pinged
  readonly #over = new AbortController()
  #answeredAt = Number.NEGATIVE_INFINITY
  #timer: ClockTimer | undefined

  constructor(options: HeartbeatOptions, peer: Pinged) {
    this.#options = options
    this.#peer = peer
    this.#arm()
  }

  /** Leaves no timer, and no ping under way. */
  stop(): void {
    this.#timer?.cancel()
    this.#over.abort(new CommError('COMM_CLOSED', 'the connection is over'))
  }

  get #silentMs(): number {
    return this.#options.clock.now() - Math.max(this.#peer.heardAt, this.#answeredAt)
  }

  #arm(): void {
    const { clock, pingAfterMs } = this.#options
    this.#timer = clock.schedule(pingAfterMs - this.#silentMs, () => {
      if (this.#silentMs < pingAfterMs) this.#arm()
      else void this.#ping()
    })
  }

  async #ping(): Promise<void> {
    const { clock, pingTimeoutMs: timeoutMs } = this.#options
    const vanished = new CommError('COMM_CLOSED', `no answer to a ping within ${timeoutMs} ms`)
    const { signal } = this.#over
    const deadline = { clock, timeoutMs, signal, onTimeout: () => vanished }
    const error = await within(deadline, (timely) => this.#peer.ping(timely)).catch(
      (reason: unknown) => reason,
    )
    if (signal.aborted) return
    // Any other error is an answer, too: somebody is there.
    if (error !== vanished) this.#answeredAt = clock.now()
    if (this.#silentMs < timeoutMs) this.#arm()
    else this.#peer.onVanished(vanished)
  }
}

/** The heartbeat of a connection; undefined for one that was accepted, where the port pings. */
export function watch(
  stream: GossipStream,
  connection: Connection,
  { clock, pingAfterMs, pingTimeoutMs }: HeartbeatOptions,
): Heartbeat | undefined {
  if (!stream.canPing) return undefined
  const peer = {
    get heardAt() {
      return connection.heardAt
    },
    ping: (signal: AbortSignal) => stream.ping(signal),
    onVanished: ({ message }: CommError) => {
      stream.destroy()
      connection.onOver({ reason: message })
    },
  }
  return new Heartbeat({ clock, pingAfterMs, pingTimeoutMs }, peer)
}
