import { unknownOption } from '@heddle/interface'
import type { AbortOptions, LifecycleState, Logger, Metrics } from '@heddle/interface'
import {
  EventsStoppedError,
  InvalidOptionsError,
  NoReceiverError,
  OverloadedError,
  ReceiverFailedError,
  positiveInteger,
} from './errors.ts'
import { ManagerCounts } from './metrics.ts'
import type { Manager, ManagerStats, Receiver, Revocable } from './ports.ts'
import { RingQueue, maxRingCapacity } from './ring-queue.ts'
import { Turns } from './turns.ts'
import { WaitingProducers } from './waiting-producers.ts'

/** What a manager is made of; everything has a default. */
export interface ManagerOptions {
  /** How many events the queue holds, 1 to 2^24. Default 1,000. */
  readonly capacity?: number
  /** How many events are handled before the event loop gets a turn, 1 to 2^24. Default 512. */
  readonly batchSize?: number
  /** How many producers may wait for room at once, 1 to 2^24. Default 10,000. */
  readonly maxWaiting?: number
  /**
   * Gets every {@link ReceiverFailedError}; the manager then goes on, so stop it here if what the
   * receiver keeps can no longer be trusted. Without it, and for what it throws itself, the error
   * is raised as an uncaught exception, as Node does with an `error` that has no listener.
   */
  readonly onError?: (error: ReceiverFailedError) => void
  /** Names this manager in logs and metrics. Default `events`. */
  readonly name?: string
  readonly logger?: Logger
  readonly metrics?: Metrics
}

const known = Object.keys({
  ...{ capacity: true, batchSize: true, maxWaiting: true, onError: true },
  ...{ name: true, logger: true, metrics: true },
} satisfies Record<keyof ManagerOptions, true>)

/**
 * A manager without a receiver, in state `idle`.
 *
 * @throws {InvalidOptionsError} EVENTS_INVALID_OPTIONS when an option is unknown, or a bound out of range
 */
export function createManager<E>(options: ManagerOptions = {}): Manager<E> {
  const unknown = unknownOption(options, known)
  if (unknown !== undefined) throw new InvalidOptionsError(unknown)
  return new QueueManager<E>(options)
}

/** A place in the queue whose event can be taken back until its turn. */
class Expiry<E> implements Revocable {
  readonly event: E
  isPending = true
  /** Leaves the line of those who wait for room; harmless when it does not stand there. */
  leave: (() => void) | undefined

  constructor(event: E) {
    this.event = event
  }

  revoke(): void {
    this.isPending = false
    this.leave?.()
  }
}

/**
 * The one implementation. Everything happens on the event loop's thread, so what looks like a race
 * is only one of these: a producer that calls while the receiver runs (its event waits), a receiver
 * that calls `inject` (nested), and anybody who calls `stop` (checked after each event).
 */
class QueueManager<E> implements Manager<E> {
  readonly #queue: RingQueue<E | Expiry<E>>
  readonly #producers: WaitingProducers<E | Expiry<E>>
  readonly #turns: Turns
  readonly #counts: ManagerCounts
  readonly #options: ManagerOptions
  #state: LifecycleState = 'idle'
  #receiver: Receiver<E> | undefined
  #afterBatch: (() => E | undefined) | undefined
  // How many events had been handled when #afterBatch was called last.
  #toldAt = 0
  // What the last event led to: it comes before anything that is queued.
  #followUp: E | undefined
  // How many Expiry objects are in #queue: while there are none, no entry needs a closer look.
  #expiries = 0

  constructor(options: ManagerOptions) {
    this.#options = options
    this.#queue = new RingQueue(options.capacity ?? 1000)
    this.#producers = new WaitingProducers(
      positiveInteger('maxWaiting', options.maxWaiting ?? 10_000, maxRingCapacity),
    )
    this.#turns = new Turns(
      positiveInteger('batchSize', options.batchSize ?? 512, maxRingCapacity),
      () => this.#handleBatch(),
    )
    this.#counts = new ManagerCounts(options.name ?? 'events', options.metrics)
  }

  get state(): LifecycleState {
    return this.#state
  }

  get capacity(): number {
    return this.#queue.capacity
  }

  setReceiver(receiver: Receiver<E>, afterBatch?: () => E | undefined): void {
    this.#receiver = receiver
    this.#afterBatch = afterBatch
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws must be a rejection
  async start(options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    if (this.#state === 'stopped') throw new EventsStoppedError()
    if (this.#receiver === undefined) throw new NoReceiverError()
    if (this.#state === 'started') return
    this.#state = 'started'
    this.#turns.open()
    if (this.#queue.size > 0) this.#turns.schedule()
  }

  /** Takes effect at once, also when the receiver calls it; the promise is that of the interface. */
  stop(): Promise<void> {
    if (this.#state === 'stopped') return Promise.resolve()
    this.#state = 'stopped'
    this.#turns.close()
    this.#producers.rejectAll(new EventsStoppedError())
    this.#dropQueued()
    this.#counts.publish(0)
    this.#options.logger?.debug('event manager stopped', {
      manager: this.#counts.manager,
      ...this.stats(),
    })
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  queue(event: E, options?: AbortOptions): Promise<void> {
    const signal = options?.signal
    if (signal?.aborted) return Promise.reject(signal.reason as Error)
    if (this.#state === 'stopped') return Promise.reject(new EventsStoppedError())
    if (this.#push(event)) return Promise.resolve()
    if (this.#producers.size >= this.#producers.maxWaiting) {
      this.#counts.refused += 1
      return Promise.reject(new OverloadedError(this.#producers.maxWaiting))
    }
    this.#counts.waited += 1
    return this.#producers.wait(event, signal)
  }

  tryQueue(event: E): boolean {
    // As #push, but spelled out: this is the hot path.
    if (this.#state === 'stopped' || !this.#queue.push(event)) {
      this.#counts.refused += 1
      return false
    }
    if (this.#turns.isIdle) this.#turns.schedule()
    return true
  }

  queueRevocable(event: E): Revocable {
    const expiry = new Expiry(event)
    if (this.#state === 'stopped') expiry.isPending = false
    else if (this.#push(expiry)) this.#expiries += 1
    else {
      expiry.leave = this.#producers.park({
        item: expiry,
        admit: () => {
          this.#expiries += 1
        },
        reject: () => {
          expiry.isPending = false
        },
      })
    }
    return expiry
  }

  inject(event: E): void {
    if (this.#state === 'stopped') throw new EventsStoppedError()
    if (this.#receiver === undefined) throw new NoReceiverError()
    let next = this.#handle(event)
    while (next !== undefined) next = this.#handle(next)
    // Otherwise the batch that is under way, or due, tells what was counted.
    if (!this.#turns.isIdle) return
    this.#counts.publish(this.#queue.size)
    if (this.#owesEnd) this.#turns.schedule()
  }

  stats(): ManagerStats {
    const { handled, refused, waited, failed, dropped } = this.#counts
    const queued = this.#queue.size
    return { queued, waiting: this.#producers.size, handled, refused, waited, failed, dropped }
  }

  /** Empties the queue; revoked expiries were no events any more, so they are not counted. */
  #dropQueued(): void {
    if (this.#followUp !== undefined) this.#counts.dropped += 1
    this.#followUp = undefined
    while (this.#queue.size > 0) {
      const entry = this.#queue.shift()
      if (!(entry instanceof Expiry) || entry.isPending) this.#counts.dropped += 1
      if (entry instanceof Expiry) entry.isPending = false
    }
  }

  #push(entry: E | Expiry<E>): boolean {
    if (!this.#queue.push(entry)) return false
    if (this.#turns.isIdle) this.#turns.schedule()
    return true
  }

  /** Handles events until none is left, the batch is full, or `stop`. True if there are more. */
  #handleBatch(): boolean {
    this.#drain()
    if (this.#state !== 'started') this.#dropQueued() // the follow-up of the event that stopped us
    this.#counts.publish(this.#queue.size)
    return this.#queue.size > 0 || this.#followUp !== undefined || this.#owesEnd
  }

  /** Whether events were handled whose batch has not ended: the last of them failed. */
  get #owesEnd(): boolean {
    if (this.#afterBatch === undefined || this.#state !== 'started') return false
    return this.#counts.handled !== this.#toldAt
  }

  #endBatch(): E | undefined {
    if (!this.#owesEnd) return undefined
    this.#toldAt = this.#counts.handled
    return this.#afterBatch?.()
  }

  /**
   * The inner loop of a batch, which ends early when the receiver throws: one `try` around all
   * events costs less than one around each.
   */
  #drain(): void {
    const queue = this.#queue
    const counts = this.#counts
    const end = counts.handled + this.#turns.left
    let event: E | undefined
    try {
      while (counts.handled < end && this.#state === 'started') {
        event = this.#followUp
        if (event !== undefined) this.#followUp = undefined
        else if (queue.size === 0) {
          event = this.#endBatch()
          if (event === undefined) return
        } else {
          const entry = this.#takeEntry()
          if (this.#expiries > 0 && entry instanceof Expiry) {
            event = this.#deliver(entry)
            if (event === undefined) continue
          } else event = entry as E
        }
        counts.handled += 1
        const followUp = (this.#receiver as Receiver<E>)(event)
        if (followUp !== undefined) this.#followUp = followUp
      }
      event = undefined
      // A full batch ends here, unless what its last event led to belongs to it.
      this.#followUp ??= this.#endBatch()
    } catch (cause) {
      this.#fail(event, cause)
    } finally {
      this.#turns.left = end - counts.handled
    }
  }

  /** Takes the oldest entry; room given at once goes to who waits, before anybody can come and take it. */
  #takeEntry(): E | Expiry<E> {
    const entry = this.#queue.shift() as E | Expiry<E>
    if (this.#producers.size > 0) this.#queue.push(this.#producers.next())
    return entry
  }

  /** The event of an expiry whose turn has come; undefined when it was revoked meanwhile. */
  #deliver(expiry: Expiry<E>): E | undefined {
    this.#expiries -= 1
    if (!expiry.isPending) return undefined
    expiry.isPending = false
    return expiry.event
  }

  /** Gives one event to the receiver. The result is its follow-up, if there is one and it counts. */
  #handle(event: E): E | undefined {
    this.#counts.handled += 1
    let followUp: E | undefined
    try {
      followUp = this.#receiver?.(event)
    } catch (cause) {
      this.#fail(event, cause)
    }
    if (followUp === undefined || this.#state !== 'stopped') return followUp
    this.#counts.dropped += 1
    return undefined
  }

  /** Tells whoever wants to know that the receiver threw; exactly one of them does. */
  #fail(event: E | undefined, cause: unknown): void {
    this.#counts.failed += 1
    const error = new ReceiverFailedError(event, { cause })
    this.#options.logger?.error('receiver failed', { manager: this.#counts.manager }, error)
    try {
      if (this.#options.onError === undefined) throw error
      this.#options.onError(error)
    } catch (uncaught) {
      // Thrown outside the drain, so that the other events are still handled.
      process.nextTick(() => {
        throw uncaught
      })
    }
  }
}
