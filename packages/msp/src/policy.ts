import { common, decode } from '@heddle/proto'
import { MspError } from './errors.ts'
import type { Identity } from './identity.ts'
import type { IdentityDeserializer } from './manager.ts'
import { shown } from './shown.ts'
import { collectSigners } from './signed-data.ts'
import type { SignedData } from './signed-data.ts'

/** Who must have signed. */
export interface Policy {
  /**
   * Why these identities do not suffice, or undefined when they do.
   *
   * @param signers - from `collectSigners`: signatures checked, each identity once
   */
  refusal(signers: readonly Identity[]): string | undefined
}

/** Rules nested deeper than this make a policy invalid. */
export const maxPolicyDepth = 32
/** Rules beyond this number make a policy invalid. */
export const maxPolicyRules = 10_000

type Evaluator = (signers: readonly Identity[], used: boolean[]) => boolean

interface Compilation {
  readonly principals: readonly common.MSPPrincipal[]
  readonly msps: IdentityDeserializer
  rules: number
}

function signedBy(index: number, { principals, msps }: Compilation): Evaluator {
  const principal = principals[index]
  if (principal === undefined) {
    throw new MspError(
      'MSP_INVALID_POLICY',
      `a signature policy names principal ${index} of ${principals.length}`,
    )
  }
  return (signers, used) => {
    const first = signers.findIndex(
      (one, at) => used[at] !== true && msps.satisfies(one, principal),
    )
    if (first === -1) return false
    used[first] = true
    return true
  }
}

/** Rules are tried in order; one that fails gives back the signers it had taken. */
function nOutOf(n: number, rules: readonly Evaluator[]): Evaluator {
  return (signers, used) => {
    let satisfied = 0
    for (const rule of rules) {
      const attempt = [...used]
      if (!rule(signers, attempt)) continue
      satisfied += 1
      attempt.forEach((taken, at) => {
        used[at] = taken
      })
    }
    return satisfied >= n
  }
}

function compile(
  rule: common.SignaturePolicy | undefined,
  state: Compilation,
  depth: number,
): Evaluator {
  state.rules += 1
  if (depth > maxPolicyDepth || state.rules > maxPolicyRules) {
    throw new MspError('MSP_INVALID_POLICY', 'a signature policy has too many rules')
  }
  switch (rule?.Type.case) {
    case 'signedBy':
      return signedBy(rule.Type.value, state)
    case 'nOutOf': {
      const { n, rules } = rule.Type.value
      return nOutOf(
        n,
        rules.map((one) => compile(one, state, depth + 1)),
      )
    }
    default:
      throw new MspError('MSP_INVALID_POLICY', 'a signature policy has an empty rule')
  }
}

/**
 * A signature policy: n-out-of rules over principals.
 *
 * Greedy as in Fabric: each `signed_by` takes the first signer that is not taken and meets its
 * principal, and is never reconsidered. So a policy can fail although another assignment exists.
 *
 * @throws MspError `MSP_INVALID_POLICY` when it names a principal that is not there, has an empty
 *   rule, or is too deep or too long
 * @see fabric v3.0.0 common/cauthdsl/cauthdsl.go
 */
export function signaturePolicy(
  envelope: common.SignaturePolicyEnvelope,
  msps: IdentityDeserializer,
): Policy {
  if (envelope.version !== 0) {
    throw new MspError(
      'MSP_INVALID_POLICY',
      `a signature policy has version ${envelope.version}; only 0 is supported`,
    )
  }
  const evaluator = compile(envelope.rule, { principals: envelope.identities, msps, rules: 0 }, 1)
  return {
    refusal: (signers) =>
      evaluator(signers, new Array<boolean>(signers.length).fill(false))
        ? undefined
        : 'signature set did not satisfy policy',
  }
}

function threshold(rule: common.ImplicitMetaPolicy_Rule, children: number): number {
  switch (rule) {
    case common.ImplicitMetaPolicy_Rule.ANY:
      return 1
    case common.ImplicitMetaPolicy_Rule.ALL:
      return children
    case common.ImplicitMetaPolicy_Rule.MAJORITY:
      return Math.floor(children / 2) + 1
    default:
      throw new MspError(
        'MSP_INVALID_POLICY',
        `unknown rule ${String(rule)} of an implicit meta policy`,
      )
  }
}

/**
 * A policy over the policies of one name in the groups below.
 *
 * @param children - one for each group below; undefined = that group has none, so it never agrees.
 *   Without groups every rule is met, as in Fabric.
 * @throws MspError `MSP_INVALID_POLICY` for an unknown rule
 * @see fabric v3.0.0 common/policies/implicitmeta.go
 */
export function implicitMetaPolicy(
  meta: Pick<common.ImplicitMetaPolicy, 'subPolicy' | 'rule'>,
  children: readonly (Policy | undefined)[],
): Policy {
  const needed = children.length === 0 ? 0 : threshold(meta.rule, children.length)
  return {
    refusal: (signers) => {
      const met = children.filter(
        (child) => child !== undefined && child.refusal(signers) === undefined,
      )
      if (met.length >= needed) return undefined
      return `${met.length} sub-policies ${shown(meta.subPolicy)} were satisfied, ${needed} are required`
    },
  }
}

/**
 * Throws unless those who signed satisfy `policy`.
 *
 * @throws MspError `MSP_POLICY_NOT_SATISFIED`; `MSP_NO_POLICY` when `policy` is undefined
 */
export function evaluatePolicy(
  policy: Policy | undefined,
  signed: readonly SignedData[],
  msps: IdentityDeserializer,
): void {
  if (policy === undefined) throw new MspError('MSP_NO_POLICY', 'there is no such policy')
  const refusal = policy.refusal(collectSigners(signed, msps))
  if (refusal !== undefined) throw new MspError('MSP_POLICY_NOT_SATISFIED', refusal)
}

/** What {@link policyFromConfig} takes besides the policy itself. */
export interface PolicyContext {
  readonly msps: IdentityDeserializer
  /** The policies called `name` of the groups below, for implicit meta policies. */
  readonly children: (name: string) => readonly (Policy | undefined)[]
}

// The field is a plain number on the wire.
const policyType: Readonly<Record<'signature' | 'implicitMeta', number>> = {
  signature: common.Policy_PolicyType.SIGNATURE,
  implicitMeta: common.Policy_PolicyType.IMPLICIT_META,
}

function decoded<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new MspError('MSP_INVALID_POLICY', 'a policy cannot be decoded', { cause })
  }
}

/** The policy in a `common.Policy`: SIGNATURE or IMPLICIT_META; others are `MSP_INVALID_POLICY`. */
export function policyFromConfig(policy: common.Policy, context: PolicyContext): Policy {
  if (policy.type === policyType.signature) {
    const envelope = decoded(() => decode(common.SignaturePolicyEnvelopeSchema, policy.value))
    return signaturePolicy(envelope, context.msps)
  }
  if (policy.type === policyType.implicitMeta) {
    const meta = decoded(() => decode(common.ImplicitMetaPolicySchema, policy.value))
    return implicitMetaPolicy(meta, context.children(meta.subPolicy))
  }
  throw new MspError('MSP_INVALID_POLICY', `policy type ${policy.type} is not supported`)
}
