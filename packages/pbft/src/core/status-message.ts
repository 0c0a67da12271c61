import type { SlotStatus, Status, ViewChange } from './messages.ts'
import type { Slot } from './slot.ts'
import type { State } from './state.ts'
import { mayVote } from './voting.ts'

/** Where this replica is, as it tells the others. */
export function statusOf(state: State): Status {
  const { view, active, lastExecuted, lowWatermark } = state
  const viewChanges = active ? [] : currentViewChanges(state).map(({ replica }) => replica)
  return {
    type: 'status',
    view,
    active,
    lastExecuted,
    lowWatermark,
    viewChanges,
    slots: slotsOf(state),
    digests: state.digestsDownTo(lowestKnown(state)),
    query: mayVote(state) ? 0n : state.inquiry.query,
    reply: 0n,
    heard: state.heard.map((said) => ({ ...said })),
    echo: 0n,
    acceptsLoss: state.options.acceptLoss ?? false,
  }
}

/** How far the replica that is furthest behind had executed, as it said last. */
function lowestKnown(state: State): bigint {
  let lowest = state.lastExecuted
  for (const status of state.statuses)
    if (status !== undefined && status.lastExecuted < lowest) lowest = status.lastExecuted
  return lowest
}

function slotsOf(state: State): SlotStatus[] {
  let top = state.lastExecuted
  // Who is further behind needs the state, not the log; nobody answers for more than this either.
  const last = state.lastExecuted + 2n * state.window
  for (const sequence of state.slots.keys()) if (sequence > top && sequence <= last) top = sequence
  const slots: SlotStatus[] = []
  for (let sequence = state.lastExecuted + 1n; sequence <= top; sequence++)
    slots.push(slotStatus(state, state.slots.get(sequence)))
  return slots
}

function slotStatus(state: State, slot: Slot | undefined): SlotStatus {
  const committed = slot?.committed !== undefined
  return {
    prePrepared: committed || slot?.current !== undefined,
    prepared: committed || (slot?.prepared !== undefined && slot.prepared.view === state.view),
    committed: committed || slot?.decided !== undefined,
  }
}

/** The view-changes for this replica's view, in order of replica. */
export function currentViewChanges(state: State): ViewChange[] {
  return state.viewChanges.filter((vc) => vc?.view === state.view) as ViewChange[]
}
