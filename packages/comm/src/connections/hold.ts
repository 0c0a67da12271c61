import { CommError, reasonOf } from '../errors.ts'

/**
 * Holds an identity.
 * @returns what releases it
 * @throws {CommError} COMM_IDENTITY_REFUSED when the mapper does not let it be held
 */
export function holdOf(hold: () => () => void): () => void {
  try {
    return hold()
  } catch (cause) {
    throw new CommError('COMM_IDENTITY_REFUSED', reasonOf(cause), { cause })
  }
}
