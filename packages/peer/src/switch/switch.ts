import { create, decode, encode, heddle } from '@heddle/proto'
import { rulesInForce, rulesNamespace, rulesSince, switchWrites } from '../rules/in-force.ts'
import { maxOfferBytes, offerBlocks } from './offer.ts'
import type { StateView, StateWrite } from '../rules/state-view.ts'
import type { OfferVerifier, RulesOffer } from './offer.ts'

/** Name of the contract that puts other rules in force. */
export const rulesContract = rulesNamespace

/** Where a switch of rules stands. */
export interface SwitchPlace {
  /** Number of the rules in force. */
  readonly rules: number
  /** First block under them. */
  readonly since: bigint
  /** Number of the block that holds the switch. */
  readonly block: bigint
}

/** What is wrong with a switch of rules. */
export type SwitchFault =
  /** No `heddle.RulesSwitch` with one offer of each validator, in order and in the usual form. */
  | 'malformed'
  /** Not all offers name the same rules, or they name those in force. */
  | 'nothingToSwitch'
  /** An offer is too old, for later, or from before the rules in force: each switch needs new ones. */
  | 'notGoodHere'
  /** An offer is not signed by the validator that it names. */
  | 'notSigned'

/** The outcome of a switch: the changes after which the next block has other rules, or why it has none. */
export type SwitchVerdict =
  | { readonly accepted: true; readonly writes: readonly StateWrite[] }
  | { readonly accepted: false; readonly fault: SwitchFault }

/** Judges a switch in one block. */
export type SwitchJudge = (input: Uint8Array, state: StateView) => SwitchVerdict

/** The input of the contract: one offer of each validator, in the order of their numbers. */
export function encodeSwitch(offers: readonly heddle.SignedRulesOffer[]): Uint8Array {
  // Made anew, without what the decoder did not understand: the input has one form.
  const plain = offers.map(({ offer, signature }) => ({ offer, signature }))
  const message = create(heddle.RulesSwitchSchema, { offers: plain })
  return encode(heddle.RulesSwitchSchema, message)
}

/** The offers in a switch; undefined for anything that {@link encodeSwitch} does not make. */
function readSwitch(
  input: Uint8Array,
  validators: number,
): readonly heddle.SignedRulesOffer[] | undefined {
  if (input.length > maxSwitchBytes(validators)) return undefined
  try {
    const { offers } = decode(heddle.RulesSwitchSchema, input)
    const isUsual = Buffer.compare(encodeSwitch(offers), input) === 0
    return isUsual && offers.length === validators ? offers : undefined
  } catch {
    return undefined
  }
}

/** Longest input that is looked at. */
export function maxSwitchBytes(validators: number): number {
  return validators * (maxOfferBytes + 4)
}

function isGood({ block: from }: RulesOffer, { block, since }: SwitchPlace): boolean {
  return from >= since && from <= block && block - from < offerBlocks
}

/**
 * Judges a switch: a pure function of the genesis block's validators, the rules in force and the
 * bytes, whatever rules are in force. What it accepts and refuses never changes, under no number.
 *
 * @returns the number of the new rules, or why they do not come
 */
export function judgeSwitch(
  input: Uint8Array,
  place: SwitchPlace,
  verifier: OfferVerifier,
): number | SwitchFault {
  const signed = readSwitch(input, verifier.validators)
  if (signed === undefined) return 'malformed'
  const offers = signed.map((each) => verifier.read(each))
  const rules = offers[0]?.rules
  if (rules === undefined || rules === 0 || offers.some((each, index) => each?.replica !== index))
    return 'malformed'
  if (rules === place.rules || offers.some((each) => each?.rules !== rules))
    return 'nothingToSwitch'
  if (offers.some((each) => each === undefined || !isGood(each, place))) return 'notGoodHere'
  // Last, as it costs most.
  return signed.every((each, replica) => verifier.isBy(replica, each)) ? rules : 'notSigned'
}

/**
 * Judges the switches in one block: the first good one is the last, as the offers of another would
 * have to be made under its rules, which come with the next block.
 *
 * @param block - its number
 */
export function switchJudge(verifier: OfferVerifier, block: bigint): SwitchJudge {
  return (input, state) => {
    const place = { rules: rulesInForce(state), since: rulesSince(state), block }
    const verdict = judgeSwitch(input, place, verifier)
    if (typeof verdict !== 'number') return { accepted: false, fault: verdict }
    return { accepted: true, writes: switchWrites(verdict, block + 1n) }
  }
}
