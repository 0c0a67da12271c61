import { systemClock } from '@heddle/events'
import { PeerError } from '../errors.ts'
import { Monitor } from './monitor.ts'
import type { Clock } from '@heddle/interface'
import type { NetworkClient } from './client.ts'

/** `16 min`, or seconds below two minutes. */
function duration(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`
}

/**
 * What is wrong with the clock of this machine, as f + 1 validators have it.
 * @returns undefined when there is nothing to say
 */
export function clockSentence({
  clockBehindMs,
}: Pick<Monitor, 'clockBehindMs'>): string | undefined {
  if (clockBehindMs === 0) return undefined
  const where = clockBehindMs > 0 ? 'behind' : 'ahead of'
  return `the clock of this machine is ${duration(Math.abs(clockBehindMs))} ${where} those of the validators`
}

/** What to do about it. */
export const clockCure =
  'set the clock of this machine: validators refuse what is signed at another time than theirs'

/**
 * Why something failed, when the clock of this machine is to blame: validators refuse signed requests
 * of another time without a word about it.
 */
export async function orClock(
  client: NetworkClient,
  error: unknown,
  clock: Clock = systemClock,
): Promise<unknown> {
  const monitor = new Monitor(client, clock)
  await monitor.ask()
  const sentence = clockSentence(monitor)
  if (sentence === undefined) return error
  return new PeerError('PEER_WRONG_CLOCK', sentence, { cure: clockCure, cause: error })
}
