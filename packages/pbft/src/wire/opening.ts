import { decodeCheckpoint, decodeNewView, decodeViewChange } from './codec.ts'
import type { Checkpoint, NewView, Proof, SignedStatement, ViewChange } from '../core/messages.ts'

/** A signature that a statement rests on: whose, and over what. */
export interface Endorsement {
  readonly replica: number
  readonly proof: Proof
}

/** @throws {MalformedError} PBFT_MALFORMED */
export function openCheckpoint(proof: Proof): Checkpoint {
  return { ...decodeCheckpoint(proof.body), proof }
}

/** @throws {MalformedError} PBFT_MALFORMED */
export function openViewChange(proof: Proof): ViewChange {
  const statement = decodeViewChange(proof.body)
  return { ...statement, stable: statement.stable.map(openCheckpoint), proof }
}

/** @throws {MalformedError} PBFT_MALFORMED */
export function openNewView(proof: Proof): NewView {
  const statement = decodeNewView(proof.body)
  return { ...statement, viewChanges: statement.viewChanges.map(openViewChange), proof }
}

/** Every signature that `message` rests on, `author`'s own first. */
export function endorsementsOf(message: SignedStatement, author: number): Endorsement[] {
  const own = { replica: author, proof: message.proof }
  if (message.type === 'checkpoint') return [own]
  if (message.type === 'view-change')
    return [own, ...message.stable.flatMap((c) => endorsementsOf(c, c.replica))]
  return [own, ...message.viewChanges.flatMap((vc) => endorsementsOf(vc, vc.replica))]
}
