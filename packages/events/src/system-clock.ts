import type { Clock, ClockTimer } from '@heddle/interface'

/** The longest delay of Node's `setTimeout`; it fires at once when asked for more. */
const maxTimeoutMs = 2 ** 31 - 1

/**
 * The clock of the machine.
 *
 * Unlike `setTimeout`, `schedule` never calls before the delay has passed by this clock's `now`,
 * and takes delays beyond 24.8 days. A pending call keeps the process alive.
 */
export const systemClock: Clock = Object.freeze({
  now: () => performance.now(),
  wallTime: () => Date.now(),
  schedule: (delayMs: number, callback: () => void): ClockTimer => {
    const due = performance.now() + (delayMs > 0 ? delayMs : 0)
    let handle: NodeJS.Timeout
    const wait = (remainingMs: number): void => {
      handle = setTimeout(wake, Math.min(Math.ceil(remainingMs), maxTimeoutMs))
    }
    const wake = (): void => {
      const remainingMs = due - performance.now()
      if (remainingMs > 0) wait(remainingMs)
      else callback()
    }
    wait(delayMs > 0 ? delayMs : 0)
    return { cancel: () => clearTimeout(handle) }
  },
})
