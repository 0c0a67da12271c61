// What a validator says that keeps just below every bound on what it may say.
import { randomBytes } from 'node:crypto'
import type { SigningIdentity } from '@heddle/msp'
import { create, encode, heddle, pbft } from '@heddle/proto'

type Payload = pbft.Message['payload']

/** So many frames make a second. */
export const framesPerSecond = 10

/**
 * Messages of each kind to each validator in a second. By what a validator counts for each, together
 * 87 of the 100 ms of CPU that they may cost; 14,200 of 20,000 messages, 45 of 50 signatures, 15 of
 * 20 refusals.
 */
const perSecond = {
  votes: 14_000,
  /** From the low watermark on: as many as are answered. */
  statuses: 8,
  largeViewChanges: 2,
  viewChanges: 20,
  checkpoints: 20,
  forwardsOfNoUse: 10,
} as const

/** Beside the consensus: 900 of 1,000, of which 85 of 100 are signatures to be verified in vain. */
const blockSignatures = { shares: 820, answers: 50, requests: 15 } as const

/** K and L, as `network up` sets them; and `maxPrePreparedPerSequence`. */
const checkpointPeriod = 10
const window = 40
const claimsEach = 61

/** Where the others are. */
export interface Standing {
  readonly view: bigint
  readonly low: bigint
  readonly height: bigint
}

/** A batch that the others have in their logs. */
export interface Known {
  readonly sequence: bigint
  readonly digest: Uint8Array
}

/** Says the same to all. */
export class Words {
  readonly #replica: number
  readonly #signer: SigningIdentity
  readonly #channelId: string
  #leftFor = 0n
  /** Those of before serve again while they fit: making them takes longer than refusing them. */
  #votes: { readonly about: Standing; readonly frames: readonly Uint8Array[] } | undefined

  constructor(replica: number, signer: SigningIdentity, channelId: string) {
    this.#replica = replica
    this.#signer = signer
    this.#channelId = channelId
  }

  /** Messages of the consensus in a second. */
  get perSecond(): number {
    return Object.values<number>(perSecond).reduce((sum, count) => sum + count)
  }

  /** The frames of the next second; `known` are fetched with the first. */
  frames(standing: Standing, known: readonly Known[]): Uint8Array[] {
    const frames: Payload[][] = Array.from({ length: framesPerSecond }, () => [])
    frames[0]!.push(...known.map((value) => fetching(value)))
    this.#say(frames, perSecond.statuses, () => statusFrom(standing))
    this.#say(frames, perSecond.largeViewChanges, () => this.#viewChange(standing, claimsEach))
    this.#say(frames, perSecond.viewChanges, () => this.#viewChange(standing, 0))
    this.#say(frames, perSecond.checkpoints, (i) => this.#checkpoint(standing, i))
    this.#say(frames, perSecond.forwardsOfNoUse, () => ({
      ...{ case: 'forward', value: randomBytes(200) },
    }))
    // Frames after one another are one.
    const votes = this.#votesAbout(standing)
    return frames.map((payloads, at) => Buffer.concat([frameOf(payloads), votes[at]!]))
  }

  /** Messages about signatures of blocks, for a tenth of a second. */
  blockSignatures({ height }: Standing): Uint8Array[] {
    const { BlockSignatures_Purpose: Purpose } = heddle
    const all: Uint8Array[] = []
    const say = (perSecond: number, each: (i: number) => [bigint, number, number[]]): void => {
      for (let i = 0; i < perSecond / framesPerSecond; i++) {
        const [number, purpose, ids] = each(i)
        const signatures = ids.map(signatureOf)
        const value = { channelId: this.#channelId, number, purpose, signatures }
        all.push(encode(heddle.BlockSignaturesSchema, create(heddle.BlockSignaturesSchema, value)))
      }
    }
    const own = [this.#replica + 1]
    const somewhere = (below: number): bigint => BigInt(Math.floor(Math.random() * below))
    say(blockSignatures.shares, () => [height + somewhere(256), Purpose.SHARE, own])
    say(blockSignatures.answers, (i) => [height + BigInt(i), Purpose.ANSWER, [1, 2, 3, 4]])
    say(blockSignatures.requests, () => [somewhere(Number(height)), Purpose.REQUEST, own])
    return all
  }

  #votesAbout(about: Standing): readonly Uint8Array[] {
    if (this.#votes?.about.view !== about.view || this.#votes.about.low !== about.low) {
      const frames: Payload[][] = Array.from({ length: framesPerSecond }, () => [])
      this.#say(frames, perSecond.votes, (i) => vote(about, i))
      this.#votes = { about, frames: frames.map(frameOf) }
    }
    return this.#votes.frames
  }

  #say(frames: Payload[][], count: number, make: (i: number) => Payload): void {
    for (let i = 0; i < count; i++) frames[i % frames.length]!.push(make(i))
  }

  #viewChange({ view }: Standing, claims: number): Payload {
    this.#leftFor = this.#leftFor > view ? this.#leftFor + 1n : view + 1n
    const claim = (i: number): pbft.Claim =>
      create(pbft.ClaimSchema, { sequence: BigInt(1 + (i % window)), digest: randomBytes(32) })
    const value = {
      ...{ view: this.#leftFor, replica: this.#replica },
      prepared: claims === 0 ? [] : Array.from({ length: window }, (_, i) => claim(i)),
      prePrepared: Array.from({ length: claims * window }, (_, i) => claim(i)),
    }
    const body = encode(pbft.ViewChangeSchema, create(pbft.ViewChangeSchema, value))
    return { case: 'viewChange', value: this.#signed(body) }
  }

  #checkpoint({ low }: Standing, i: number): Payload {
    const sequence = low + BigInt(checkpointPeriod * (1 + (i % 8)))
    const value = { sequence, digest: randomBytes(32), replica: this.#replica }
    const body = encode(pbft.CheckpointSchema, create(pbft.CheckpointSchema, value))
    return { case: 'checkpoint', value: this.#signed(body) }
  }

  #signed(body: Uint8Array): pbft.Signed {
    return create(pbft.SignedSchema, { body, signature: this.#signer.sign(body) })
  }
}

/** A frame of messages of the consensus. */
export function frameOf(payloads: readonly Payload[]): Uint8Array {
  const messages = payloads.map((payload) => create(pbft.MessageSchema, { payload }))
  return encode(pbft.FrameSchema, create(pbft.FrameSchema, { messages }))
}

const fetching = (known: Known): Payload => ({
  ...{ case: 'fetchBatch', value: create(pbft.FetchBatchSchema, { ...known }) },
})

/** It has nothing above the low watermark. */
const statusFrom = ({ view, low }: Standing): Payload => ({
  case: 'status',
  value: create(pbft.StatusSchema, {
    ...{ view, active: true, lastExecuted: low, lowWatermark: low },
    digests: Array.from({ length: 64 }, () => randomBytes(32)),
  }),
})

const vote = ({ view, low }: Standing, i: number): Payload => ({
  case: i % 2 === 0 ? 'prepare' : 'commit',
  value: create(pbft.VoteSchema, {
    ...{ view, sequence: low + BigInt(1 + (Math.floor(i / 2) % window)), digest: randomBytes(32) },
  }),
})

const signatureOf = (identifier: number): heddle.BlockSignature =>
  create(heddle.BlockSignatureSchema, {
    identifierHeader: Buffer.concat([Buffer.from([8, identifier, 18, 24]), randomBytes(24)]),
    signature: randomBytes(70),
  })
