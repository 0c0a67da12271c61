import type { Message, Said, Status } from './messages.ts'
import { maxNumber } from './messages.ts'
import type { JournalRecord } from './protocol.ts'
import { primaryOf } from './quorum.ts'
import type { State } from './state.ts'

/** {@link Said}, as it grows. */
export type GrowingSaid = { -readonly [Key in keyof Said]: Said[Key] }

/** What a replica said that said nothing. */
export const nothingSaid = (): GrowingSaid => ({ view: 0n, accepted: 0n, committed: 0n })

/** Whether `said` goes beyond `known` in anything. */
export function exceeds(said: Said, known: Said): boolean {
  return (
    said.view > known.view || said.accepted > known.accepted || said.committed > known.committed
  )
}

/** Makes `said` reach as far as `more`, too. */
export function raise(
  said: GrowingSaid,
  { view = 0n, accepted = 0n, committed = 0n }: Partial<Said>,
): void {
  said.view = greater(said.view, view)
  said.accepted = greater(said.accepted, accepted)
  said.committed = greater(said.committed, committed)
}

const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** What a message says of its author's own way; undefined when it says nothing that binds it. */
export function saidIn(message: Message): Partial<Said> | undefined {
  switch (message.type) {
    case 'pre-prepare':
    case 'prepare':
      return { view: message.view, accepted: message.sequence }
    case 'commit':
      return { view: message.view, committed: message.sequence }
    case 'checkpoint':
      return { accepted: message.sequence }
    case 'view-change':
    case 'new-view':
      return { view: message.view }
    default:
      return undefined
  }
}

/** Remembers what `message`, which replica `from` sent, shows that it and others said. */
export function hearSaid(state: State, from: number, message: Message): void {
  const said = saidIn(message)
  if (said !== undefined) heard(state, authorOf(message, from, state.n), said)
  if (message.type === 'certificate')
    for (const each of message.checkpoints) hearSaid(state, from, each)
  if (message.type === 'new-view')
    for (const each of message.viewChanges) hearSaid(state, from, each)
}

/** What is signed others may have relayed. */
function authorOf(message: Message, from: number, n: number): number {
  if (message.type === 'checkpoint' || message.type === 'view-change') return message.replica
  return message.type === 'new-view' ? primaryOf(message.view, n) : from
}

/** The first that is heard from a replica is kept at once: it must not begin from nothing again. */
function heard(state: State, replica: number, part: Partial<Said>): void {
  const known = state.heard[replica]
  if (known === undefined || replica === state.id) return
  const isFirst = !exceeds(known, nothingSaid())
  raise(known, part)
  if (isFirst) keepHeard(state)
}

/**
 * This replica is about to execute what it never accepted, as it had to fetch the batch: kept as heard from
 * itself, so that what it signs then is never more than its journal knows. Nobody else asks for this entry.
 */
export function keepLearnt(state: State, sequence: bigint): void {
  const own = state.heard[state.id]
  if (own === undefined) return
  raise(own, { accepted: sequence })
  keepHeard(state)
}

/** Makes durable what was heard so far: at the first word of each, at stable checkpoints, in new views. */
export function keepHeard(state: State): void {
  state.persist(heardRecord(state))
}

/** What was heard so far. */
export function heardRecord(state: State): JournalRecord & { readonly type: 'heard' } {
  return { type: 'heard', heard: state.heard.map((said) => ({ ...said })) }
}

/** What the sender of `status` heard from replica `id`; nothing when that is impossible. */
export function heardFrom({ heard }: Status, id: number): Said {
  const said = heard[id] ?? nothingSaid()
  const isPossible = Object.values(said).every((number: bigint) => number <= maxNumber)
  return isPossible ? said : nothingSaid()
}
