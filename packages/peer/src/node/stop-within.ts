import type { Clock, Lifecycle } from '@heddle/interface'

/** Stops `part`, and cuts short what it still waits for when `timeoutMs` have passed. */
export async function stopWithin(timeoutMs: number, part: Lifecycle, clock: Clock): Promise<void> {
  const cut = new AbortController()
  const timer = clock.schedule(timeoutMs, () => cut.abort())
  try {
    await part.stop({ signal: cut.signal })
  } finally {
    timer.cancel()
  }
}
