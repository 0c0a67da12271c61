import type { Clock } from '@heddle/interface'
import { OrdererError } from './errors.ts'
import type { Chain, Grant, SignedData } from './ports.ts'

/**
 * A reader's right to blocks. The policy is evaluated again when the channel's configuration has
 * changed; the identity's expiry is looked at before every block.
 *
 * @see fabric v3.1.5 common/deliver/acl.go
 */
export class ReaderAccess {
  readonly #chain: Chain
  readonly #signed: SignedData
  readonly #clock: Clock
  #sequence: bigint
  #grant: Grant

  private constructor(chain: Chain, signed: SignedData, clock: Clock, grant: Grant) {
    this.#chain = chain
    this.#signed = signed
    this.#clock = clock
    this.#sequence = chain.configSequence
    this.#grant = grant
  }

  /**
   * Evaluates the channel's policy for readers.
   *
   * @throws {CodedError} of the chain, or ORDERER_FORBIDDEN for an identity that has expired
   */
  static async open(chain: Chain, signed: SignedData, clock: Clock): Promise<ReaderAccess> {
    const access = new ReaderAccess(chain, signed, clock, await chain.authorize('read', signed))
    access.#checkExpiry()
    return access
  }

  /** As {@link ReaderAccess.open}, before each block. */
  async check(): Promise<void> {
    this.#checkExpiry()
    const sequence = this.#chain.configSequence
    if (sequence === this.#sequence) return
    this.#grant = await this.#chain.authorize('read', this.#signed)
    this.#sequence = sequence
    this.#checkExpiry()
  }

  #checkExpiry(): void {
    checkExpiry(this.#grant, this.#clock)
  }
}

/**
 * Refuses an identity whose certificate has ended: policies do not look at the time.
 *
 * @throws {OrdererError} ORDERER_FORBIDDEN
 */
export function checkExpiry({ expiresAt }: Grant, clock: Clock): void {
  if (expiresAt === undefined || expiresAt.getTime() > clock.wallTime()) return
  throw new OrdererError('ORDERER_FORBIDDEN', `identity expired at ${expiresAt.toISOString()}`)
}
