import { PeerError, messageOf } from '../../src/errors.ts'

/** Between two looks at a condition of another process. */
const pollMs = 50

/**
 * Resolves when `done` does with true: it is asked again and again, since other processes do not
 * tell. What it throws counts as not yet, and is told when the time is over.
 *
 * @param timeoutMs - generous: it only bounds how long a failing test takes
 */
export async function eventually(
  what: string,
  done: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const end = Date.now() + timeoutMs
  let failure: unknown
  for (;;) {
    try {
      if (await done()) return
    } catch (error) {
      failure = error
    }
    if (Date.now() > end) {
      const why = failure === undefined ? '' : `: ${messageOf(failure)}`
      throw new PeerError('PEER_STOPPED', `not within ${timeoutMs} ms: ${what}${why}`)
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}
