import { MspManager } from '@heddle/msp'
import { OfferVerifier, signOffer } from '../../src/switch/offer.ts'
import { channelId, testMembers } from './channel.ts'
import type { heddle } from '@heddle/proto'

/** What may differ from an ordinary offer of `replica`. */
export interface OfferInit {
  readonly rules?: number
  readonly block?: bigint
  readonly channelId?: string
  /** Who it says offers. */
  readonly as?: number
}

/** An offer of a validator of the test channel, for rules 2 from block 1 on if nothing else is said. */
export async function offerOf(
  replica: number,
  init: OfferInit = {},
): Promise<heddle.SignedRulesOffer> {
  const { validators } = await testMembers()
  const { rules = 2, block = 1n, as = replica } = init
  return signOffer(validators[replica]!, init.channelId ?? channelId, {
    rules,
    block,
    replica: as,
  })
}

/** Offers of the first `n` validators. */
export function offersOf(n: number, init: OfferInit = {}): Promise<heddle.SignedRulesOffer[]> {
  return Promise.all(Array.from({ length: n }, (_, replica) => offerOf(replica, init)))
}

/** Verifies offers of a channel `c` without validators, of which there can be none. */
export const noOffers = new OfferVerifier({
  channelId: 'c',
  consenters: [],
  rules: {
    msps: new MspManager([]),
    policy: () => undefined,
    evaluate: () => undefined,
  },
})
