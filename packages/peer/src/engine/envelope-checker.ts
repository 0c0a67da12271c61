import type { ChannelRules, Consenter } from '@heddle/channel'
import { isCodedError } from '@heddle/interface'
import { pkiIdOf } from '@heddle/msp'
import { common, create, encode } from '@heddle/proto'
import { PeerError } from '../errors.ts'
import { rulesContract } from '../switch/switch.ts'
import type { Clock } from '@heddle/interface'
import type { Identity } from '@heddle/msp'
import type { CheckPurpose } from '@heddle/pbft'
import type { RequestChecker } from './engine.ts'
import type { TransactionFacts, TransactionReader } from './transaction.ts'

/** The policy that a transaction's creator must satisfy. */
const writersPolicy = '/Channel/Writers'

/** Creators remembered as allowed to write; beyond, all are judged anew. */
export const maxWriters = 1000

/** What an {@link EnvelopeChecker} works with. */
export interface EnvelopeCheckerDeps {
  readonly channelId: string
  readonly rules: ChannelRules
  /** The validators: they alone hand in switches of rules. */
  readonly consenters: readonly Pick<Consenter, 'identity'>[]
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
 * Decides whether a transaction may be ordered: size, form, channel, transaction id, creator,
 * signature; at intake from a client also its time, against this validator's clock, and that it
 * calls no contract of validators. What another
 * validator proposes is judged without a clock, so that all correct ones judge alike: the creator's
 * certificate must have been valid at the time that the transaction names.
 *
 * The signature is checked on the thread pool, so that the event loop stays free.
 */
export class EnvelopeChecker implements RequestChecker {
  readonly #deps: EnvelopeCheckerDeps
  readonly #options: EnvelopeCheckerOptions
  /** Creators that may write, by their bytes. */
  readonly #writers = new Map<string, Identity>()
  /** Whose transaction was checked last; often the next is by the same. */
  #last: { readonly creator: Uint8Array; readonly identity: Identity } | undefined

  constructor(deps: EnvelopeCheckerDeps, options: EnvelopeCheckerOptions) {
    this.#deps = deps
    this.#options = options
  }

  /**
   * @returns the transaction id
   * @throws {PeerError} PEER_INVALID_ENVELOPE, PEER_FORBIDDEN
   */
  async check(request: Uint8Array, purpose: CheckPurpose): Promise<string> {
    const { maxEnvelopeBytes } = this.#options
    if (request.length > maxEnvelopeBytes) {
      throw new PeerError(
        'PEER_INVALID_ENVELOPE',
        `the envelope has ${request.length} bytes; at most ${maxEnvelopeBytes} are allowed`,
      )
    }
    const facts = this.#deps.reader.read(request)
    checkForm(request, facts)
    this.#checkChannel(facts)
    const creator = this.#creatorOf(facts)
    checkValidity(creator, facts.signedAt)
    if (purpose === 'intake') {
      this.#checkNow(creator, facts)
      this.#checkContract(creator, facts)
    }
    if (await creator.verifyAsync(facts.payload, facts.signature)) return facts.txId
    throw new PeerError('PEER_FORBIDDEN', `the signature is not by the creator (${creator.mspId})`)
  }

  /**
   * The certificate of its creator, however it was encoded; '' of what is malformed, and of creators of
   * whom nothing was checked lately: whoever has many costs nothing here.
   */
  clientOf(request: Uint8Array): string {
    try {
      return this.#known(this.#deps.reader.read(request).creator)?.id ?? ''
    } catch (error) {
      if (error instanceof PeerError) return ''
      throw error
    }
  }

  #checkChannel({ channelId }: TransactionFacts): void {
    if (channelId === this.#deps.channelId) return
    throw new PeerError('PEER_INVALID_ENVELOPE', `no channel ${channelId.slice(0, 64)} here`)
  }

  #checkNow(creator: Identity, { signedAt }: TransactionFacts): void {
    const now = this.#deps.clock.wallTime()
    const { timeWindowMs } = this.#options
    const earlierMs = now - signedAt.getTime()
    if (Math.abs(earlierMs) > timeWindowMs)
      throw new PeerError(
        'PEER_INVALID_ENVELOPE',
        `its timestamp is too far from this validator's clock: ${Math.round(Math.abs(earlierMs) / 1000)} s ` +
          `${earlierMs > 0 ? 'before' : 'after'} it, more than ${timeWindowMs / 1000} s`,
        { cure: 'set the clock of the client, and sign the transaction again' },
      )
    checkValidity(creator, new Date(now))
  }

  /**
   * A proposal is not judged by it: validators from before there were switches let them pass, and
   * what they order must be good here. Its execution says what a switch is worth.
   */
  #checkContract({ pkiId, mspId }: Identity, { contract }: TransactionFacts): void {
    if (contract !== rulesContract) return
    const isValidator = this.#deps.consenters.some(
      ({ identity }) => Buffer.compare(pkiIdOf(identity) ?? Buffer.alloc(0), pkiId) === 0,
    )
    if (isValidator) return
    throw new PeerError('PEER_FORBIDDEN', `only validators switch rules, not a client (${mspId})`, {
      cure: 'set ledger.rules in the configuration of every validator',
    })
  }

  /** Who signed, if it may write. The answer for a creator does not change. */
  #creatorOf({ creator }: TransactionFacts): Identity {
    const known = this.#known(creator)
    if (known !== undefined) return known
    const identity = this.#judge(creator)
    if (this.#writers.size >= maxWriters) this.#writers.clear()
    this.#writers.set(keyOf(creator), identity)
    this.#last = { creator: Uint8Array.from(creator), identity }
    return identity
  }

  #known(creator: Uint8Array): Identity | undefined {
    if (this.#last !== undefined && Buffer.compare(this.#last.creator, creator) === 0)
      return this.#last.identity
    const identity = this.#writers.get(keyOf(creator))
    if (identity !== undefined) this.#last = { creator: Uint8Array.from(creator), identity }
    return identity
  }

  #judge(creator: Uint8Array): Identity {
    const { rules } = this.#deps
    try {
      const identity = rules.msps.deserialize(creator)
      rules.msps.validate(identity)
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

const keyOf = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString('latin1')

/**
 * An envelope has one form, as every client writes it: otherwise whoever passes it on could have it
 * executed in other bytes, and its client told that another transaction took its id.
 *
 * @throws {PeerError} PEER_INVALID_ENVELOPE for fields repeated, unknown or in another order
 */
function checkForm(request: Uint8Array, { payload, signature }: TransactionFacts): void {
  const usual = encode(common.EnvelopeSchema, create(common.EnvelopeSchema, { payload, signature }))
  if (Buffer.compare(usual, request) === 0) return
  throw new PeerError('PEER_INVALID_ENVELOPE', 'the envelope is not encoded in the usual form')
}

/** @throws {PeerError} PEER_FORBIDDEN unless the certificate was valid then; a time that is none is refused too */
function checkValidity({ notBefore, expiresAt, mspId }: Identity, at: Date): void {
  if (at >= notBefore && at <= expiresAt) return
  throw new PeerError(
    'PEER_FORBIDDEN',
    `the certificate of the creator (${mspId}) is valid from ${notBefore.toISOString()} to ${expiresAt.toISOString()} only`,
  )
}
