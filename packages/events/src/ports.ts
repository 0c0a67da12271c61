import type { AbortOptions, Lifecycle } from '@heddle/interface'

/**
 * Processes one event, synchronously, and may return a follow-up event, which is processed next,
 * before anything that is queued. Never called while it runs, except through `inject`.
 * What it throws is reported to `onError`; the next event follows all the same.
 */
export type Receiver<E> = (event: E) => E | undefined

/** An event that is queued and can still be taken back. */
export interface Revocable {
  /** True until the event is given to the receiver, or revoked. */
  readonly isPending: boolean
  /** After this returns, the event is never delivered. Harmless afterwards, or twice. */
  revoke(): void
}

/** The part of a {@link Manager} that a {@link Timer} needs. */
export interface ExpiryQueue<E> {
  /**
   * Queues `event` behind everything that is queued, however full the queue is: one that finds no
   * room waits with the other producers. After a stop nothing happens.
   */
  queueRevocable(event: E): Revocable
}

/** What a manager has done, in events, since it was made; the first two are of this moment. */
export interface ManagerStats {
  /** In the queue now. */
  readonly queued: number
  /** Producers that wait for room now. */
  readonly waiting: number
  /** Given to the receiver: queued, injected and follow-up events. */
  readonly handled: number
  /** `tryQueue` that found no room, and `queue` beyond `maxWaiting`. */
  readonly refused: number
  /** `queue` that had to wait for room. */
  readonly waited: number
  /** Events for which the receiver threw. */
  readonly failed: number
  /** Queued events that `stop` threw away. */
  readonly dropped: number
}

/**
 * One ordered, bounded queue of events and one receiver, which handles one event at a time.
 *
 * Events are accepted before `start`, up to the capacity, and handled after it. `stop` is final:
 * not one more event reaches the receiver, the events still queued are dropped and counted, and
 * producers that wait reject with EVENTS_STOPPED.
 */
export interface Manager<E> extends Lifecycle, ExpiryQueue<E> {
  readonly capacity: number
  /**
   * Replaces the receiver; the next event goes to the new one.
   *
   * @param afterBatch - called when the queue is found empty after an event, and after every `batchSize`
   * events: for what is done once for all of them, such as a write to disk. An event that it returns is
   * processed next, and then it is called again. Not called after a stop. What it throws is reported as
   * what the receiver throws, without an event
   */
  setReceiver(receiver: Receiver<E>, afterBatch?: () => E | undefined): void
  /**
   * Appends `event`; resolves once it is in the queue, at once if there is room. Producers that
   * wait get room in the order in which they came. It is not a promise that the event is handled.
   *
   * @throws {EventsStoppedError} EVENTS_STOPPED after, or while waiting, `stop`
   * @throws {OverloadedError} EVENTS_OVERLOADED when `maxWaiting` producers wait already
   * @throws the signal's reason when it aborts the wait; the event is then not queued
   */
  queue(event: E, options?: AbortOptions): Promise<void>
  /** Appends `event` if there is room. False, counted, when there is none, and after `stop`. */
  tryQueue(event: E): boolean
  /**
   * Gives `event` to the receiver now, on the caller's stack, ahead of everything queued, and then
   * its follow-up events; when it returns they are all handled. The receiver itself may call it.
   * What the receiver throws goes to `onError`, not to the caller.
   *
   * @throws {EventsStoppedError} EVENTS_STOPPED after `stop`
   * @throws {NoReceiverError} EVENTS_NO_RECEIVER without a receiver
   */
  inject(event: E): void
  /** What it has done so far; a copy. */
  stats(): ManagerStats
}

/**
 * A countdown that ends in an event on a manager's queue.
 *
 * It runs from the moment it is set until the receiver gets the event, so an expiry that waits in
 * the queue still counts as running. A caller on the manager's thread (the receiver) that calls
 * `stop` or `reset` never sees the old event afterwards.
 *
 * @see fabric v0.6.1 consensus/util/events/events.go
 */
export interface Timer<E> {
  /** True from `reset` or `softReset` until the event is delivered, or `stop`. */
  readonly isRunning: boolean
  /** Starts the countdown unless the timer runs; then nothing changes, event and deadline neither. */
  softReset(delayMs: number, event: E): void
  /** Starts the countdown anew with this event; an earlier one is never delivered. */
  reset(delayMs: number, event: E): void
  /** Ends the countdown; its event is never delivered. Harmless when the timer does not run. */
  stop(): void
  /** `stop`, once and for all: later calls do nothing. */
  halt(): void
}
