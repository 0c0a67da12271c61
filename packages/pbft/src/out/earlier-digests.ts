import { toHex } from '../wire/codec.ts'
import { maxClaims } from '../core/state.ts'
import type { StateMachine } from '../ports.ts'

/**
 * What the state machine, which is at `sequence`, knows of the states before, the latest first: as
 * far back as a replica tells them, and not below `lowWatermark`, for which there is a proof.
 *
 * Rejects as {@link StateMachine.earlierDigests} does.
 */
export async function earlierDigests(
  stateMachine: StateMachine,
  sequence: bigint,
  lowWatermark: bigint,
): Promise<string[]> {
  const oldest = sequence - BigInt(maxClaims - 1)
  const downTo = lowWatermark < oldest ? oldest : lowWatermark + 1n
  if (stateMachine.earlierDigests === undefined || downTo >= sequence) return []
  const digests = await stateMachine.earlierDigests(downTo)
  return digests.slice(0, Number(sequence - downTo)).map(toHex)
}
