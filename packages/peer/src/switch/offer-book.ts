import { offerBlocks } from './offer.ts'
import type { heddle } from '@heddle/proto'
import type { RulesOffer } from './offer.ts'

/** An offer that was verified. */
export interface HeldOffer extends RulesOffer {
  readonly signed: heddle.SignedRulesOffer
  /** When it came, in milliseconds of the clock. */
  readonly heardAt: number
}

/** Now, as an {@link OfferBook} is asked about it. */
export interface OfferMoment {
  /** Number of the next block. */
  readonly block: bigint
  /** First block under the rules in force: offers from before are used up. */
  readonly since: bigint
  /** Milliseconds of the clock. */
  readonly now: number
}

/**
 * How long an offer counts that is not repeated: whoever offers repeats it every second, and whoever
 * thinks better of it falls silent.
 */
export const offerLifeMs = 10_000

/**
 * How many blocks away an offer may be: it has as many left, in which its switch can be executed; and
 * a validator that is a little ahead of this one is none that makes offers for later.
 */
export const offerBlocksLeft = offerBlocks / 2n

/** The last offer per validator: state without I/O, bounded by the number of validators. */
export class OfferBook {
  readonly #offers: (HeldOffer | undefined)[]

  /** @param validators - how many there are */
  constructor(validators: number) {
    this.#offers = Array.from({ length: validators }, () => undefined)
  }

  /** Takes the place of the validator's offer before: it offers one number at a time. */
  put(offer: HeldOffer): void {
    if (offer.replica < this.#offers.length) this.#offers[offer.replica] = offer
  }

  /** The validators without a good offer of these rules, in the order of their numbers. */
  missing(rules: number, moment: OfferMoment): number[] {
    return this.#offers.flatMap((offer, replica) =>
      offer?.rules === rules && isGood(offer, moment) ? [] : [replica],
    )
  }

  /** One good offer of each validator for these rules; undefined while one is missing. */
  complete(rules: number, moment: OfferMoment): heddle.SignedRulesOffer[] | undefined {
    if (this.missing(rules, moment).length > 0) return undefined
    return this.#offers.flatMap((offer) => (offer === undefined ? [] : [offer.signed]))
  }
}

function isGood({ block, heardAt }: HeldOffer, { block: next, since, now }: OfferMoment): boolean {
  const isNear = next - block <= offerBlocksLeft && block - next <= offerBlocksLeft
  return isNear && block >= since && now - heardAt <= offerLifeMs
}
