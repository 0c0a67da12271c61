import type { ChannelConfig, OrdererEndpoint } from '@heddle/channel'
import { isAddress, shownAddress } from './address.ts'
import type { Endpoint } from './ports.ts'

/** The endpoints that a configuration names, as they can be used here. */
export interface ConfigEndpoints {
  /** Where blocks can be had. */
  readonly endpoints: readonly Endpoint[]
  /** Those that cannot be used, each with whose it is and why: for people. */
  readonly unusableEndpoints: readonly string[]
}

/** Which of the endpoints that `config` names can be used. */
export function endpointsOf({
  ordererEndpoints,
}: Pick<ChannelConfig, 'ordererEndpoints'>): ConfigEndpoints {
  const usable = ordererEndpoints.filter((one) => faultOf(one) === undefined)
  return {
    endpoints: usable.map(({ address, tlsRoots }) => ({ address, roots: tlsRoots })),
    unusableEndpoints: ordererEndpoints.flatMap((one) => faultOf(one) ?? []),
  }
}

/** Why it cannot be used. Without TLS roots public authorities would vouch for it: nobody asked for that. */
function faultOf({ address, organization, tlsRoots }: OrdererEndpoint): string | undefined {
  const owner =
    organization === undefined
      ? 'of all organisations'
      : `of organisation ${shownAddress(organization)}`
  const named = `${shownAddress(address)} ${owner}`
  if (!isAddress(address)) return `${named} is not host:port`
  return tlsRoots.length > 0 ? undefined : `${named} has no TLS roots to verify it with`
}
