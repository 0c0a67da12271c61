import { MspError } from './errors.ts'
import type { Identity } from './identity.ts'
import type { IdentityDeserializer } from './manager.ts'

/** A claim: `identity` (serialized) signed `data`. */
export interface SignedData {
  readonly identity: Uint8Array
  /** As received: never encoded anew. */
  readonly data: Uint8Array
  /** ECDSA over SHA-256 of `data`, DER with low S. */
  readonly signature: Uint8Array
}

function deserialized(identity: Uint8Array, msps: IdentityDeserializer): Identity | undefined {
  try {
    return msps.deserialize(identity)
  } catch (error) {
    if (error instanceof MspError) return undefined
    throw error
  }
}

/** Identities told apart: MSP and certificate, whatever their bytes on the wire. */
function keyOf(identity: Identity): string {
  return `${identity.mspId}/${identity.id}`
}

/**
 * The identities that really signed, each once, in the order of their first good signature.
 *
 * Unknown identities and wrong signatures are skipped; a wrong one does not stop a later good one of
 * the same identity. Validity is judged by the principals of the policy, not here.
 *
 * @see fabric v3.0.0 common/policies/policy.go, SignatureSetToValidIdentities
 */
export function collectSigners(
  signed: readonly SignedData[],
  msps: IdentityDeserializer,
): Identity[] {
  const signers = new Map<string, Identity>()
  for (const { identity: serialized, data, signature } of signed) {
    const identity = deserialized(serialized, msps)
    if (identity === undefined || signers.has(keyOf(identity))) continue
    if (identity.verify(data, signature)) signers.set(keyOf(identity), identity)
  }
  return [...signers.values()]
}

/** As {@link collectSigners}, with the signatures checked at once on the thread pool. */
export async function collectSignersAsync(
  signed: readonly SignedData[],
  msps: IdentityDeserializer,
): Promise<Identity[]> {
  const checked = await Promise.all(
    signed.map(async ({ identity: serialized, data, signature }) => {
      const identity = deserialized(serialized, msps)
      if (identity === undefined) return undefined
      return (await identity.verifyAsync(data, signature)) ? identity : undefined
    }),
  )
  const signers = new Map<string, Identity>()
  for (const identity of checked) {
    if (identity !== undefined && !signers.has(keyOf(identity)))
      signers.set(keyOf(identity), identity)
  }
  return [...signers.values()]
}
