import type { Batch } from './messages.ts'
import type { StateDigest } from './protocol.ts'
import type { Slot } from './slot.ts'
import type { State } from './state.ts'

/** Makes a final batch ready for execution. */
export function commitBatch(state: State, slot: Slot, batch: Batch): void {
  slot.committed = batch
  slot.decided = undefined
  state.wanted.delete(slot.sequence)
  executeNext(state)
}

/** Hands out what is committed, in order and without gaps, so many at once as the options allow. */
export function executeNext(state: State): void {
  const limit = state.lastExecuted + BigInt(state.options.maxExecutionsInFlight)
  while (state.transfer === undefined && !state.failed && state.lastScheduled < limit) {
    const sequence = state.lastScheduled + 1n
    const batch = state.slots.get(sequence)?.committed
    if (batch === undefined) return
    state.lastScheduled = sequence
    state.emit({ type: 'execute', sequence, batch })
  }
}

/**
 * Fetches `target` from `replicas` when it is ahead and the log cannot lead there; one at a time.
 * Waits for running executions: they may be all that is missing.
 */
export function transferTo(state: State, target: StateDigest, replicas: readonly number[]): void {
  if (state.transfer !== undefined || state.failed || target.sequence <= state.lastExecuted) return
  if (state.lastScheduled > state.lastExecuted) return
  const { sequence, digest } = target
  state.transfer = { sequence, digest }
  const others = replicas.filter((id) => id !== state.id)
  // Whom to ask first differs from replica to replica, and after each attempt.
  const first = (state.id + state.transfers++) % Math.max(others.length, 1)
  const inTurn = [...others.slice(first), ...others.slice(0, first)]
  state.emit({ type: 'transfer', sequence, digest, replicas: inTurn })
}

/** Fetches the state of the stable checkpoint when the log cannot lead there. */
export function transferIfBehind(state: State): void {
  const { checkpoints } = state.stable
  const [first] = checkpoints
  if (first === undefined) return
  transferTo(
    state,
    first,
    checkpoints.map((c) => c.replica),
  )
}

/** The same without patience, when the stable checkpoint is more than a window ahead. */
export function transferIfOutOfReach(state: State): void {
  if (state.lowWatermark > state.lastExecuted + state.window) transferIfBehind(state)
}

/**
 * Drops what is stable and executed. What is stable and only waits for execution stays, unless the
 * log cannot lead to the stable checkpoint any more.
 */
export function forgetExecuted(state: State): void {
  const { lowWatermark, lastExecuted } = state
  const floor = lowWatermark > lastExecuted + state.window ? lowWatermark : lastExecuted
  for (const sequence of state.slots.keys()) {
    if (sequence <= lowWatermark && sequence <= floor) state.slots.delete(sequence)
  }
  for (const sequence of state.wanted.keys()) {
    if (sequence <= state.lastExecuted) state.wanted.delete(sequence)
  }
}
