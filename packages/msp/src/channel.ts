import { decode, msp } from '@heddle/proto'
import type { common } from '@heddle/proto'
import { isCodedError } from '@heddle/interface'
import { contentOf } from './config.ts'
import { MspError } from './errors.ts'
import { MspManager } from './manager.ts'
import { mspFromConfig } from './msp.ts'
import type { Msp } from './msp.ts'
import { evaluatePolicy, policyFromConfig } from './policy.ts'
import type { Policy } from './policy.ts'
import { shown } from './shown.ts'
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
  const { mspId, content } = contentOf(config)
  const known = members.contents.get(mspId)
  if (known !== undefined) {
    if (Buffer.compare(known, content) === 0) return
    throw new MspError(
      'MSP_INVALID_CONFIG',
      `two groups have different MSPs with the id ${shown(mspId)}`,
    )
  }
  members.contents.set(mspId, content)
  try {
    members.msps.set(mspId, mspFromConfig(config))
  } catch (error) {
    if (!isCodedError(error, 'MSP_UNSUPPORTED_MSP')) throw error
    members.unsupported.set(mspId, ofGroup(`${shown(path)} (${shown(mspId)})`, error))
  }
}

function ofGroup(group: string, error: unknown): MspError {
  const code = error instanceof MspError ? error.code : 'MSP_INVALID_CONFIG'
  const detail = (error as Error).message
  return new MspError(code, `organisation ${group}: ${detail}`, { cause: error })
}

function collectMsps(
  group: common.ConfigGroup,
  path: string,
  members: Members,
  depth: number,
): void {
  if (depth > maxGroupDepth)
    throw new MspError('MSP_INVALID_CONFIG', 'configuration groups too deep')
  const value = group.values['MSP']
  try {
    if (value !== undefined) addMsp(value, path, members)
  } catch (error) {
    throw ofGroup(shown(path), error)
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
    if (policy === undefined)
      throw new MspError('MSP_INVALID_POLICY', `policy ${shown(`${path}/${name}`)} is empty`)
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
      if (policy === undefined)
        throw new MspError('MSP_NO_POLICY', `no policy ${shown(path)} in this channel`)
      evaluatePolicy(policy, signed, msps)
    },
  }
}
