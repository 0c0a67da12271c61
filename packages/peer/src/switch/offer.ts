import { create, decode, encode, heddle } from '@heddle/proto'
import type { Identity } from '@heddle/msp'
import type { Consenter } from '@heddle/channel'
import type { ValidatorChannel } from '../node/channel-config.ts'

/** What is signed begins with this, and nothing else that a validator signs does. */
const domain = Buffer.from('heddle.RulesOffer\0')

/** In how many blocks an offer is good, the one that it names included. */
export const offerBlocks = 1000n

/** Longest encoding of a `heddle.SignedRulesOffer`: with a channel's name of 249 bytes. */
export const maxOfferBytes = 512

/** A validator's word that its software knows rules, and that it wants them in force. */
export interface RulesOffer {
  readonly rules: number
  readonly replica: number
  /** Good in this block and the {@link offerBlocks} - 1 that follow. */
  readonly block: bigint
}

/** Signs with the key of a validator. */
export interface OfferSigner {
  sign(bytes: Uint8Array): Uint8Array
}

function encodeOffer(channelId: string, { rules, replica, block }: RulesOffer): Uint8Array {
  const message = create(heddle.RulesOfferSchema, { channelId, rules, replica, block })
  return encode(heddle.RulesOfferSchema, message)
}

/** Makes the offer that others can relay. */
export function signOffer(
  signer: OfferSigner,
  channelId: string,
  terms: RulesOffer,
): heddle.SignedRulesOffer {
  const offer = encodeOffer(channelId, terms)
  const signature = signer.sign(Buffer.concat([domain, offer]))
  return create(heddle.SignedRulesOfferSchema, { offer, signature })
}

/**
 * Reads offers and checks who made them, with the keys that the genesis block gives the validators.
 * No clock enters: what a validator of the genesis block has signed stays signed by it.
 */
export class OfferVerifier {
  /** How many validators there are. */
  readonly validators: number
  readonly #channelId: string
  readonly #identities: readonly (Identity | undefined)[]

  constructor({ channelId, consenters, rules }: ValidatorChannel) {
    const identityOf = ({ identity }: Consenter): Identity | undefined => {
      try {
        return rules.msps.deserialize(identity)
      } catch {
        // Named by the genesis block, so it is unusable for all alike: it offers nothing.
        return undefined
      }
    }
    this.#channelId = channelId
    this.#identities = consenters.map(identityOf)
    this.validators = consenters.length
  }

  /** What an offer says; undefined unless it is for this channel, and encoded in the usual form. */
  read({ offer }: heddle.SignedRulesOffer): RulesOffer | undefined {
    try {
      const terms = decode(heddle.RulesOfferSchema, offer)
      const usual = encodeOffer(this.#channelId, terms)
      return Buffer.compare(usual, offer) === 0 ? terms : undefined
    } catch {
      return undefined
    }
  }

  /** Whether `replica` signed it: ECDSA in the one DER form with low S, over exactly these bytes. */
  isBy(replica: number, { offer, signature }: heddle.SignedRulesOffer): boolean {
    const identity = this.#identities[replica]
    return identity?.verify(Buffer.concat([domain, offer]), signature) ?? false
  }
}
