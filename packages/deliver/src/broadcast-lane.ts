import { pause } from '@heddle/events'
import type { Clock } from '@heddle/interface'
import { type ResolvedBackOff, backOffMs } from './back-off.ts'
import { BroadcastSession } from './broadcast-session.ts'
import { type ConnectionOptions, openStream } from './connection.ts'
import type { StatusError } from './errors.ts'
import type { BroadcastMetrics } from './metrics.ts'
import type { Endpoint } from './ports.ts'
import type { Submission } from './submission.ts'

/** What every {@link BroadcastLane} works with, all resolved. */
export interface LaneContext extends ConnectionOptions, ResolvedBackOff {
  readonly clock: Clock
  /** How many may be sent on a stream and not answered. */
  readonly window: number
  /** How long an answer may take before the stream is given up. */
  readonly answerTimeoutMs: number
  readonly random: () => number
  readonly metrics: BroadcastMetrics | undefined
  /** Ends the lane. */
  readonly signal: AbortSignal
}

/** Told of what happens on a lane. */
export interface LaneEvents {
  connected(): void
  /** @param since - `Clock.now()` when the attempt began */
  unreachable(error: unknown, since: number): void
  /** The first SUCCESS of a stream. */
  succeeded(): void
  refused(submission: Submission, refusal: StatusError): void
  /** @param leftovers - what was given to it and has no answer, oldest first */
  failed(error: unknown, leftovers: readonly Submission[]): void
}

/**
 * The way to one endpoint: connects when there is something to send, sends it, and hands back what
 * has no answer when the connection fails. Then it waits before it connects again.
 */
export class BroadcastLane {
  readonly endpoint: Endpoint
  readonly #context: LaneContext
  readonly #events: LaneEvents
  /** Not sent yet, oldest first. */
  readonly #queue: Submission[] = []
  #session: BroadcastSession | undefined
  #running: Promise<void> | undefined
  #failures = 0
  #wake: () => void = () => undefined

  constructor(endpoint: Endpoint, context: LaneContext, events: LaneEvents) {
    this.endpoint = endpoint
    this.#context = context
    this.#events = events
  }

  /** Whether there is a connection. */
  get isOpen(): boolean {
    return this.#session !== undefined
  }

  /** Whether it has answered nothing for `ms`, though answers are due; so is one that cannot be reached. */
  isSilent(ms: number): boolean {
    return this.#session?.isSilent(ms) ?? true
  }

  /** Sends it as soon as that is possible. */
  give(submission: Submission): void {
    this.#queue.push(submission)
    this.#running ??= this.#run()
    if (this.#session) this.#session.pump()
    else this.#wake()
  }

  /** Resolves when it has ended, which its signal tells it to. */
  async ended(): Promise<void> {
    this.#wake()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#context
    try {
      for (;;) {
        signal.throwIfAborted()
        if (this.#queue.length > 0) await this.#attempt()
        else await new Promise<void>((resolve) => (this.#wake = resolve))
      }
    } catch (error) {
      if (error !== signal.reason) throw error
    }
  }

  /** Serves until it fails, then waits; rejects only when it is to end. */
  async #attempt(): Promise<void> {
    const { clock, signal, random } = this.#context
    try {
      await this.#serve()
    } catch (error) {
      signal.throwIfAborted()
      this.#failures++
      const leftovers = this.#queue.splice(0).filter(({ settled }) => !settled)
      this.#events.failed(error, leftovers)
      await pause(clock, backOffMs(this.#failures, 1, this.#context, random), signal)
      signal.throwIfAborted()
    }
  }

  async #serve(): Promise<void> {
    const { clock, signal, random } = this.#context
    const since = clock.now()
    const stream = await openStream(this.endpoint, 'broadcast', this.#context).catch(
      (error: unknown) => {
        signal.throwIfAborted()
        this.#events.unreachable(error, since)
        throw error
      },
    )
    const session = new BroadcastSession(stream, {
      ...this.#context,
      address: this.endpoint.address,
      waiting: this.#queue,
      retryMs: backOffMs(this.#failures + 1, 1, this.#context, random),
      onSuccess: () => {
        this.#failures = 0
        this.#events.succeeded()
      },
      onRefusal: (submission, refusal) => this.#events.refused(submission, refusal),
    })
    this.#session = session
    this.#events.connected()
    try {
      await session.run(signal)
    } finally {
      this.#session = undefined
      this.#queue.unshift(...session.leftovers())
    }
  }
}
