import type { ReplicaNotification } from '@heddle/pbft'
import type { ConditionSink } from './conditions.ts'

/** How long it is said after the last time that a validator went too far, in milliseconds. */
export const floodLastsMs = 120_000

/** Says which validator sends more than it may: what is refused is a lie or a fault, the rest a flood. */
export function sayFlood(
  { from, what }: Pick<Extract<ReplicaNotification, { type: 'flooding' }>, 'from' | 'what'>,
  conditions: ConditionSink,
): void {
  const subject = `validator${from}`
  const lies = what === 'rejections'
  const kind = lies ? 'messages that are refused' : `messages (by ${what})`
  const reason = `${subject} sends more ${kind} than it may, though it is held back`
  const details = { subject, reason, lastsMs: floodLastsMs }
  conditions.raise(lies ? 'member-lies' : 'member-floods', details)
}
