import type { Clock, ClockTimer } from '@heddle/interface'
import { common, decode, orderer } from '@heddle/proto'
import type { OpenStream } from './connection.ts'
import { DeliverError, StatusError } from './errors.ts'
import type { BroadcastMetrics } from './metrics.ts'
import type { Submission } from './submission.ts'

/** What a {@link BroadcastSession} works with. */
export interface SessionContext {
  readonly clock: Clock
  /** The endpoint's address. */
  readonly address: string
  /** Envelopes that wait to be sent, oldest first; the session takes from the front. */
  readonly waiting: Submission[]
  /** How many may be sent and not answered. */
  readonly window: number
  /** How long an answer may take. */
  readonly answerTimeoutMs: number
  /** How long to wait before an envelope that met SERVICE_UNAVAILABLE is sent again. */
  readonly retryMs: number
  /** Called for the first SUCCESS. */
  readonly onSuccess: () => void
  /** Called for every other final status. */
  readonly onRefusal: (submission: Submission, refusal: StatusError) => void
  readonly metrics: BroadcastMetrics | undefined
}

/**
 * One Broadcast stream: sends from the queue, up to the window, and matches the answers, which come
 * in the order of the envelopes.
 */
export class BroadcastSession {
  readonly #stream: OpenStream
  readonly #context: SessionContext
  /** Sent and not answered, in order. */
  readonly #sent: Submission[] = []
  /** Met SERVICE_UNAVAILABLE and will be sent again. */
  #refused: Submission[] = []
  #succeeded = false
  /** Whether anything was taken since one was refused. */
  #succeededSince = false
  #blocked = false
  #activeAt: number
  #retryTimer: ClockTimer | undefined
  #watchTimer: ClockTimer | undefined
  #fail: (reason: unknown) => void = () => undefined

  constructor(stream: OpenStream, context: SessionContext) {
    this.#stream = stream
    this.#context = context
    this.#activeAt = context.clock.now()
  }

  /**
   * Serves until the stream ends.
   *
   * @throws {DeliverError} DELIVER_STREAM_FAILED, DELIVER_STALLED, DELIVER_UNEXPECTED for an answer
   *   that is none; {@link StatusError} when nothing but SERVICE_UNAVAILABLE came for `retryMs`;
   *   `signal.reason` on abort
   */
  async run(signal: AbortSignal): Promise<never> {
    const { call } = this.#stream
    const abort = (): void => this.#fail(signal.reason)
    try {
      return await new Promise<never>((_, reject) => {
        this.#fail = reject
        call.on('data', (bytes: Buffer) => this.#answered(bytes))
        call.on('drain', () => {
          this.#blocked = false
          this.pump()
        })
        call.on('error', (cause: unknown) => reject(this.#failure('stream failed', cause)))
        call.on('end', () => reject(this.#failure('ended the stream')))
        signal.addEventListener('abort', abort, { once: true })
        if (signal.aborted) abort()
        this.#watch()
        this.pump()
      })
    } finally {
      signal.removeEventListener('abort', abort)
      this.#fail = () => undefined
      this.#retryTimer?.cancel()
      this.#watchTimer?.cancel()
      this.#stream.close()
    }
  }

  /** Sends what the window and HTTP/2 flow control allow. */
  pump(): void {
    const { waiting, window, clock, metrics } = this.#context
    while (!this.#blocked && this.#sent.length < window) {
      const submission = waiting.shift()
      if (!submission) break
      if (submission.settled) continue
      if (this.#sent.length === 0) this.#activeAt = clock.now()
      this.#sent.push(submission)
      if (submission.sends++ > 0) metrics?.resent.add(1)
      this.#blocked = !this.#stream.call.write(submission.bytes)
    }
  }

  /** Whether answers are due and none has come for `ms`. */
  isSilent(ms: number): boolean {
    return this.#sent.length > 0 && this.#context.clock.now() - this.#activeAt >= ms
  }

  /** What has no final answer, oldest first: to be sent to another endpoint. */
  leftovers(): Submission[] {
    return [...this.#refused, ...this.#sent].filter(({ settled }) => !settled)
  }

  #answered(bytes: Buffer): void {
    const { address, clock, metrics, onSuccess, onRefusal } = this.#context
    const answer = decodeAnswer(bytes)
    const submission = answer && this.#sent.shift()
    if (!submission) {
      const what = answer ? 'an answer without an envelope' : 'something that is not an answer'
      this.#fail(
        new DeliverError('DELIVER_UNEXPECTED', `${address} sent ${what}`, { endpoint: address }),
      )
      return
    }
    this.#activeAt = clock.now()
    const { status, info } = answer
    metrics?.answers.add(1, { status: common.Status[status] })
    if (status === common.Status.SUCCESS) {
      if (!this.#succeeded) onSuccess()
      this.#succeeded = true
      this.#succeededSince = true
      submission.resolve({ status, info, endpoint: address })
    } else if (status === common.Status.SERVICE_UNAVAILABLE) {
      this.#unavailable(submission, info)
    } else {
      onRefusal(submission, new StatusError(status, info, address))
    }
    this.pump()
  }

  /** Sends it again after a while; if nothing succeeds until then, another endpoint shall try. */
  #unavailable(submission: Submission, info: string): void {
    this.#refused.push(submission)
    if (this.#refused.length > 1) return
    this.#succeededSince = false
    const { clock, retryMs, waiting, address } = this.#context
    this.#retryTimer = clock.schedule(retryMs, () => {
      if (this.#succeededSince) {
        waiting.unshift(...this.#refused)
        this.#refused = []
        this.pump()
      } else {
        this.#fail(new StatusError(common.Status.SERVICE_UNAVAILABLE, info, address))
      }
    })
  }

  /** Ends the session when answers are due and none comes. */
  #watch(): void {
    const { clock, answerTimeoutMs, address } = this.#context
    this.#watchTimer = clock.schedule(answerTimeoutMs, () => {
      if (this.isSilent(answerTimeoutMs)) {
        const message = `${address} answered nothing for ${answerTimeoutMs} ms`
        this.#fail(new DeliverError('DELIVER_STALLED', message, { endpoint: address }))
      } else {
        this.#watch()
      }
    })
  }

  #failure(what: string, cause?: unknown): DeliverError {
    const { address } = this.#context
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    const options = { cause, endpoint: address }
    return new DeliverError('DELIVER_STREAM_FAILED', `${address} ${what}${why}`, options)
  }
}

function decodeAnswer(bytes: Uint8Array): orderer.BroadcastResponse | undefined {
  try {
    return decode(orderer.BroadcastResponseSchema, bytes)
  } catch {
    return undefined
  }
}
