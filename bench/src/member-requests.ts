// Requests of a client that fill the share of one member in the pools of the others.
import { signedEnvelope } from '@heddle/deliver'
import { systemClock as clock } from '@heddle/events'
import { loadSigningIdentity, type SigningIdentity } from '@heddle/msp'
import { common, create, encode, heddle } from '@heddle/proto'
import { mebibyte } from './beside.ts'
import type { Attack } from './intruders.ts'

/** What each validator keeps for one other: `maxPoolRequests` and `maxPoolBytes`. */
const share = { requests: 20_000, bytes: 48 * mebibyte }
/** Envelopes of 1 MB; and of 1 KB, with certificate and signature. */
const recordBytes = { small: 100, large: 1_000_000 }
/** Most made for one validator at a time. */
const most = { small: 1_000, large: 4 }

/** What waits in the pool of a validator. */
export interface Pool {
  readonly requests: number
  readonly bytes: number
}

/** Makes requests, each once. */
export class Requests {
  readonly #client: Attack
  readonly #signer: SigningIdentity
  #made = 0
  #sizes = { small: 1, large: 1 }

  private constructor(client: Attack, signer: SigningIdentity) {
    this.#client = client
    this.#signer = signer
  }

  static async open(client: Attack): Promise<Requests> {
    const requests = new Requests(client, await loadSigningIdentity(client.msp, client.mspId))
    const [small, large] = [await requests.#make('small'), await requests.#make('large')]
    requests.#sizes = { small: small.length, large: large.length }
    return requests
  }

  /** What has room in the fullest of these pools, beside what is there: the large ones first. */
  async toFill(pools: readonly Pool[]): Promise<Uint8Array[]> {
    const small = Math.max(...pools.map((pool) => this.#missing(pool).small))
    const large = Math.max(...pools.map((pool) => this.#missing(pool).large))
    const all: Promise<Uint8Array>[] = []
    for (let i = 0; i < Math.min(large, most.large); i++) all.push(this.#make('large'))
    for (let i = 0; i < Math.min(small, most.small); i++) all.push(this.#make('small'))
    return Promise.all(all)
  }

  #missing({ requests, bytes }: Pool): { small: number; large: number } {
    const { small, large } = this.#sizes
    const hasLarge = Math.max(0, Math.round((bytes - requests * small) / (large - small)))
    const wantsLarge = Math.floor((share.bytes - share.requests * small) / large)
    return { small: share.requests - requests, large: wantsLarge - hasLarge }
  }

  async #make(size: 'small' | 'large'): Promise<Uint8Array> {
    const { channelId, msp } = this.#client
    const record = { id: `${msp} ${this.#made++}`, text: 'x'.repeat(recordBytes[size]) }
    const call = { contract: 'records', input: Buffer.from(JSON.stringify(record)) }
    const data = encode(heddle.TransactionSchema, create(heddle.TransactionSchema, call))
    const type = common.HeaderType.MESSAGE
    return (await signedEnvelope({ channelId, type, data, signer: this.#signer, clock })).bytes
  }
}
