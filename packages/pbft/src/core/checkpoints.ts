import { recover } from './amnesia.ts'
import { executeNext, forgetExecuted, transferIfBehind, transferIfOutOfReach } from './execution.ts'
import type { Certificate, Checkpoint } from './messages.ts'
import { keepHeard } from './heard.ts'
import type { StateDigest } from './protocol.ts'
import type { State } from './state.ts'
import { remembers } from './voting.ts'

/** Asks for the signature under the state just reached; {@link onOwnCheckpoint} goes on. */
export function announceCheckpoint(state: State): void {
  const { lastExecuted: sequence, stateDigest: digest } = state
  checkAgainst(state, state.stable)
  if (!state.failed) announceCheckpointAt(state, { sequence, digest })
}

/** The same for a state that was reached before. */
export function announceCheckpointAt(state: State, { sequence, digest }: StateDigest): void {
  if (!remembers(state)) return
  const statement = { type: 'checkpoint', sequence, digest, replica: state.id } as const
  state.emit({ type: 'sign', statement })
}

/** This replica's own checkpoint, signed: durable, then told to all (§4.3). */
export function onOwnCheckpoint(state: State, checkpoint: Checkpoint): void {
  if (checkpoint.sequence <= state.lowWatermark) {
    // Too late to matter for the certificate; the others still want to hear that it is level.
    state.broadcast(checkpoint)
    return
  }
  if (state.checkpoints.add(checkpoint) !== 'added') return
  state.persist({ type: 'checkpoint', checkpoint })
  state.broadcast(checkpoint)
  countCheckpoints(state, checkpoint)
}

/** A signed checkpoint of another replica: one for each replica and sequence number counts. */
export function onCheckpoint(state: State, from: number, checkpoint: Checkpoint): void {
  const { sequence, replica } = checkpoint
  state.checkpoints.hear(checkpoint)
  if (sequence <= state.lowWatermark) return
  const at = `checkpoint ${sequence.toString()} of replica ${String(replica)}`
  if (sequence % state.period !== 0n || replica === state.id) {
    state.reject(from, 'PBFT_INVALID_CHECKPOINT', at)
    return
  }
  const outcome = state.checkpoints.add(checkpoint)
  if (outcome === 'conflict') state.reject(from, 'PBFT_CONFLICT', at)
  else countCheckpoints(state, checkpoint)
}

function countCheckpoints(state: State, { sequence, digest }: Checkpoint): void {
  const checkpoints = state.checkpoints.matching(sequence, digest)
  if (checkpoints.length < state.quorum) return
  certify(state, { type: 'certificate', checkpoints })
}

/** A relayed certificate, from a replica that saw that this one lacks it: the log below is gone. */
export function onCertificate(state: State, from: number, certificate: Certificate): void {
  const [first] = certificate.checkpoints
  if (first === undefined || first.sequence <= state.lowWatermark) return
  const problem = certificateProblem(state, certificate, first.sequence)
  if (problem !== undefined) {
    state.reject(from, 'PBFT_INVALID_CHECKPOINT', problem)
    return
  }
  certify(state, certificate)
  transferIfBehind(state)
}

/** Why these checkpoints do not prove that the state at `sequence` is stable. */
export function certificateProblem(
  state: State,
  { checkpoints }: Certificate,
  sequence: bigint,
): string | undefined {
  if (sequence === 0n)
    return checkpoints.length === 0 ? undefined : 'the initial state has no proof'
  if (sequence % state.period !== 0n) return 'not at a multiple of K'
  const replicas = new Set(checkpoints.map((c) => c.replica))
  if (replicas.size !== checkpoints.length) return 'a replica twice'
  if (replicas.size < state.quorum) return 'fewer than a quorum'
  const digest = checkpoints[0]?.digest
  return checkpoints.every((c) => c.sequence === sequence && c.digest === digest)
    ? undefined
    : 'for different states'
}

/** Moves h to a proven checkpoint and forgets what lies below (§4.3). */
export function certify(state: State, certificate: Certificate): void {
  const sequence = certificate.checkpoints[0]?.sequence ?? 0n
  if (sequence <= state.lowWatermark) return
  checkAgainst(state, certificate)
  if (state.failed) return
  state.lowWatermark = sequence
  state.stable = certificate
  state.checkpoints.forget(sequence)
  forgetExecuted(state)
  if (state.nextSequence <= sequence) state.nextSequence = sequence + 1n
  state.persist({ type: 'stable', certificate })
  keepHeard(state)
  state.emit({ type: 'stable', sequence })
  recover(state)
  executeNext(state)
  transferIfOutOfReach(state)
}

/** What a quorum signed for is right; a replica that executed to something else must stop. */
function checkAgainst(state: State, certificate: Certificate): void {
  const [first] = certificate.checkpoints
  if (first === undefined) return
  const own =
    state.lastExecuted === first.sequence
      ? state.stateDigest
      : state.checkpoints.of(state.id).find((c) => c.sequence === first.sequence)?.digest
  if (own === undefined || own === first.digest) return
  state.fail(
    `own state at ${first.sequence.toString()} is ${own}, a quorum signed for ${first.digest}`,
  )
}
