import { announceCheckpoint } from './checkpoints.ts'
import { executeNext, forgetExecuted, transferIfBehind, transferIfOutOfReach } from './execution.ts'
import type { ReplicaEvent } from './protocol.ts'
import type { State } from './state.ts'
import { statusOf } from './status-message.ts'

type TransferredEvent = Extract<ReplicaEvent, { type: 'transferred' }>

/** A batch was executed. Answers come in order; one that a transfer overtook cannot exist. */
export function onExecuted(state: State, sequence: bigint, digest: string): void {
  state.reach(sequence, digest)
  if (sequence <= state.lowWatermark) state.slots.delete(sequence)
  if (sequence % state.period === 0n) announceCheckpoint(state)
  executeNext(state)
  transferIfOutOfReach(state)
}

/** The state machine arrived somewhere: the target, normally. */
export function onTransferred(state: State, event: TransferredEvent): void {
  const { sequence, digest, earlier = [] } = event
  const target = state.transfer
  state.transfer = undefined
  if (target?.sequence === sequence && target.digest !== digest) {
    state.fail(
      `state transfer to ${sequence.toString()} gave another digest than the others have there`,
    )
    return
  }
  if (sequence > state.lastExecuted) {
    state.reach(sequence, digest)
    state.recall(earlier)
    state.lastScheduled = sequence
    forgetExecuted(state)
    if (sequence % state.period === 0n) announceCheckpoint(state)
    if (state.nextSequence <= sequence) state.nextSequence = sequence + 1n
    executeNext(state)
    // The others may have moved on meanwhile: what comes next is asked for at once.
    transferIfBehind(state)
    if (!isTransferring(state)) state.broadcast(statusOf(state))
  }
  executeNext(state)
}

/** Whether what came since made another transfer begin. */
function isTransferring({ transfer }: State): boolean {
  return transfer !== undefined
}
