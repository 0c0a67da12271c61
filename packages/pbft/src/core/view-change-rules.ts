import { certificateProblem } from './checkpoints.ts'
import { maxNumber } from './messages.ts'
import type { Claim, ViewChange } from './messages.ts'
import { maxPrePreparedPerSequence } from './state.ts'
import type { State } from './state.ts'

/** Why no correct replica can have sent this view-change; undefined when one can. */
export function viewChangeProblem(state: State, viewChange: ViewChange): string | undefined {
  const { view, replica, lowWatermark, stable } = viewChange
  if (replica >= state.n) return 'no such replica'
  if (view > maxNumber) return `a view above ${maxNumber.toString()}`
  const certificate = { type: 'certificate', checkpoints: stable } as const
  const unproven = certificateProblem(state, certificate, lowWatermark)
  if (unproven !== undefined) return `stable checkpoint: ${unproven}`
  return claimsProblem(state, viewChange)
}

function claimsProblem(state: State, viewChange: ViewChange): string | undefined {
  const { view, lowWatermark, prepared, prePrepared } = viewChange
  const inRange = (claim: Claim) =>
    claim.view < view &&
    claim.sequence > lowWatermark &&
    claim.sequence <= lowWatermark + state.window
  if (!prepared.every(inRange) || !prePrepared.every(inRange)) return 'claim out of range'
  if (new Set(prepared.map((p) => p.sequence)).size !== prepared.length) return 'P has one twice'
  const digests = new Map<bigint, Set<string>>()
  for (const { sequence, digest } of prePrepared) {
    const seen = digests.get(sequence) ?? new Set()
    if (seen.has(digest)) return 'Q has one twice'
    if (seen.size >= maxPrePreparedPerSequence) return 'Q has too many for one sequence number'
    digests.set(sequence, seen.add(digest))
  }
  return undefined
}
