import { systemClock } from '@heddle/events'
import { ClientError } from './errors.ts'
import { Monitor } from './monitor.ts'
import type { Clock } from '@heddle/interface'
import type { NetworkClient } from './network-client.ts'

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

/**
 * Why something failed, when the clock of this machine is to blame: validators refuse signed requests
 * of another time without a word about it.
 */
export async function orClock(
  client: Pick<NetworkClient, 'validators'>,
  error: unknown,
  clock: Clock = systemClock,
): Promise<unknown> {
  const monitor = new Monitor(client, clock)
  await monitor.ask()
  const sentence = clockSentence(monitor)
  if (sentence === undefined) return error
  return new ClientError('CLIENT_WRONG_CLOCK', sentence, { cause: error })
}
