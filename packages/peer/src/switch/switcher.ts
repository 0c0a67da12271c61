import { create, decode, encode, heddle } from '@heddle/proto'
import { PeerError } from '../errors.ts'
import { OfferBook } from './offer-book.ts'
import { maxOfferBytes, signOffer } from './offer.ts'
import { SwitchTurns } from './switch-turns.ts'
import { encodeSwitch } from './switch.ts'
import { Repeating } from '../node/repeating.ts'
import type { AbortOptions, Clock, Logger, Metrics } from '@heddle/interface'
import type { OfferMoment } from './offer-book.ts'
import type { OfferSigner, OfferVerifier } from './offer.ts'
import type { SwitchPlace } from './switch.ts'

/** How often a validator repeats its offer, and looks whether a switch is due. */
export const offerIntervalMs = 1000

/** What a {@link RulesSwitcher} works with. */
export interface RulesSwitcherDeps {
  readonly signer: OfferSigner
  readonly verifier: OfferVerifier
  /** Sends to all other validators; may lose it. */
  readonly broadcast: (offer: Uint8Array) => void
  /** The rules in force, and the number of the next block. */
  readonly place: () => SwitchPlace
  readonly consensus: () => { readonly primary: number; readonly activeView: boolean }
  /** Has a transaction with this input of the contract `rules` ordered. */
  readonly submit: (input: Uint8Array, options: AbortOptions) => Promise<unknown>
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** Who a {@link RulesSwitcher} is, and what it offers. */
export interface RulesSwitcherOptions {
  readonly channelId: string
  readonly replica: number
  /** Number of the rules that it offers. */
  readonly offered: number
}

/**
 * Brings the rules in force that all validators offer. While those that it offers are not in force it
 * says so to the others every second; when all offer the same, the validator whose turn it is has a
 * switch ordered.
 */
export class RulesSwitcher extends Repeating {
  readonly #deps: RulesSwitcherDeps
  readonly #options: RulesSwitcherOptions
  readonly #book: OfferBook
  readonly #turns: SwitchTurns
  readonly #gauges
  readonly #stop = new AbortController()
  /** When the last offer of each validator was looked at. */
  readonly #checkedAt = new Map<number, number>()
  #isSubmitting = false
  #told: string | undefined

  constructor(deps: RulesSwitcherDeps, options: RulesSwitcherOptions) {
    super(deps.clock, offerIntervalMs)
    const { validators } = deps.verifier
    this.#deps = deps
    this.#options = options
    this.#book = new OfferBook(validators)
    this.#turns = new SwitchTurns(options.replica, validators)
    const gauge = (name: string, help: string) => deps.metrics.gauge({ name, help })
    this.#gauges = {
      inForce: gauge('heddle_rules_in_force', 'Number of the rules by which blocks are executed.'),
      offered: gauge('heddle_rules_offered', 'Number of the rules that this validator offers.'),
      missing: gauge('heddle_rules_offers_missing', 'Validators not known to offer them too.'),
    }
  }

  override stop(): Promise<void> {
    this.#stop.abort(new PeerError('PEER_STOPPED', 'the validator stops'))
    return super.stop()
  }

  /** By which rules this validator executes, and on whom it waits. */
  status(): heddle.RulesStatus {
    const { rules: inForce, since } = this.#deps.place()
    const { offered } = this.#options
    const missing = inForce === offered ? [] : this.#book.missing(offered, this.#moment())
    return create(heddle.RulesStatusSchema, { inForce, since, offered, missing })
  }

  /**
   * Takes an offer of the validator `from`, whose identity the connection has proved.
   *
   * @throws {PeerError} PEER_FORBIDDEN for what is none of its own, or comes too often
   */
  receive(from: number, bytes: Uint8Array): void {
    const now = this.#deps.clock.now()
    const before = this.#checkedAt.get(from)
    if (before !== undefined && now - before < offerIntervalMs / 2) refuse('offers too often')
    this.#checkedAt.set(from, now)
    if (bytes.length > maxOfferBytes) refuse(`an offer of ${bytes.length} bytes`)
    // Copied: it is kept, and must not hold on to the message that it came in.
    const signed = decode(heddle.SignedRulesOfferSchema, Uint8Array.from(bytes))
    const { verifier } = this.#deps
    const terms = verifier.read(signed)
    if (terms?.replica !== from) return refuse('no offer of its own')
    if (!verifier.isBy(from, signed)) return refuse('an offer that it did not sign')
    const { rules, replica, block } = terms
    this.#book.put({ rules, replica, block, signed, heardAt: now })
  }

  #moment(): OfferMoment {
    const { block, since } = this.#deps.place()
    return { block, since, now: this.#deps.clock.now() }
  }

  protected override repeat(): void {
    try {
      this.#look()
    } catch (error) {
      // A damaged state: the next execution ends with the same reason, and the validator with it.
      const { offered } = this.#options
      this.#deps.logger.warn('the rules in force cannot be read', { offered }, error)
    }
  }

  #look(): void {
    if (this.#deps.place().rules !== this.#options.offered) this.#offer()
    const status = this.status()
    const { inForce, offered, missing } = status
    this.#gauges.inForce.set(inForce)
    this.#gauges.offered.set(offered)
    this.#gauges.missing.set(missing.length)
    this.#tell(status)
    const isDue = inForce !== offered && missing.length === 0
    if (this.#turns.next(isDue, this.#deps.consensus().primary)) this.#switch()
  }

  /** Makes an offer of now, and sends it. */
  #offer(): void {
    const { signer, broadcast } = this.#deps
    const { channelId, replica, offered: rules } = this.#options
    const { block, now } = this.#moment()
    const signed = signOffer(signer, channelId, { rules, replica, block })
    this.#book.put({ rules, replica, block, signed, heardAt: now })
    broadcast(encode(heddle.SignedRulesOfferSchema, signed))
  }

  /** One line each time that somebody joins or leaves. */
  #tell({ inForce, offered, missing }: heddle.RulesStatus): void {
    const now = inForce === offered ? undefined : missing.join()
    if (now !== undefined && now !== this.#told)
      this.#deps.logger.info('offers other rules than those in force', {
        offered,
        inForce,
        waitsFor: missing.map((replica) => `validator${replica}`).join(', ') || 'nobody',
      })
    this.#told = now
  }

  #switch(): void {
    const { logger, consensus } = this.#deps
    const { offered } = this.#options
    const offers = this.#book.complete(offered, this.#moment())
    if (offers === undefined || this.#isSubmitting || !consensus().activeView) return
    logger.info('has the switch of rules ordered', { rules: offered })
    this.#isSubmitting = true
    this.#deps
      .submit(encodeSwitch(offers), { signal: this.#stop.signal })
      .catch((error: unknown) =>
        logger.warn('switch of rules not ordered', { rules: offered }, error),
      )
      .finally(() => {
        this.#isSubmitting = false
      })
  }
}

function refuse(what: string): never {
  throw new PeerError('PEER_FORBIDDEN', `rules: ${what}`)
}
