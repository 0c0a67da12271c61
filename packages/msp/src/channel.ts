import { decode, msp } from '@heddle/proto'
import type { common } from '@heddle/proto'
import { MspError } from './errors.ts'
import { MspManager } from './manager.ts'
import { mspFromConfig } from './msp.ts'
import type { Msp } from './msp.ts'
import { evaluatePolicy, policyFromConfig } from './policy.ts'
import type { Policy } from './policy.ts'
import type { SignedData } from './signed-data.ts'

/** Groups of a configuration nested deeper than this are refused. */
export const maxGroupDepth = 8

/** Members and policies of a channel, as one configuration states them. */
export interface ChannelRules {
  /** Of all organisations in it. */
  readonly msps: MspManager
  /** By path from the top: `/Channel/Application/Readers`; undefined when there is none. */
  policy(path: string): Policy | undefined
  /** Throws unless those who signed satisfy the policy at `path`: `MSP_NO_POLICY`, `MSP_POLICY_NOT_SATISFIED`. */
  evaluate(path: string, signed: readonly SignedData[]): void
}

function mspOf(value: common.ConfigValue): Msp {
  try {
    return mspFromConfig(decode(msp.MSPConfigSchema, value.value))
  } catch (cause) {
    if (cause instanceof MspError) throw cause
    throw new MspError('MSP_INVALID_CONFIG', 'the MSP of a group cannot be decoded', { cause })
  }
}

function sameConfig(a: Msp, b: Msp): boolean {
  return Buffer.compare(a.toConfig().config, b.toConfig().config) === 0
}

/** Collects the MSPs of all groups; an organisation may stand in several, with the same MSP. */
function collectMsps(group: common.ConfigGroup, found: Map<string, Msp>, depth: number): void {
  if (depth > maxGroupDepth)
    throw new MspError('MSP_INVALID_CONFIG', 'configuration groups too deep')
  const value = group.values['MSP']
  if (value !== undefined) {
    const one = mspOf(value)
    const known = found.get(one.mspId)
    if (known !== undefined && !sameConfig(known, one)) {
      throw new MspError('MSP_INVALID_CONFIG', `two different MSPs with the id ${one.mspId}`)
    }
    if (known === undefined) found.set(one.mspId, one)
  }
  for (const child of Object.values(group.groups)) collectMsps(child, found, depth + 1)
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
    if (policy === undefined)
      throw new MspError('MSP_INVALID_POLICY', `policy ${path}/${name} is empty`)
    found.set(`${path}/${name}`, policyFromConfig(policy, { msps, children }))
  }
}

/**
 * Members and policies of a channel from `Config.channel_group` of a config block.
 *
 * @throws MspError `MSP_INVALID_CONFIG`, `MSP_INVALID_POLICY`
 * @see fabric v3.0.0 common/channelconfig/bundle.go
 */
export function channelRules(channelGroup: common.ConfigGroup): ChannelRules {
  const found = new Map<string, Msp>()
  collectMsps(channelGroup, found, 1)
  const msps = new MspManager(found.values())
  const policies = new Map<string, Policy>()
  collectPolicies(channelGroup, '/Channel', msps, policies)
  return {
    msps,
    policy: (path) => policies.get(path),
    evaluate: (path, signed) => {
      const policy = policies.get(path)
      if (policy === undefined)
        throw new MspError('MSP_NO_POLICY', `no policy ${path} in this channel`)
      evaluatePolicy(policy, signed, msps)
    },
  }
}
