import { isCodedError } from '@heddle/interface'
import { MspError, MspManager, evaluatePolicy, mspContentOf } from '@heddle/msp'
import { mspFromConfig, policyFromConfig, shown } from '@heddle/msp'
import type { Msp, Policy, PolicyContext, SignedData } from '@heddle/msp'
import { decode, msp } from '@heddle/proto'
import type { common } from '@heddle/proto'
import { ChannelError } from './errors.ts'

/** Groups of a configuration nested deeper than this are refused. */
export const maxGroupDepth = 8

/** Members and policies of a channel, as one configuration states them. */
export interface ChannelRules {
  /** Of all organisations in it. */
  readonly msps: MspManager
  /** By path from the top: `/Channel/Application/Readers`; undefined when there is none. */
  policy(path: string): Policy | undefined
  /**
   * Throws unless those who signed satisfy the policy at `path`: a {@link ChannelError}
   * `CHANNEL_NO_POLICY`, or an `MspError` `MSP_POLICY_NOT_SATISFIED`.
   */
  evaluate(path: string, signed: readonly SignedData[]): void
}

/** The MSPs of a configuration by their ids. */
interface Members {
  readonly msps: Map<string, Msp>
  readonly unsupported: Map<string, MspError>
  /** Content of each: an organisation may stand in several groups, with the same MSP. */
  readonly contents: Map<string, Uint8Array>
}

/** Takes the MSP of one group in; `path` says in errors which group. */
function addMsp(value: common.ConfigValue, path: string, members: Members): void {
  const config = decode(msp.MSPConfigSchema, value.value)
  const { mspId, content } = mspContentOf(config)
  const known = members.contents.get(mspId)
  if (known !== undefined) {
    if (Buffer.compare(known, content) === 0) return
    throw invalid(`two groups have different MSPs with the id ${shown(mspId)}`)
  }
  members.contents.set(mspId, content)
  try {
    members.msps.set(mspId, mspFromConfig(config))
  } catch (error) {
    if (!isCodedError(error, 'MSP_UNSUPPORTED_MSP')) throw error
    const said = ofOrganization(`${shown(path)} (${shown(mspId)})`, error)
    members.unsupported.set(mspId, new MspError('MSP_UNSUPPORTED_MSP', said, { cause: error }))
  }
}

function ofOrganization(group: string, error: unknown): string {
  return `organisation ${group}: ${(error as Error).message}`
}

function invalid(what: string, cause?: unknown): ChannelError {
  return new ChannelError('CHANNEL_INVALID_CONFIG', what, { cause })
}

function collectMsps(
  group: common.ConfigGroup,
  path: string,
  members: Members,
  depth: number,
): void {
  if (depth > maxGroupDepth) throw invalid('configuration groups too deep')
  const value = group.values['MSP']
  try {
    if (value !== undefined) addMsp(value, path, members)
  } catch (error) {
    throw invalid(ofOrganization(shown(path), error), error)
  }
  for (const [name, child] of Object.entries(group.groups)) {
    collectMsps(child, `${path}/${name}`, members, depth + 1)
  }
}

function collectPolicies(
  group: common.ConfigGroup,
  path: string,
  msps: MspManager,
  found: Map<string, Policy>,
): void {
  const below = Object.keys(group.groups).map((name) => `${path}/${name}`)
  for (const [name, child] of Object.entries(group.groups)) {
    collectPolicies(child, `${path}/${name}`, msps, found)
  }
  const children = (name: string): (Policy | undefined)[] =>
    below.map((one) => found.get(`${one}/${name}`))
  for (const [name, { policy }] of Object.entries(group.policies)) {
    const at = `${path}/${name}`
    found.set(at, policyAt(at, policy, { msps, children }))
  }
}

function policyAt(path: string, policy: common.Policy | undefined, context: PolicyContext): Policy {
  if (policy === undefined) throw invalid(`policy ${shown(path)} is empty`)
  try {
    return policyFromConfig(policy, context)
  } catch (error) {
    throw invalid(`policy ${shown(path)}: ${(error as Error).message}`, error)
  }
}

/**
 * Members and policies of a channel from `Config.channel_group` of a config block.
 *
 * An organisation that Fabric takes and `@heddle/msp` does not stands in `msps.unsupported`.
 *
 * @throws {ChannelError} CHANNEL_INVALID_CONFIG naming the organisation or policy, with the cause
 * @see fabric v3.0.0 common/channelconfig/bundle.go
 */
export function channelRules(channelGroup: common.ConfigGroup): ChannelRules {
  const members: Members = { msps: new Map(), unsupported: new Map(), contents: new Map() }
  collectMsps(channelGroup, '/Channel', members, 1)
  const msps = new MspManager(members.msps.values(), members.unsupported)
  const policies = new Map<string, Policy>()
  collectPolicies(channelGroup, '/Channel', msps, policies)
  return {
    msps,
    policy: (path) => policies.get(path),
    evaluate: (path, signed) => {
      const policy = policies.get(path)
      if (policy === undefined) {
        throw new ChannelError('CHANNEL_NO_POLICY', `no policy ${shown(path)} in this channel`)
      }
      evaluatePolicy(policy, signed, msps)
    },
  }
}
