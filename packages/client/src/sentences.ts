import { heddle } from '@heddle/proto'

const code = heddle.RejectionCode

/** Rules 1 gave a reason. */
const unspecified: number = code.REJECTION_UNSPECIFIED

/** A sentence for each code, with its details. For people only: no block holds any of them. */
const sentences: Readonly<Record<number, (details: readonly string[]) => string>> = {
  [code.NOT_A_TRANSACTION]: () => 'not a transaction',
  [code.UNKNOWN_CONTRACT]: ([name]) => `no such contract: ${name}`,
  [code.NOT_UTF8]: () => 'not UTF-8',
  [code.NOT_JSON]: ([rest]) =>
    rest ? `not JSON from here on: ${rest}` : 'not JSON: it ends too soon',
  [code.NOT_AN_OBJECT]: () => 'not a JSON object',
  [code.MEMBER_TWICE]: ([name]) => `names ${name} twice`,
  [code.CONTRACT_FAILED]: () => 'the contract failed',
  [code.UNFIT_RESULT]: () => 'the contract wrote what the state cannot hold',
  [code.UNKNOWN_FIELD]: ([name]) => `unknown field ${name}: a transfer has from, to and amount`,
  [code.FIELD_MISSING]: ([field]) => `${field} is missing`,
  [code.NOT_A_NAME]: ([field]) => `${field} is not the name of an account`,
  [code.NAME_TOO_LONG]: ([field]) => `${field} is longer than 512 bytes`,
  [code.NAME_NOT_TEXT]: ([field]) => `${field} holds half of a surrogate pair`,
  [code.AMOUNT_NEGATIVE]: ([amount]) => `amount ${amount} is negative`,
  [code.AMOUNT_NOT_WHOLE]: ([amount]) => `amount ${amount} is not a whole number`,
  [code.AMOUNT_TOO_LONG]: () => 'amount has more than 38 digits',
  [code.NO_SUCH_ACCOUNT]: ([name]) => `no such account: ${name}`,
  [code.OVERDRAWN]: ([name, balance, amount]) =>
    `overdraws ${name}: balance ${balance}, amount ${amount}`,
  [code.ID_TOO_LONG]: () => 'id is longer than 512 bytes',
  [code.ID_NOT_TEXT]: () => 'id holds half of a surrogate pair',
  [code.SWITCH_MALFORMED]: () => 'not one offer per validator, in their order',
  [code.SWITCH_TO_NOTHING_ELSE]: () => 'the offers name several rules, or those in force',
  [code.SWITCH_NOT_GOOD_HERE]: () => 'an offer is not good in this block',
  [code.SWITCH_NOT_SIGNED]: () => 'an offer is not signed by its validator',
  [code.RECORD_EXISTS]: ([id]) => `record ${id} exists with other content`,
}

/** Text that does nothing to a terminal. */
function shown(detail: Uint8Array): string {
  const escape = (character: string): string =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return Buffer.from(detail)
    .toString()
    .replace(/\p{Cc}/gu, escape)
}

/** What {@link sentenceOf} takes: a `heddle.Rejection`, or the reason of a contract. */
export interface Explained {
  /** A `heddle.RejectionCode`, or a number that is none yet. */
  readonly code: number
  readonly details: readonly Uint8Array[]
  /** Rules 1 only. */
  readonly reason?: string
}

/**
 * Why a transaction was rejected, in words for people: match on the code instead. Of a block by rules
 * 1, which have no codes, what the block says.
 */
export function sentenceOf({ code: number, details, reason = '' }: Explained): string {
  if (number === unspecified) return reason
  const sentence = sentences[number]
  return sentence?.(details.map(shown)) ?? `rejected with code ${number}`
}
