import type { AbortOptions, LifecycleState } from '@heddle/interface'
import { common, decode } from '@heddle/proto'
import { BroadcastLane, type LaneContext } from './broadcast-lane.ts'
import {
  type BroadcastClientDeps,
  type BroadcastClientOptions,
  broadcastDefaults,
} from './broadcast-options.ts'
import { assertPositive, numbersOf, proxiesOf } from './deliver-options.ts'
import { EndpointSet } from './endpoint-set.ts'
import { tlsFor } from './endpoint-tls.ts'
import { DeliverError, type StatusError } from './errors.ts'
import { Expiry } from './expiry.ts'
import { type BroadcastMetrics, broadcastMetrics } from './metrics.ts'
import { Outage } from './outage.ts'
import type { Endpoint } from './ports.ts'
import { Spreading } from './spreading.ts'
import { type BroadcastResult, Submission } from './submission.ts'

/** Sends each envelope to one endpoint at a time, and to others when that fails, refuses or is silent. */
export class FailoverClient {
  readonly #deps: BroadcastClientDeps
  readonly #options: typeof broadcastDefaults & { readonly faults: number }
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
  readonly #spreading: Spreading
  readonly #expiry: Expiry
  /** `Clock.now()` when a silent endpoint was passed over last. */
  #passedOverAt = -Infinity
  #state: LifecycleState = 'idle'

  constructor(deps: BroadcastClientDeps, options: BroadcastClientOptions) {
    this.#deps = deps
    const { faults = 0 } = options
    const limits = numbersOf(options, broadcastDefaults)
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
    const { spreadAfterMs, unreachableTimeoutMs } = limits
    const { clock } = deps
    this.#spreading = new Spreading({
      ...{ clock, spreadAfterMs, given: this.#given },
      isSilent: (endpoint) => this.#lanes.get(endpoint)?.isSilent(spreadAfterMs) === true,
      onLate: (late) => this.#passOverLate(late),
      spread: (submission) => this.#giveOthers(submission, faults + 1),
    })
    this.#expiry = new Expiry({
      ...{ clock, unreachableTimeoutMs, pending: this.#pending },
      isReached: (refused) => lanes.some((lane) => lane.isOpen && !refused.has(lane.endpoint)),
    })
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
    this.#spreading.stop()
    this.#expiry.stop()
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
    this.#spreading.time(submission)
    for (const endpoint of others.slice(0, count)) {
      holders.add(endpoint)
      tried.add(endpoint)
      this.#lanes.get(endpoint)?.give(submission)
    }
    return others.length > 0
  }

  /** Makes it another one's turn when the one whose turn it is keeps an envelope waiting for too long. */
  #passOverLate(late: readonly Submission[]): void {
    const now = this.#deps.clock.now()
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
        this.#expiry.connected()
        this.#outage.worked()
      },
      unreachable: (error, since) => {
        this.#expiry.unreachable(since)
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
    this.#expiry.expire(error)
    this.#dispatch()
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

/** Services end the whole stream for bytes that are not a message, so these are not even sent. */
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
