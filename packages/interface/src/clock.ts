/** A pending call of a {@link Clock}. */
export interface ClockTimer {
  /** After this returns, the call never happens. Harmless when it has happened, or twice. */
  cancel(): void
}

/** Time, injected: everything that waits takes a clock, so that tests decide when time passes. */
export interface Clock {
  /** Milliseconds of a clock that never goes back; only differences mean something. */
  now(): number
  /** Milliseconds since 1970-01-01 UTC: for timestamps in messages, certificates and logs. */
  wallTime(): number
  /** Calls `callback` once after `delayMs` (0 or more; less counts as 0), never synchronously. */
  schedule(delayMs: number, callback: () => void): ClockTimer
}
