import { MspError } from './errors.ts'
import { readSerialized } from './identity.ts'
import type { Identity } from './identity.ts'
import type { Msp } from './msp.ts'
import { shown } from './shown.ts'
import type { common } from '@heddle/proto'

/** What knows identities: an {@link Msp} or an {@link MspManager}. */
export type IdentityDeserializer = Pick<Msp, 'deserialize' | 'satisfies'>

/** The MSPs of a channel, or of a node, by their ids. */
export class MspManager {
  readonly #msps: ReadonlyMap<string, Msp>
  /**
   * Organisations that Fabric takes and this package does not (Idemix, other hashes), and why. Their
   * identities are refused with that error and satisfy nothing; the others are not touched by it.
   */
  readonly unsupported: ReadonlyMap<string, MspError>

  /**
   * @param unsupported - by MSP id
   * @throws MspError `MSP_INVALID_CONFIG` when two MSPs have one id
   */
  constructor(msps: Iterable<Msp>, unsupported: ReadonlyMap<string, MspError> = new Map()) {
    const byId = new Map<string, Msp>()
    for (const msp of msps) {
      if (byId.has(msp.mspId)) {
        throw new MspError('MSP_INVALID_CONFIG', `two MSPs with the id ${shown(msp.mspId)}`)
      }
      byId.set(msp.mspId, msp)
    }
    this.#msps = byId
    this.unsupported = unsupported
  }

  get mspIds(): readonly string[] {
    return [...this.#msps.keys()]
  }

  /** The MSP of that id, if there is one. */
  msp(mspId: string): Msp | undefined {
    return this.#msps.get(mspId)
  }

  /**
   * As `Msp.deserialize`, by the MSP that the identity names; `MSP_UNKNOWN_MSP` when it is not here,
   * `MSP_UNSUPPORTED_MSP` when it is one of {@link unsupported}.
   */
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
    const known = this.unsupported.get(mspId)
    if (known !== undefined) throw known
    throw new MspError('MSP_UNKNOWN_MSP', `no MSP with the id ${shown(mspId)} here`)
  }
}
