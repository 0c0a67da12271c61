import type { Clock } from '@heddle/interface'

/** Resolves after `ms` milliseconds, or as soon as `signal` aborts: whoever waits looks at the signal. */
export async function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const wake = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', wake)
      resolve()
    }
    const timer = clock.schedule(ms, wake)
    if (signal?.aborted === true) wake()
    else signal?.addEventListener('abort', wake, { once: true })
  })
}
