import { type ChannelRules } from '@heddle/channel'
import { collectSignersAsync } from '@heddle/msp'
import { OrdererError } from './errors.ts'
import type { Grant, SignedData } from './ports.ts'

/** Where the policy for each action stands, as with Fabric. */
const policies = { read: '/Channel/Readers', write: '/Channel/Writers' } as const

/**
 * Whether the channel's policy lets whoever signed do `action`; made for `Chain.authorize`. The
 * signature is checked on the thread pool.
 *
 * @param rules - of the channel's configuration in force (`channelConfigOf` of @heddle/channel)
 * @returns with the end of the certificate, even if that has passed: looking at it is up to the server
 * @throws {OrdererError} ORDERER_FORBIDDEN for an unknown identity, a wrong signature, or an
 *   identity that the policy does not name
 * @see fabric v3.0.0 orderer/common/msgprocessor/sigfilter.go
 */
export async function authorizeByPolicy(
  rules: ChannelRules,
  action: 'read' | 'write',
  signed: SignedData,
): Promise<Grant> {
  const [signer] = await collectSignersAsync([signed], rules.msps)
  const path = policies[action]
  const refusal = signer
    ? rules.policy(path)?.refusal([signer])
    : 'the signature is not one of a known identity'
  if (signer && rules.policy(path) && refusal === undefined) return { expiresAt: signer.expiresAt }
  const reason = refusal ?? 'there is no such policy'
  throw new OrdererError('ORDERER_FORBIDDEN', `policy ${path} not satisfied: ${reason}`)
}
