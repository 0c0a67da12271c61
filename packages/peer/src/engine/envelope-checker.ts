import { isCodedError } from '@heddle/interface'
import { PeerError } from '../errors.ts'
import type { Clock } from '@heddle/interface'
import type { ChannelRules, Identity } from '@heddle/msp'
import type { RequestChecker } from './engine.ts'
import type { TransactionFacts, TransactionReader } from './transaction.ts'

/** The policy that a transaction's creator must satisfy. */
const writersPolicy = '/Channel/Writers'

/** Creators remembered as allowed to write; beyond, all are judged anew. */
const maxWriters = 1000

/** What an {@link EnvelopeChecker} works with. */
export interface EnvelopeCheckerDeps {
  readonly channelId: string
  readonly rules: ChannelRules
  readonly reader: TransactionReader
  readonly clock: Clock
}

/** Bounds of an {@link EnvelopeChecker}. */
export interface EnvelopeCheckerOptions {
  readonly maxEnvelopeBytes: number
  /** Largest difference between a transaction's time and ours, either way. */
  readonly timeWindowMs: number
}

/**
 * Decides whether a transaction may be ordered: size, form, channel, time, transaction id, creator,
 * signature. The signature is checked on the thread pool, so that the event loop stays free.
 */
export class EnvelopeChecker implements RequestChecker {
  readonly #deps: EnvelopeCheckerDeps
  readonly #options: EnvelopeCheckerOptions
  /** Creators that may write, by their bytes. */
  readonly #writers = new Map<string, Identity>()

  constructor(deps: EnvelopeCheckerDeps, options: EnvelopeCheckerOptions) {
    this.#deps = deps
    this.#options = options
  }

  /**
   * @returns the transaction id
   * @throws {PeerError} PEER_INVALID_ENVELOPE, PEER_FORBIDDEN
   */
  async check(request: Uint8Array): Promise<string> {
    const { maxEnvelopeBytes } = this.#options
    if (request.length > maxEnvelopeBytes) {
      throw new PeerError(
        'PEER_INVALID_ENVELOPE',
        `${request.length} bytes are more than ${maxEnvelopeBytes}`,
      )
    }
    const facts = this.#deps.reader.read(request)
    this.#checkHeader(facts)
    const creator = this.#creatorOf(facts)
    if (await creator.verifyAsync(facts.payload, facts.signature)) return facts.txId
    throw new PeerError('PEER_FORBIDDEN', `the signature is not by the creator (${creator.mspId})`)
  }

  #checkHeader({ channelId, signedAt }: TransactionFacts): void {
    if (channelId !== this.#deps.channelId) {
      throw new PeerError('PEER_INVALID_ENVELOPE', `no channel ${channelId.slice(0, 64)} here`)
    }
    const off = Math.abs(this.#deps.clock.wallTime() - signedAt.getTime())
    // Written so that a time that is no number is refused too.
    if (off <= this.#options.timeWindowMs) return
    throw new PeerError('PEER_INVALID_ENVELOPE', 'its timestamp is too far from now', {
      cure: 'set the clock of the client, and sign the transaction again',
    })
  }

  /** Who signed, if it may write. The answer for a creator does not change until it expires. */
  #creatorOf({ creator }: TransactionFacts): Identity {
    const key = Buffer.from(creator.buffer, creator.byteOffset, creator.length).toString('latin1')
    const known = this.#writers.get(key)
    if (known !== undefined && known.expiresAt.getTime() > this.#deps.clock.wallTime()) return known
    const identity = this.#judge(creator)
    if (this.#writers.size >= maxWriters) this.#writers.clear()
    this.#writers.set(key, identity)
    return identity
  }

  #judge(creator: Uint8Array): Identity {
    const { rules, clock } = this.#deps
    try {
      const identity = rules.msps.deserialize(creator)
      rules.msps.validate(identity, { at: new Date(clock.wallTime()) })
      const policy = rules.policy(writersPolicy)
      const refusal = policy === undefined ? 'no writers policy' : policy.refusal([identity])
      if (refusal === undefined) return identity
      throw new PeerError('PEER_FORBIDDEN', `the creator may not write: ${refusal}`)
    } catch (error) {
      if (error instanceof PeerError || !isCodedError(error)) throw error
      throw new PeerError('PEER_FORBIDDEN', `the creator is not accepted: ${error.message}`, {
        cause: error,
      })
    }
  }
}
