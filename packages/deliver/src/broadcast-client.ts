import type {
  AbortOptions,
  Clock,
  ClockTimer,
  Lifecycle,
  LifecycleState,
  Logger,
  Metrics,
} from '@heddle/interface'
import { common, decode } from '@heddle/proto'
import { type BackOffOptions, defaultBackOff } from './back-off.ts'
import { BroadcastLane, type LaneContext } from './broadcast-lane.ts'
import { assertPositive, numbersOf, proxiesOf } from './deliver-options.ts'
import { EndpointSet } from './endpoint-set.ts'
import { tlsFor } from './endpoint-tls.ts'
import { DeliverError, type StatusError } from './errors.ts'
import { type BroadcastMetrics, broadcastMetrics } from './metrics.ts'
import { Outage } from './outage.ts'
import type { ClientTls, Endpoint } from './ports.ts'
import type { ProxyChoice } from './proxy.ts'
import { type Known, refuseUnknown } from './refuse-unknown.ts'
import { type BroadcastResult, Submission } from './submission.ts'

/** What a {@link BroadcastClient} works with. */
export interface BroadcastClientDeps {
  readonly clock: Clock
  readonly logger?: Logger
  readonly metrics?: Metrics
  /** 0 inclusive to 1 exclusive; for the order of endpoints and for jitter. Default Math.random. */
  readonly random?: () => number
  /** Which HTTP proxy leads to an endpoint. Default: {@link proxyFor}, by the environment. */
  readonly proxyFor?: ProxyChoice
}

/** Settings of a {@link BroadcastClient}. Numbers are above 0. */
export interface BroadcastClientOptions extends BackOffOptions {
  /** Who to send to: one at a time, the next one when it fails or is silent. At least one. */
  readonly endpoints: readonly Endpoint[]
  /** The certificate for mutual TLS. */
  readonly tls?: ClientTls
  /**
   * How many of the endpoints may lie or be frozen: f of a BFT channel. An envelope that stays
   * unanswered goes to f + 1 others, and a refusal is final when f + 1 have refused. Default 0.
   */
  readonly faults?: number
  /**
   * How long an envelope may be unanswered before it goes to `faults + 1` others as well: so long where
   * nothing at all is answered, and {@link slowFactor} times as long where answers come, but late, as
   * from a network that is busy. Default 2,000 ms; Infinity for never.
   */
  readonly spreadAfterMs?: number
  /** How many envelopes may be sent and not answered. Default 1,000. */
  readonly window?: number
  /** How many more may wait to be sent; above it `submit` rejects. Default 10,000. */
  readonly maxQueued?: number
  /** Default 3,000 ms. */
  readonly connectTimeoutMs?: number
  /**
   * How long an envelope may wait while no endpoint can be reached before it is rejected, up to one
   * `connectTimeoutMs` later. Default 10,000 ms.
   */
  readonly unreachableTimeoutMs?: number
  /** How long an endpoint may answer nothing before its stream is given up. Default 30,000 ms. */
  readonly answerTimeoutMs?: number
  /** Longest envelope and gRPC message, in bytes. Default 100 MiB, as Fabric. */
  readonly maxMessageBytes?: number
  /**
   * How often streams may break with one envelope as the oldest unanswered before it is taken for
   * the cause and rejected: a service may cut a stream for what it cannot read. Default 12.
   */
  readonly maxBreaks?: number
}

/** Sends envelopes and tells the outcome of each; see {@link createBroadcastClient}. */
export interface BroadcastClient extends Lifecycle {
  /**
   * Sends an encoded `common.Envelope`, again and to other endpoints if need be, always the same
   * bytes, until one takes it or enough have refused it.
   *
   * @returns when it was taken: status SUCCESS, from the endpoint that answered first
   * @throws {StatusError} DELIVER_STATUS when `faults + 1` endpoints, or all, have answered with a final
   *   status but SUCCESS: BAD_REQUEST, FORBIDDEN, NOT_FOUND, REQUEST_ENTITY_TOO_LARGE and so on; also
   *   when fewer have, and no other endpoint can be reached. SERVICE_UNAVAILABLE is not final
   * @throws {DeliverError} DELIVER_INVALID_ENVELOPE for bytes that are not an envelope, or too many,
   *   DELIVER_QUEUE_FULL; DELIVER_UNREACHABLE when no endpoint could be reached for
   *   `unreachableTimeoutMs`, DELIVER_STREAM_FAILED after `maxBreaks`, DELIVER_STOPPED, or
   *   `signal.reason` on abort: after these it is not known whether an envelope that was sent was
   *   taken
   */
  submit(envelope: Uint8Array, options?: AbortOptions): Promise<BroadcastResult>
  /**
   * Takes note that the service at `address` acknowledged what then was in no block: others are asked
   * first, for 10 s, doubled each time up to 10 min.
   */
  suspect(address: string): void
  /** How many envelopes have no answer yet. */
  readonly pending: number
}

/**
 * Makes a client of the Broadcast service that survives streams that break, endpoints that fail, lie or
 * are frozen, and services that are busy.
 *
 * @throws {DeliverError} DELIVER_INVALID_OPTIONS, DELIVER_NO_ENDPOINTS
 */
export function createBroadcastClient(
  deps: BroadcastClientDeps,
  options: BroadcastClientOptions,
): BroadcastClient {
  refuseUnknown(options, known)
  return new FailoverBroadcastClient(deps, options)
}

/** How much longer an endpoint is waited for that answers, if late, than one that does not. */
export const slowFactor = 5

/**
 * Most bytes of envelopes that several endpoints have at a time because one did not answer; one envelope
 * they always may. Where all are slow, everything twice and three times would make them slower still.
 */
export const maxSpreadBytes = 4 * 1024 * 1024

/** Into so many parts `spreadAfterMs` is divided to look what is unanswered. */
const looks = 8

const defaults = {
  ...defaultBackOff,
  spreadAfterMs: 2000,
  window: 1000,
  maxQueued: 10_000,
  connectTimeoutMs: 3000,
  unreachableTimeoutMs: 10_000,
  answerTimeoutMs: 30_000,
  maxMessageBytes: 100 * 1024 * 1024,
  maxBreaks: 12,
}

const known: Known<BroadcastClientOptions> = {
  ...{ endpoints: true, tls: true, faults: true, spreadAfterMs: true, window: true },
  ...{ maxQueued: true, connectTimeoutMs: true, unreachableTimeoutMs: true },
  ...{ answerTimeoutMs: true, maxMessageBytes: true, maxBreaks: true },
  ...{ minBackOffMs: true, maxBackOffMs: true },
}

class FailoverBroadcastClient implements BroadcastClient {
  readonly #deps: BroadcastClientDeps
  readonly #options: typeof defaults & { readonly faults: number }
  readonly #endpoints: EndpointSet
  readonly #lanes: ReadonlyMap<Endpoint, BroadcastLane>
  readonly #metrics: BroadcastMetrics | undefined
  readonly #outage: Outage
  readonly #stopping = new AbortController()
  /** Everything without a final answer, oldest first. */
  readonly #pending = new Set<Submission>()
  /** Of it, what was given to somebody. */
  readonly #given = new Set<Submission>()
  /** What was given to nobody, or handed back, oldest first. */
  readonly #waiting: Submission[] = []
  /** What was given to one endpoint, in that order: others are given it if it is not answered in time. */
  #unspread: Submission[] = []
  /** `Clock.now()` when a silent endpoint was passed over last. */
  #passedOverAt = -Infinity
  #spreadTimer: ClockTimer | undefined
  #expiryTimer: ClockTimer | undefined
  /** `Clock.now()` when the first of the connections that failed in a row was tried. */
  #unreachedSince: number | undefined
  #state: LifecycleState = 'idle'

  constructor(deps: BroadcastClientDeps, options: BroadcastClientOptions) {
    this.#deps = deps
    const { faults = 0 } = options
    const limits = numbersOf(options, defaults)
    assertPositive({ ...limits, 'faults + 1': faults + 1 })
    this.#options = { ...limits, faults }
    const ways = {
      tlsFor: tlsFor(options.tls, options.endpoints),
      proxyFor: proxiesOf(deps, options.endpoints),
    }
    if (options.endpoints.length === 0) {
      throw new DeliverError('DELIVER_NO_ENDPOINTS', 'there is no endpoint to send to')
    }
    const random = deps.random ?? Math.random
    this.#endpoints = new EndpointSet(options.endpoints, deps.clock, random)
    this.#outage = new Outage('no endpoint can be reached', this.#endpoints, deps.logger)
    this.#metrics = deps.metrics && broadcastMetrics(deps.metrics)
    const { signal } = this.#stopping
    const context = {
      ...limits,
      ...ways,
      clock: deps.clock,
      metrics: this.#metrics,
      random,
      signal,
    }
    const lanes = this.#endpoints.inTurn().map((each) => this.#lane(each, context))
    this.#lanes = new Map(lanes.map((lane) => [lane.endpoint, lane]))
  }

  get state(): LifecycleState {
    return this.#state
  }

  get pending(): number {
    return this.#pending.size
  }

  start({ signal }: AbortOptions = {}): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
    if (this.#stopping.signal.aborted) return Promise.reject(stopped())
    this.#state = 'started'
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    if (this.#state !== 'stopped') this.#state = 'stopping'
    this.#stopping.abort(stopped())
    this.#spreadTimer?.cancel()
    this.#expiryTimer?.cancel()
    await Promise.all([...this.#lanes.values()].map((lane) => lane.ended()))
    for (const submission of this.#pending) submission.reject(stopped())
    this.#state = 'stopped'
  }

  suspect(address: string): void {
    for (const endpoint of this.#lanes.keys())
      if (endpoint.address === address) this.#endpoints.lied(endpoint)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async submit(envelope: Uint8Array, options: AbortOptions = {}): Promise<BroadcastResult> {
    options.signal?.throwIfAborted()
    if (this.#state !== 'started') throw stopped()
    const { window, maxQueued, maxMessageBytes } = this.#options
    assertEnvelope(envelope, maxMessageBytes)
    if (this.#pending.size >= window + maxQueued) {
      throw new DeliverError('DELIVER_QUEUE_FULL', `${maxQueued} envelopes already wait to be sent`)
    }
    const submission = new Submission(envelope, this.#deps.clock.now(), options)
    this.#pending.add(submission)
    this.#waiting.push(submission)
    this.#dispatch()
    try {
      return await submission.result
    } finally {
      this.#pending.delete(submission)
      this.#given.delete(submission)
      this.#dispatch()
    }
  }

  /** Gives what waits to the endpoint whose turn it is, as far as the window lets it through. */
  #dispatch(): void {
    const { window } = this.#options
    while (this.#state === 'started' && this.#given.size < window) {
      const submission = this.#waiting.shift()
      if (submission === undefined) break
      if (!submission.settled && submission.holders.size === 0) this.#giveOthers(submission, 1)
    }
    this.#metrics?.inFlight.set(this.#given.size)
  }

  /**
   * Gives it to up to `count` of those that have neither refused nor got it, first to those that it was
   * never given to, in their turn.
   *
   * @returns whether there was one
   */
  #giveOthers(submission: Submission, count: number): boolean {
    const { holders, tried, refusals } = submission
    const others = this.#endpoints
      .inTurn()
      .filter((each) => !holders.has(each) && !refusals.has(each))
      .sort((a, b) => Number(tried.has(a)) - Number(tried.has(b)))
    this.#given.add(submission)
    this.#timeAnswer(submission)
    for (const endpoint of others.slice(0, count)) {
      holders.add(endpoint)
      tried.add(endpoint)
      this.#lanes.get(endpoint)?.give(submission)
    }
    return others.length > 0
  }

  #timeAnswer(submission: Submission): void {
    if (submission.givenAt !== undefined || this.#options.spreadAfterMs === Infinity) return
    submission.givenAt = this.#deps.clock.now()
    this.#unspread.push(submission)
    this.#awaitAnswers()
  }

  /** Waits until the oldest that was given to one endpoint only is to be given to others. */
  #awaitAnswers(): void {
    const [oldest] = this.#unspread
    if (oldest === undefined || this.#spreadTimer !== undefined) return
    const { spreadAfterMs } = this.#options
    const left = this.#givenAt(oldest) + spreadAfterMs - this.#deps.clock.now()
    this.#spreadTimer = this.#deps.clock.schedule(Math.max(spreadAfterMs / looks, left), () => {
      this.#spreadTimer = undefined
      this.#spreadDue()
      this.#awaitAnswers()
    })
  }

  #givenAt({ givenAt = 0 }: Submission): number {
    return givenAt
  }

  #spreadDue(): void {
    const now = this.#deps.clock.now()
    const unanswered = this.#unspread.filter(({ settled }) => !settled)
    const late = unanswered.filter((each) => this.#isLate(each, now))
    this.#passOverLate(late, now)
    let bytes = [...this.#given].reduce(
      (sum, each) => sum + (each.spread ? each.bytes.length : 0),
      0,
    )
    for (const submission of late) {
      if (bytes > 0 && bytes + submission.bytes.length > maxSpreadBytes) break
      bytes += submission.bytes.length
      submission.spread = true
      this.#giveOthers(submission, this.#options.faults + 1)
    }
    this.#unspread = unanswered.filter(({ spread }) => !spread)
  }

  /** Copies to others are no help for a network that is busy, only more to do. */
  #isLate(submission: Submission, now: number): boolean {
    const { spreadAfterMs } = this.#options
    const age = now - this.#givenAt(submission)
    if (age < spreadAfterMs) return false
    if (age >= slowFactor * spreadAfterMs) return true
    return [...submission.holders].every(
      (endpoint) => this.#lanes.get(endpoint)?.isSilent(spreadAfterMs) === true,
    )
  }

  /** Makes it another one's turn when the one whose turn it is keeps an envelope waiting for too long. */
  #passOverLate(late: readonly Submission[], now: number): void {
    const endpoint = this.#endpoints.current()
    if (endpoint === undefined || this.#endpoints.size === 1) return
    if (now - this.#passedOverAt < this.#options.spreadAfterMs) return
    if (!late.some(({ holders }) => holders.has(endpoint))) return
    this.#passedOverAt = now
    this.#endpoints.failed(endpoint)
    const fields = { endpoint: endpoint.address, pending: this.#pending.size }
    this.#deps.logger?.info('no answer for a long time: asking other endpoints too', fields)
  }

  #lane(endpoint: Endpoint, context: LaneContext): BroadcastLane {
    return new BroadcastLane(endpoint, context, {
      connected: () => {
        this.#unreachedSince = undefined
        this.#outage.worked()
      },
      unreachable: (error, since) => {
        this.#unreachedSince ??= since
        const fields = { endpoint: endpoint.address, waiting: this.#waiting.length }
        this.#outage.failed(error, fields)
      },
      succeeded: () => this.#endpoints.succeeded(endpoint),
      refused: (submission, refusal) => this.#refused(submission, endpoint, refusal),
      failed: (error, leftovers) => this.#failed(endpoint, error, leftovers),
    })
  }

  /** One may lie, or have a wrong clock: a refusal is final when one that is correct must be among them. */
  #refused(submission: Submission, endpoint: Endpoint, refusal: StatusError): void {
    submission.holders.delete(endpoint)
    submission.refusals.set(endpoint, refusal)
    const needed = Math.min(this.#options.faults + 1, this.#endpoints.size)
    if (submission.refusals.size >= needed) submission.reject(refusal)
    else if (!submission.settled) this.#giveOthers(submission, 1)
  }

  /** Gives what `endpoint` left unanswered to others. */
  #failed(endpoint: Endpoint, error: unknown, leftovers: readonly Submission[]): void {
    this.#judge(endpoint, error, leftovers)
    const left: Submission[] = []
    for (const submission of leftovers) {
      submission.holders.delete(endpoint)
      if (submission.settled) continue
      // Of those that were to have it, all shall: the others may be the ones that are frozen.
      if (submission.spread && this.#giveOthers(submission, 1)) continue
      if (submission.holders.size === 0) left.push(submission)
    }
    for (const submission of left) this.#given.delete(submission)
    this.#waiting.unshift(...left)
    this.#expire(error)
    this.#dispatch()
  }

  /** Rejects what has waited for too long since somebody could be reached who had not refused it. */
  #expire(error: unknown): void {
    this.#expiryTimer?.cancel()
    const now = this.#deps.clock.now()
    let next = Infinity
    for (const submission of this.#pending) {
      const left = this.#expiryOf(submission) - now
      if (left > 0) next = Math.min(next, left)
      else submission.reject([...submission.refusals.values()].at(-1) ?? (error as Error))
    }
    if (next < Infinity) {
      this.#expiryTimer = this.#deps.clock.schedule(next, () => this.#expire(error))
    }
  }

  /** `Clock.now()` from which on it has waited for too long; Infinity while somebody has a connection. */
  #expiryOf({ since, refusals }: Submission): number {
    const from = this.#unreachedSince
    if (from === undefined) return Infinity
    for (const { endpoint, isOpen } of this.#lanes.values())
      if (isOpen && !refusals.has(endpoint)) return Infinity
    return Math.max(since, from) + this.#options.unreachableTimeoutMs
  }

  /** Holds a broken stream against the envelope whose answer was due. */
  #blame(error: DeliverError, [oldest]: readonly Submission[]): void {
    if (!oldest || oldest.sends === 0) return
    oldest.breaks++
    if (oldest.breaks >= this.#options.maxBreaks) oldest.reject(error)
  }

  #judge(endpoint: Endpoint, error: unknown, leftovers: readonly Submission[]): void {
    if (error instanceof DeliverError && error.code === 'DELIVER_STREAM_FAILED')
      this.#blame(error, leftovers)
    const lied = error instanceof DeliverError && error.code === 'DELIVER_UNEXPECTED'
    if (lied) this.#endpoints.lied(endpoint)
    else if (this.#endpoints.current() === endpoint) this.#endpoints.failed(endpoint)
    const fields = { endpoint: endpoint.address, waiting: leftovers.length }
    if (lied) this.#deps.logger?.warn('endpoint is suspected', fields, error)
    else this.#deps.logger?.info('broadcast interrupted', fields, error)
  }
}

/** Services end the whole stream for what is no message at all; so it is not even sent. */
function assertEnvelope(bytes: Uint8Array, maxBytes: number): void {
  const invalid = (why: string, cause?: unknown): DeliverError =>
    new DeliverError('DELIVER_INVALID_ENVELOPE', why, { cause })
  if (bytes.length === 0) throw invalid('the envelope is empty')
  if (bytes.length > maxBytes)
    throw invalid(`the envelope has ${bytes.length} bytes; at most ${maxBytes} are allowed`)
  try {
    decode(common.EnvelopeSchema, bytes)
  } catch (error) {
    throw invalid('the bytes are not a common.Envelope', error)
  }
}

function stopped(): DeliverError {
  return new DeliverError('DELIVER_STOPPED', 'the broadcast client is not running')
}
