import { signedEnvelope } from '@heddle/deliver'
import { common, create, encode, heddle } from '@heddle/proto'
import type { EnvelopeSigner, SignedEnvelope } from '@heddle/deliver'
import type { Clock } from '@heddle/interface'

/** One call of a contract. */
export interface Call {
  readonly channelId: string
  readonly contract: string
  /** The JSON object, as it is kept. */
  readonly input: Uint8Array
}

/**
 * Signs a call as a new transaction: a fresh nonce gives it an id of its own, which it keeps however
 * often its bytes are sent.
 */
export function signTransaction(
  signer: EnvelopeSigner,
  clock: Clock,
  { channelId, contract, input }: Call,
): Promise<SignedEnvelope> {
  const call = create(heddle.TransactionSchema, { contract, input })
  return signedEnvelope({
    channelId,
    type: common.HeaderType.MESSAGE,
    data: encode(heddle.TransactionSchema, call),
    signer,
    clock,
  })
}
