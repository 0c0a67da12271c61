import { common, decode, msp } from '@heddle/proto'
import type { StateStore } from '@heddle/ledger'

/** Namespace of the state: MSP id → how many envelopes were ordered, in decimal digits. */
const namespace = 'used'

/** How much of its quota each organisation has used: the state that the blocks lead to. */
export class Quota {
  readonly #state: StateStore
  readonly #limit: number

  /** @param limit - how many envelopes each organisation may have ordered */
  constructor(state: StateStore, limit: number) {
    this.#state = state
    this.#limit = limit
  }

  used(mspId: string): number {
    return Number(Buffer.from(this.#state.get(namespace, mspId) ?? '0').toString())
  }

  /** A judge for the envelopes of one block, asked in their order. */
  forBlock(): (envelope: Uint8Array) => { readonly mspId: string; readonly isWithin: boolean } {
    const taken = new Map<string, number>()
    return (envelope) => {
      const mspId = mspIdOf(envelope)
      const count = (taken.get(mspId) ?? this.used(mspId)) + 1
      const isWithin = count <= this.#limit
      if (isWithin) taken.set(mspId, count)
      return { mspId, isWithin }
    }
  }

  /** Applies a stored block; block 0 holds the configuration, which costs nothing. */
  async apply(number: bigint, envelopes: readonly Uint8Array[]): Promise<void> {
    const counts = new Map<string, number>()
    for (const mspId of number === 0n ? [] : envelopes.map(mspIdOf))
      counts.set(mspId, (counts.get(mspId) ?? this.used(mspId)) + 1)
    const writes = [...counts].map(([key, count]) => {
      return { namespace, key, value: Buffer.from(count.toString()) }
    })
    await this.#state.apply(number + 1n, number, writes)
  }
}

/** Whose member signed; the server has checked form and signature. */
function mspIdOf(envelope: Uint8Array): string {
  const { payload } = decode(common.EnvelopeSchema, envelope)
  const { header } = decode(common.PayloadSchema, payload)
  const signature = header?.signatureHeader ?? new Uint8Array()
  const { creator } = decode(common.SignatureHeaderSchema, signature)
  return decode(msp.SerializedIdentitySchema, creator).mspid
}
