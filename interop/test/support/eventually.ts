import { setTimeout as pause } from 'node:timers/promises'

/** Between two looks at a condition of another process. */
const pollMs = 100

/**
 * Resolves with what `look` gives as soon as that is not undefined. Other processes do not tell
 * when they are ready, so it is asked again and again; what it throws counts as not yet.
 *
 * @param timeoutMs - generous: it only bounds how long a failing test takes
 */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  timeoutMs = 30_000,
): Promise<T> {
  const end = performance.now() + timeoutMs
  let cause: unknown
  for (;;) {
    try {
      const seen = await look()
      if (seen !== undefined) return seen
    } catch (error) {
      cause = error
    }
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause })
    await pause(pollMs)
  }
}
