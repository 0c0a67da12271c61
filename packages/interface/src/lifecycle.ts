/** Where a {@link Lifecycle} is. `stopped` is final. */
export type LifecycleState = 'idle' | 'starting' | 'started' | 'stopping' | 'stopped'

/** Options of every operation that waits. */
export interface AbortOptions {
  /** Ends the wait: the operation rejects with `signal.reason`, untouched. */
  readonly signal?: AbortSignal
}

/**
 * Something that runs. Its constructor does nothing: no timer, socket or listener.
 *
 * `start` and `stop` may be called twice; the second call joins the first. A `start` that fails
 * undoes what it did and leaves `idle`. `stop` leaves no timer, socket or listener behind.
 */
export interface Lifecycle extends AsyncDisposable {
  /** Where it is now. */
  readonly state: LifecycleState
  /**
   * Resolves when it runs. Rejects with why it cannot, with `signal.reason`, or after `stop` with the
   * package's `…_STOPPED`: what has stopped never runs again.
   */
  start(options?: AbortOptions): Promise<void>
  /** Resolves when it has stopped; what is under way may finish first, until `signal` aborts. */
  stop(options?: AbortOptions): Promise<void>
}
