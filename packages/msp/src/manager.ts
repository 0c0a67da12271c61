import { MspError } from './errors.ts'
import { readSerialized } from './identity.ts'
import type { Identity } from './identity.ts'
import type { Msp } from './msp.ts'
import type { common } from '@heddle/proto'

/** What knows identities: an {@link Msp} or an {@link MspManager}. */
export type IdentityDeserializer = Pick<Msp, 'deserialize' | 'satisfies'>

/** The MSPs of a channel, or of a node, by their ids. */
export class MspManager {
  readonly #msps: ReadonlyMap<string, Msp>

  /** @throws MspError `MSP_INVALID_CONFIG` when two MSPs have one id */
  constructor(msps: Iterable<Msp>) {
    const byId = new Map<string, Msp>()
    for (const msp of msps) {
      if (byId.has(msp.mspId)) {
        throw new MspError('MSP_INVALID_CONFIG', `two MSPs with the id ${msp.mspId}`)
      }
      byId.set(msp.mspId, msp)
    }
    this.#msps = byId
  }

  get mspIds(): readonly string[] {
    return [...this.#msps.keys()]
  }

  /** The MSP of that id, if there is one. */
  msp(mspId: string): Msp | undefined {
    return this.#msps.get(mspId)
  }

  /** As `Msp.deserialize`, by the MSP that the identity names; `MSP_UNKNOWN_MSP` when it is not here. */
  deserialize(serialized: Uint8Array): Identity {
    return this.#named(readSerialized(serialized).mspId).deserialize(serialized)
  }

  /** As `Msp.validate`. */
  validate(identity: Identity, options?: { readonly at?: Date }): void {
    this.#named(identity.mspId).validate(identity, options)
  }

  /** As `Msp.satisfies`; an identity of an unknown MSP satisfies nothing. */
  satisfies(identity: Identity, principal: common.MSPPrincipal): boolean {
    return this.#msps.get(identity.mspId)?.satisfies(identity, principal) ?? false
  }

  #named(mspId: string): Msp {
    const msp = this.#msps.get(mspId)
    if (msp !== undefined) return msp
    throw new MspError('MSP_UNKNOWN_MSP', `no MSP with the id ${JSON.stringify(mspId)} here`)
  }
}
