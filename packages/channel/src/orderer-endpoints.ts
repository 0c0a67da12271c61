import { type MspManager, mspContentOf } from '@heddle/msp'
import { common, decode, msp } from '@heddle/proto'

/** Where a configuration says that blocks can be had and envelopes given, and by what to know it. */
export interface OrdererEndpoint {
  /** As the configuration has it: `host:port`, or whatever else somebody wrote there. */
  readonly address: string
  /** The name of the organisation's group; undefined when the channel's own list names the address. */
  readonly organization: string | undefined
  /**
   * PEM: the TLS authorities of that organisation, intermediate ones too; those of all orderer
   * organisations for the channel's own list. None for an organisation that has none or is not supported.
   */
  readonly tlsRoots: readonly string[]
}

/**
 * Endpoints of the orderer organisations; if none has one, the channel's own list.
 *
 * @param msps - the members of the channel
 * @throws {ProtoMalformedError} when a value cannot be decoded
 */
export function ordererEndpointsOf(
  channel: common.ConfigGroup,
  orderer: common.ConfigGroup,
  msps: MspManager,
): OrdererEndpoint[] {
  const organizations = Object.entries(orderer.groups)
  const own = organizations.flatMap(([organization, group]) =>
    addressesIn(group.values['Endpoints']).map((address) => ({
      ...{ address, organization, tlsRoots: tlsRootsOf(group, msps) },
    })),
  )
  if (own.length > 0) return own
  const tlsRoots = organizations.flatMap(([, group]) => tlsRootsOf(group, msps))
  return addressesIn(channel.values['OrdererAddresses']).map((address) => ({
    ...{ address, organization: undefined, tlsRoots },
  }))
}

function addressesIn(value: common.ConfigValue | undefined): readonly string[] {
  return value ? decode(common.OrdererAddressesSchema, value.value).addresses : []
}

function tlsRootsOf(group: common.ConfigGroup, msps: MspManager): readonly string[] {
  const value = group.values['MSP']
  if (!value) return []
  const { mspId } = mspContentOf(decode(msp.MSPConfigSchema, value.value))
  const found = msps.msp(mspId)
  return found ? [...found.tlsRoots, ...found.tlsIntermediates] : []
}
