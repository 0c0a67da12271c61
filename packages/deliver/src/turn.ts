import type { Clock, ClockTimer } from '@heddle/interface'
import type { EndpointSet } from './endpoint-set.ts'
import { DeliverError } from './errors.ts'
import type { Endpoint } from './ports.ts'

/** What a {@link Turn} goes by. */
export interface TurnContext {
  readonly clock: Clock
  readonly endpoints: EndpointSet
  /** How long to measure what an endpoint gives. */
  readonly measureMs: number
  /** Whether there are blocks to give. */
  readonly isBehind: () => boolean
}

/**
 * The turn of one endpoint. Times how long its reader waits for it, not what the reader does between,
 * and ends it when others may be, or are, so much faster that they are asked.
 */
export class Turn {
  readonly #endpoint: Endpoint
  readonly #context: TurnContext
  readonly #over = new AbortController()
  #blocks = 0
  #waitedMs = 0
  /** `Clock.now()` when the wait under way began, or the last measure in it. */
  #since = 0
  #timer: ClockTimer | undefined

  constructor(endpoint: Endpoint, context: TurnContext) {
    this.#endpoint = endpoint
    this.#context = context
  }

  /** Aborts with a {@link DeliverError} DELIVER_TOO_SLOW: another endpoint's turn has begun. */
  get signal(): AbortSignal {
    return this.#over.signal
  }

  /** Waits for something that the endpoint is to give. */
  async waitFor<T>(result: Promise<T>): Promise<T> {
    this.#since = this.#context.clock.now()
    this.#arm()
    try {
      return await result
    } finally {
      this.#timer?.cancel()
      this.#timer = undefined
      this.#waitedMs += this.#context.clock.now() - this.#since
    }
  }

  /** It gave a block. */
  gave(): void {
    this.#blocks++
  }

  /** What it gave so far, and how long that took, does not count. */
  measureAnew(): void {
    this.#blocks = 0
    this.#waitedMs = 0
    this.#since = this.#context.clock.now()
    if (this.#timer === undefined) return
    this.#timer.cancel()
    this.#arm()
  }

  #arm(): void {
    const { clock, measureMs } = this.#context
    const leftMs = Math.max(measureMs - this.#waitedMs, 0)
    this.#timer = clock.schedule(leftMs, () => this.#measured())
  }

  #measured(): void {
    const { endpoints, measureMs, isBehind } = this.#context
    const pace = (this.#blocks * 1000) / measureMs
    if (!isBehind() || !endpoints.isTooSlow(this.#endpoint, pace, measureMs)) {
      this.measureAnew()
      return
    }
    const { address } = this.#endpoint
    const message = `${address} gave ${this.#blocks} blocks in ${measureMs} ms, though it has more`
    this.#over.abort(new DeliverError('DELIVER_TOO_SLOW', message, { endpoint: address }))
  }
}
