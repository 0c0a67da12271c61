import type { MspManager } from '@heddle/msp'
import { common, decode, msp as mspTypes } from '@heddle/proto'
import { isAddress, shownAddress } from './address.ts'
import type { Endpoint } from './ports.ts'

/** `MSPConfig.type` of an MSP with X.509 certificates; others (Idemix) have no TLS roots. */
const x509Msp = 0

/** The endpoints that a configuration names. */
export interface ConfigEndpoints {
  /** Where blocks can be had. */
  readonly endpoints: readonly Endpoint[]
  /** Those that cannot be used, each with whose it is and why: for people. */
  readonly unusableEndpoints: readonly string[]
}

/** An endpoint, and whose it is. */
interface Named {
  readonly endpoint: Endpoint
  readonly owner: string
}

/** Endpoints of the orderer organisations; if none has one, the channel's own list. */
export function endpointsOf(
  channel: common.ConfigGroup,
  orderer: common.ConfigGroup,
  msps: MspManager,
): ConfigEndpoints {
  const orgs = Object.entries(orderer.groups)
  const ofOrgs = orgs.flatMap(([name, org]) =>
    namedIn(org.values['Endpoints'], `of organisation ${shownAddress(name)}`, rootsOf(org, msps)),
  )
  const roots = orgs.flatMap(([, org]) => rootsOf(org, msps))
  const named =
    ofOrgs.length > 0
      ? ofOrgs
      : namedIn(channel.values['OrdererAddresses'], 'of all organisations', roots)
  return {
    endpoints: named.filter((one) => faultOf(one) === undefined).map(({ endpoint }) => endpoint),
    unusableEndpoints: named.flatMap((one) => faultOf(one) ?? []),
  }
}

/** Why it cannot be used. Without TLS roots public authorities would vouch for it: nobody asked for that. */
function faultOf({ endpoint: { address, roots }, owner }: Named): string | undefined {
  const named = `${shownAddress(address)} ${owner}`
  if (!isAddress(address)) return `${named} is not host:port`
  return roots.length > 0 ? undefined : `${named} has no TLS roots to verify it with`
}

function namedIn(
  value: common.ConfigValue | undefined,
  owner: string,
  roots: readonly string[],
): Named[] {
  const addresses = value ? decode(common.OrdererAddressesSchema, value.value).addresses : []
  return addresses.map((address) => ({ endpoint: { address, roots }, owner }))
}

function rootsOf(org: common.ConfigGroup, msps: MspManager): readonly string[] {
  const value = org.values['MSP']
  if (!value) return []
  const { config, type } = decode(mspTypes.MSPConfigSchema, value.value)
  const found =
    type === x509Msp ? msps.msp(decode(mspTypes.FabricMSPConfigSchema, config).name) : undefined
  return found ? [...found.tlsRoots, ...found.tlsIntermediates] : []
}
