import type {
  AbortOptions,
  Clock,
  Lifecycle,
  LifecycleState,
  Logger,
  Metrics,
} from '@heddle/interface'
import { common, decode } from '@heddle/proto'
import { type BackOffOptions, backOffMs, defaultBackOff, pause } from './back-off.ts'
import { BroadcastSession } from './broadcast-session.ts'
import { openStream } from './connection.ts'
import { assertPositive, definedNumbers, proxiesOf } from './deliver-options.ts'
import { EndpointSet } from './endpoint-set.ts'
import { type TlsChoice, tlsFor } from './endpoint-tls.ts'
import { DeliverError } from './errors.ts'
import { type BroadcastMetrics, broadcastMetrics } from './metrics.ts'
import { Outage } from './outage.ts'
import type { ClientTls, Endpoint } from './ports.ts'
import type { ProxyChoice } from './proxy.ts'
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
  /** Who to send to: one at a time, the next one when it fails. At least one. */
  readonly endpoints: readonly Endpoint[]
  /** The certificate for mutual TLS. */
  readonly tls?: ClientTls
  /** How many envelopes may be sent and not answered. Default 1,000. */
  readonly window?: number
  /** How many more may wait to be sent; above it `submit` rejects. Default 10,000. */
  readonly maxQueued?: number
  /** Default 3,000 ms. */
  readonly connectTimeoutMs?: number
  /**
   * How long an envelope may wait while nobody can be reached before it is rejected, up to one
   * `connectTimeoutMs` later. Default 10,000 ms.
   */
  readonly unreachableTimeoutMs?: number
  /** How long an answer may take before another endpoint is tried. Default 30,000 ms. */
  readonly answerTimeoutMs?: number
  /** Longest envelope and gRPC message, in bytes. Default 100 MiB, as Fabric. */
  readonly maxMessageBytes?: number
  /**
   * How often streams may break with one envelope as the oldest unanswered before it is taken for
   * the cause and rejected: a service may cut a stream for what it cannot read. Default 12.
   */
  readonly maxBreaks?: number
}

/** Sends envelopes and tells what became of each; see {@link createBroadcastClient}. */
export interface BroadcastClient extends Lifecycle {
  /**
   * Sends an encoded `common.Envelope`, again and to other endpoints if need be, always the same
   * bytes, until one answers for good.
   *
   * @returns when it was taken: status SUCCESS
   * @throws {StatusError} DELIVER_STATUS for any final status but SUCCESS: BAD_REQUEST, FORBIDDEN,
   *   NOT_FOUND, REQUEST_ENTITY_TOO_LARGE and so on. SERVICE_UNAVAILABLE is not final
   * @throws {DeliverError} DELIVER_INVALID_ENVELOPE for bytes that are no envelope or too many,
   *   DELIVER_QUEUE_FULL; DELIVER_UNREACHABLE when nobody could be reached for
   *   `unreachableTimeoutMs`, DELIVER_STREAM_FAILED after `maxBreaks`, DELIVER_STOPPED, or
   *   `signal.reason` on abort: after these it is not known whether an envelope that was sent was
   *   taken
   */
  submit(envelope: Uint8Array, options?: AbortOptions): Promise<BroadcastResult>
  /** How many envelopes have no answer yet. */
  readonly pending: number
}

/**
 * Makes a client of the Broadcast service that survives streams that break, endpoints that fail
 * and services that are busy.
 *
 * @throws {DeliverError} DELIVER_INVALID_OPTIONS, DELIVER_NO_ENDPOINTS
 */
export function createBroadcastClient(
  deps: BroadcastClientDeps,
  options: BroadcastClientOptions,
): BroadcastClient {
  return new FailoverBroadcastClient(deps, options)
}

const defaults = {
  ...defaultBackOff,
  window: 1000,
  maxQueued: 10_000,
  connectTimeoutMs: 3000,
  unreachableTimeoutMs: 10_000,
  answerTimeoutMs: 30_000,
  maxMessageBytes: 100 * 1024 * 1024,
  maxBreaks: 12,
}

class FailoverBroadcastClient implements BroadcastClient {
  readonly #deps: BroadcastClientDeps
  readonly #options: typeof defaults & {
    readonly tlsFor: TlsChoice
    readonly proxyFor: ProxyChoice
  }
  readonly #endpoints: EndpointSet
  readonly #random: () => number
  readonly #metrics: BroadcastMetrics | undefined
  readonly #outage: Outage
  /** `Clock.now()` when the first of the connections that failed in a row was tried. */
  #unreachedSince: number | undefined
  readonly #stopping = new AbortController()
  /** Not sent on the present stream, oldest first. */
  readonly #waiting: Submission[] = []
  #pending = 0
  #state: LifecycleState = 'idle'
  #running: Promise<void> | undefined
  #session: BroadcastSession | undefined
  #wake: () => void = () => undefined

  constructor(deps: BroadcastClientDeps, options: BroadcastClientOptions) {
    this.#deps = deps
    const limits = { ...defaults, ...definedNumbers(options) }
    assertPositive(limits)
    this.#options = {
      ...limits,
      tlsFor: tlsFor(options.tls, options.endpoints),
      proxyFor: proxiesOf(deps, options.endpoints),
    }
    if (options.endpoints.length === 0) {
      throw new DeliverError('DELIVER_NO_ENDPOINTS', 'there is no endpoint to send to')
    }
    this.#random = deps.random ?? Math.random
    this.#endpoints = new EndpointSet(options.endpoints, deps.clock, this.#random)
    this.#outage = new Outage('no endpoint can be reached', this.#endpoints, deps.logger)
    this.#metrics = deps.metrics && broadcastMetrics(deps.metrics)
  }

  get state(): LifecycleState {
    return this.#state
  }

  get pending(): number {
    return this.#pending
  }

  start({ signal }: AbortOptions = {}): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
    if (this.#stopping.signal.aborted) return Promise.reject(stopped())
    this.#state = 'started'
    this.#running ??= this.#run()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    if (this.#state !== 'stopped') this.#state = 'stopping'
    this.#stopping.abort(stopped())
    this.#wake()
    await this.#running
    for (const submission of this.#waiting.splice(0)) submission.reject(stopped())
    this.#state = 'stopped'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async submit(envelope: Uint8Array, options: AbortOptions = {}): Promise<BroadcastResult> {
    options.signal?.throwIfAborted()
    if (this.#state !== 'started') throw stopped()
    const { maxQueued, maxMessageBytes } = this.#options
    assertEnvelope(envelope, maxMessageBytes)
    if (this.#waiting.length >= maxQueued) {
      throw new DeliverError('DELIVER_QUEUE_FULL', `${maxQueued} envelopes wait to be sent`)
    }
    const submission = new Submission(envelope, this.#deps.clock.now(), options)
    this.#pending++
    this.#waiting.push(submission)
    if (this.#session) this.#session.pump()
    else this.#wake()
    try {
      return await submission.result
    } finally {
      this.#pending--
    }
  }

  /** Serves one endpoint after another until the client stops. */
  async #run(): Promise<void> {
    const { signal } = this.#stopping
    const inARow = { failures: 0 }
    try {
      for (;;) {
        if (this.#waiting.length === 0) await this.#work()
        signal.throwIfAborted()
        const endpoint = this.#endpoints.current()
        if (endpoint) await this.#attempt(endpoint, inARow)
      }
    } catch (error) {
      if (error !== signal.reason) throw error
    }
  }

  /** Resolves when there is something to send, or the client stops. */
  async #work(): Promise<void> {
    await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  /** Serves `endpoint` until it fails, then waits; rejects only when the client stops. */
  async #attempt(endpoint: Endpoint, inARow: { failures: number }): Promise<void> {
    const { signal } = this.#stopping
    try {
      await this.#serve(endpoint, inARow)
    } catch (error) {
      signal.throwIfAborted()
      inARow.failures++
      this.#judge(endpoint, error)
      const { failures } = inARow
      const ms = backOffMs(failures, this.#endpoints.size, this.#options, this.#random)
      await pause(this.#deps.clock, Math.min(ms, this.#expire(error)), { signal })
    }
  }

  async #serve(endpoint: Endpoint, inARow: { failures: number }): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#stopping
    const { window, answerTimeoutMs } = this.#options
    const since = clock.now()
    const stream = await openStream(endpoint, 'broadcast', {
      ...this.#options,
      signal,
      clock,
    }).catch((error: unknown) => {
      signal.throwIfAborted()
      this.#unreachedSince ??= since
      this.#outage.failed(error, { endpoint: endpoint.address, waiting: this.#waiting.length })
      throw error
    })
    this.#unreachedSince = undefined
    this.#outage.worked()
    const session = new BroadcastSession(stream, {
      clock,
      address: endpoint.address,
      waiting: this.#waiting,
      window,
      answerTimeoutMs,
      retryMs: backOffMs(inARow.failures + 1, this.#endpoints.size, this.#options, this.#random),
      onSuccess: () => {
        inARow.failures = 0
        this.#endpoints.succeeded(endpoint)
      },
      metrics: this.#metrics,
    })
    this.#session = session
    try {
      await session.run(signal)
    } finally {
      this.#session = undefined
      this.#waiting.unshift(...session.leftovers())
    }
  }

  /**
   * Rejects what has waited for too long since somebody could be reached.
   *
   * @returns after how many milliseconds the next one will have
   */
  #expire(error: unknown): number {
    const from = this.#unreachedSince
    if (from === undefined) return Infinity
    const { unreachableTimeoutMs } = this.#options
    const left = ({ since }: Submission): number =>
      Math.max(since, from) + unreachableTimeoutMs - this.#deps.clock.now()
    const expired = this.#waiting.filter((submission) => left(submission) <= 0)
    const staying = this.#waiting.filter((submission) => left(submission) > 0)
    this.#waiting.splice(0, Infinity, ...staying)
    for (const submission of expired) submission.reject(error as Error)
    return staying.reduce((least, submission) => Math.min(least, left(submission)), Infinity)
  }

  /** Holds a broken stream against the envelope whose answer was due. */
  #blame(error: DeliverError): void {
    const [oldest] = this.#waiting
    if (!oldest || oldest.sends === 0) return
    oldest.breaks++
    if (oldest.breaks < this.#options.maxBreaks) return
    this.#waiting.shift()
    oldest.reject(error)
  }

  #judge(endpoint: Endpoint, error: unknown): void {
    if (error instanceof DeliverError && error.code === 'DELIVER_STREAM_FAILED') this.#blame(error)
    const lied = error instanceof DeliverError && error.code === 'DELIVER_UNEXPECTED'
    if (lied) this.#endpoints.lied(endpoint)
    else this.#endpoints.failed(endpoint)
    const fields = { endpoint: endpoint.address, waiting: this.#waiting.length }
    if (lied) this.#deps.logger?.warn('endpoint is suspected', fields, error)
    else this.#deps.logger?.info('broadcast interrupted', fields, error)
  }
}

/** Services end the whole stream for what is no message at all; so it is not even sent. */
function assertEnvelope(bytes: Uint8Array, maxBytes: number): void {
  const invalid = (why: string, cause?: unknown): DeliverError =>
    new DeliverError('DELIVER_INVALID_ENVELOPE', why, { cause })
  if (bytes.length === 0) throw invalid('an empty envelope')
  if (bytes.length > maxBytes) throw invalid(`${bytes.length} bytes, more than ${maxBytes}`)
  try {
    decode(common.EnvelopeSchema, bytes)
  } catch (error) {
    throw invalid('bytes that are no common.Envelope', error)
  }
}

function stopped(): DeliverError {
  return new DeliverError('DELIVER_STOPPED', 'the broadcast client does not run')
}
