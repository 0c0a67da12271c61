import type { Clock } from '@heddle/interface'
import type { CommError } from './errors.ts'

/** How long something may take, and who may end it earlier. */
export interface Deadline {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** What it fails with when the time is over. */
  readonly onTimeout: () => CommError
}

/**
 * Runs `run` with a signal that aborts when the time is over or the outer signal aborts; `run` must
 * then reject with the signal's reason. Leaves no timer and no listener.
 */
export async function within<T>(
  deadline: Deadline,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, timeoutMs, signal: outer, onTimeout } = deadline
  outer.throwIfAborted()
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(outer.reason)
  outer.addEventListener('abort', onAbort, { once: true })
  const timer = clock.schedule(timeoutMs, () => controller.abort(onTimeout()))
  try {
    return await run(controller.signal)
  } finally {
    timer.cancel()
    outer.removeEventListener('abort', onAbort)
  }
}

/** A promise that rejects when `signal` aborts, unless `start` settles it first. */
export function abortable<T>(
  signal: AbortSignal,
  start: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error)
    if (signal.aborted) {
      onAbort()
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    const settled = (): void => signal.removeEventListener('abort', onAbort)
    start(
      (value) => {
        settled()
        resolve(value)
      },
      (error) => {
        settled()
        reject(error)
      },
    )
  })
}
