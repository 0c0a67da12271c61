import { amnesiaRecord } from './amnesia.ts'
import { exceeds, heardRecord, nothingSaid, raise } from './heard.ts'
import { NULL_BATCH, NULL_DIGEST } from './messages.ts'
import type { Vote } from './messages.ts'
import type { JournalRecord } from './protocol.ts'
import { selectReplay } from './selection.ts'
import type { Slot } from './slot.ts'
import { maxPrePreparedPerSequence } from './state.ts'
import type { State } from './state.ts'
import { mayVote } from './voting.ts'

/**
 * Brings back what this replica had said before it stopped, so that it never contradicts itself:
 * its view, P and Q with their batches, its own votes, checkpoints and view-change.
 *
 * Records are taken in the order in which they were written; a rewritten journal is such an order.
 */
export function restore(state: State, records: Iterable<JournalRecord>): void {
  for (const record of records) apply(state, record)
  for (const slot of state.slots.values()) restoreVotes(state, slot)
  if (!state.active) for (const slot of state.slots.values()) slot.current = undefined
  let top = state.lowWatermark > state.lastExecuted ? state.lowWatermark : state.lastExecuted
  // A primary never assigns a number again that it assigned in this view.
  for (const { sequence, current } of state.slots.values())
    if (current !== undefined && sequence > top) top = sequence
  state.nextSequence = top + 1n
  restoreSaid(state)
}

/** Whatever left the log is stable: nothing was said beyond the log and that. */
function restoreSaid(state: State): void {
  const { said, view, votesFrom, lowWatermark } = state
  raise(said, { view, accepted: lowWatermark, committed: lowWatermark })
  raise(said, { view: votesFrom })
  for (const { sequence } of state.checkpoints.of(state.id)) raise(said, { accepted: sequence })
  for (const { sequence, prePrepared, prepared } of state.slots.values()) {
    if (prePrepared.size > 0) raise(said, { accepted: sequence })
    if (prepared !== undefined) raise(said, { committed: sequence })
  }
}

function apply(state: State, record: JournalRecord): void {
  switch (record.type) {
    case 'pre-prepared':
      state.slot(record.sequence)?.prePrepare(record.view, record.batch, maxPrePreparedPerSequence)
      return
    case 'prepared': {
      applyPrepared(state, record)
      return
    }
    case 'view-change':
      state.view = record.viewChange.view
      state.active = false
      state.viewChanges[state.id] = record.viewChange
      return
    case 'new-view':
      applyNewView(state, record)
      return
    case 'checkpoint':
      state.checkpoints.add(record.checkpoint)
      return
    case 'stable':
      applyStable(state, record)
      return
    case 'amnesia':
      applyAmnesia(state, record)
      return
    case 'heard':
      for (const [replica, said] of record.heard.entries())
        raise(state.heard[replica] ?? nothingSaid(), said)
  }
}

function applyPrepared(state: State, { view, sequence, digest }: JournalRecord & Vote): void {
  const slot = state.slot(sequence)
  if (slot !== undefined) slot.prepared = { view, sequence, digest }
}

function applyAmnesia(state: State, record: JournalRecord & { type: 'amnesia' }): void {
  const { until, votesFrom, over } = record
  state.votesFrom = votesFrom
  state.amnesia = over ? undefined : { until }
  if (over && until !== undefined) raise(state.said, { accepted: until, committed: until })
}

function applyStable(state: State, { certificate }: JournalRecord & { type: 'stable' }): void {
  const sequence = certificate.checkpoints[0]?.sequence ?? 0n
  state.lowWatermark = sequence
  state.stable = certificate
  state.checkpoints.forget(sequence)
  for (const at of state.slots.keys()) if (at <= sequence) state.slots.delete(at)
}

function applyNewView(state: State, { newView }: JournalRecord & { type: 'new-view' }): void {
  state.newView = newView
  state.view = newView.view
  state.active = true
  state.viewChanges[state.id] = undefined
  const replay = selectReplay(newView.viewChanges, state)
  replay?.digests.forEach((digest, index) => {
    const slot = state.slot(replay.base + BigInt(index) + 1n)
    const batch = digest === NULL_DIGEST ? NULL_BATCH : slot?.batch(digest)
    if (batch !== undefined) slot?.prePrepare(newView.view, batch, maxPrePreparedPerSequence)
  })
}

/**
 * Whatever this replica said in its view, it says again when asked. Where it may not vote, it wrote
 * down what it accepted, as anywhere, but said nothing about it.
 */
function restoreVotes(state: State, slot: Slot): void {
  slot.current = [...slot.prePrepared.values()].find(({ view }) => view === state.view)
  if (slot.current !== undefined && !state.isPrimary && mayVote(state)) {
    const digest = slot.current.batch.digest
    slot.prepares.add(state.id, { view: state.view, sequence: slot.sequence, digest })
  }
  if (slot.prepared !== undefined) slot.commits.add(state.id, slot.prepared)
}

/**
 * The same from a journal that is not all there, or another's: only what others signed counts, and
 * what was heard from them. Alone, a replica has told nobody anything, and goes on.
 */
export function restoreProven(state: State, records: Iterable<JournalRecord>): void {
  const proven = [...records].filter(
    ({ type }) => type === 'stable' || type === 'new-view' || type === 'heard',
  )
  restore(state, proven)
  if (state.n > 1) state.amnesia = { until: undefined }
}

/** The shortest journal that brings back all that {@link restore} needs now. */
export function durableRecords(state: State): JournalRecord[] {
  const records: JournalRecord[] = []
  if (state.amnesia !== undefined || state.votesFrom > 0n) records.push(amnesiaRecord(state))
  if (state.stable.checkpoints.length > 0)
    records.push({ type: 'stable', certificate: state.stable })
  for (const checkpoint of state.checkpoints.of(state.id))
    records.push({ type: 'checkpoint', checkpoint })
  const slots = [...state.slots.values()].filter((slot) => slot.sequence > state.lowWatermark)
  for (const { sequence, prePrepared, prepared } of slots) {
    for (const { view, batch } of prePrepared.values())
      records.push({ type: 'pre-prepared', view, sequence, batch })
    if (prepared !== undefined) records.push({ type: 'prepared', ...prepared })
  }
  if (state.newView !== undefined) records.push({ type: 'new-view', newView: state.newView })
  const own = state.viewChanges[state.id]
  if (own !== undefined) records.push({ type: 'view-change', viewChange: own })
  if (state.heard.some((said) => exceeds(said, nothingSaid()))) records.push(heardRecord(state))
  return records
}
