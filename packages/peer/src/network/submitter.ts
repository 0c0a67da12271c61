import { signTransaction } from '@heddle/client'
import { createBroadcastClient } from '@heddle/deliver'
import { isCodedError } from '@heddle/interface'
import { faultsTolerated } from '@heddle/pbft'
import { PeerError, messageOf } from '../errors.ts'
import { lineCall } from './line-transaction.ts'
import { maxSubmissions } from './submissions.ts'
import type { NetworkClient } from '@heddle/client'
import type { BroadcastClient } from '@heddle/deliver'
import type { Clock, ClockTimer, Logger } from '@heddle/interface'
import type { InputLine } from '../input/ndjson.ts'
import type { Submissions } from './submissions.ts'

/** A line that did not become a transaction of the chain, and why. */
export interface LineProblem {
  readonly line: number
  readonly problem: string
}

/** What a {@link Submitter} works with. */
export interface SubmitterDeps {
  readonly client: NetworkClient
  readonly submissions: Submissions
  readonly clock: Clock
  readonly logger?: Logger
}

/** Settings of a {@link Submitter}. */
export interface SubmitterOptions {
  /** Most transactions sent and not acknowledged. */
  readonly window: number
  /** The replica to send to first: from the primary a request needs no forwarding. Default 0. */
  readonly primary?: number | undefined
  /** Told of each line with a problem. */
  readonly onProblem?: (problem: LineProblem) => void
  /**
   * Told when lines are given up that nobody refused, because validators cannot be reached: whether a block
   * holds them, or will, is not known. Whoever is told ends the run.
   */
  readonly onFailure: (error: PeerError) => void
}

/** Codes of errors after which an envelope will be in no block. */
const refusalCodes = ['DELIVER_STATUS', 'DELIVER_INVALID_ENVELOPE']

/** How long a line may wait while no validator can be reached: validators that restart are waited for. */
const unreachableTimeoutMs = 60_000

/**
 * How long after its acknowledgement a transaction may be in no block that we have seen, in
 * milliseconds: then whoever acknowledged it is suspected, and it is sent again, to another.
 */
export const unseenTimeoutMs = 10_000

/** How often acknowledgements are compared with blocks, in milliseconds. */
export const compareMs = 1000

/** A transaction that somebody has acknowledged. */
interface Acknowledged {
  readonly line: number
  readonly envelope: Uint8Array
  /** Who has. */
  readonly endpoint: string
  readonly at: number
}

/** Problems kept with their text; more are counted. */
export const maxProblems = 100

/**
 * Turns lines into signed transactions and sends them, many in flight: to the primary, and to f + 1
 * others when that does not answer. What is not acknowledged is sent again, as the same bytes; what is
 * refused is given up when f + 1 have refused it.
 */
export class Submitter {
  readonly problems: LineProblem[] = []
  /** Lines with a problem, also those beyond {@link maxProblems}. */
  problemCount = 0
  readonly #deps: SubmitterDeps
  readonly #client: BroadcastClient
  readonly #window: number
  readonly #onProblem: SubmitterOptions['onProblem']
  readonly #onFailure: SubmitterOptions['onFailure']
  /** Acknowledged and perhaps in no block yet, by id, oldest first. */
  readonly #acknowledged = new Map<string, Acknowledged>()
  #comparing: ClockTimer | undefined
  #wake: () => void = () => undefined
  #inFlight = 0

  constructor(deps: SubmitterDeps, options: SubmitterOptions) {
    const { client, clock, logger } = deps
    this.#deps = deps
    this.#window = options.window
    this.#onProblem = options.onProblem
    this.#onFailure = options.onFailure
    const { endpoints, tls } = client
    const first = options.primary ?? 0
    this.#client = createBroadcastClient(
      // A constant keeps the order of the endpoints: the primary is asked first, then the others.
      { clock, random: () => 0, ...(logger && { logger }) },
      {
        endpoints: [...endpoints.slice(first), ...endpoints.slice(0, first)],
        faults: faultsTolerated(endpoints.length),
        tls,
        window: options.window,
        maxQueued: options.window,
        unreachableTimeoutMs,
      },
    )
  }

  /** Sends every line and waits for all acknowledgements. Rejects with the reason of `signal`. */
  async submitAll(lines: AsyncIterable<InputLine>, signal: AbortSignal): Promise<void> {
    await this.#client.start()
    this.#compare(signal)
    const abort = (): void => this.#wake()
    signal.addEventListener('abort', abort, { once: true })
    try {
      for await (const line of lines) {
        signal.throwIfAborted()
        if (line.problem !== undefined) this.#refuse(line.number, line.problem)
        else await this.#submit(line.number, line.text, signal)
      }
      while (this.#inFlight > 0) await this.#change(signal)
    } catch (error) {
      // Whoever aborts may have ended the input as well.
      signal.throwIfAborted()
      throw error
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** How many lines were sent and have no answer. */
  get inFlight(): number {
    return this.#inFlight
  }

  async stop(): Promise<void> {
    this.#comparing?.cancel()
    await this.#client.stop()
  }

  /** An acknowledgement is the word of one; a block is that of a quorum. */
  #compare(signal: AbortSignal): void {
    const { clock, submissions } = this.#deps
    const due = clock.now() - unseenTimeoutMs
    for (const [txId, { line, envelope, endpoint, at }] of this.#acknowledged) {
      const isUnseen = submissions.isUnseen(txId)
      if (isUnseen && at > due) break
      this.#acknowledged.delete(txId)
      if (!isUnseen) continue
      this.#client.suspect(endpoint)
      void this.#send(line, txId, envelope, signal)
    }
    this.#comparing = clock.schedule(compareMs, () => this.#compare(signal))
  }

  async #submit(line: number, text: string, signal: AbortSignal): Promise<void> {
    const { client, submissions, clock } = this.#deps
    let call
    try {
      call = lineCall(text)
    } catch (error) {
      this.#refuse(line, messageOf(error))
      return
    }
    while (this.#inFlight >= this.#window) await this.#change(signal)
    if (submissions.counts.submitted >= maxSubmissions) {
      throw new PeerError('PEER_BAD_LINE', `more than ${maxSubmissions} lines in one run`, {
        cure: 'split the input',
      })
    }
    const { channelId } = client
    const { txId, bytes } = await signTransaction(client.signer, clock, { channelId, ...call })
    const { contract, record } = call
    submissions.add({ line, txId, contract, ...(record && { record }) }, clock.now())
    void this.#send(line, txId, bytes, signal)
  }

  /** Resolves when it is answered; never rejects. */
  async #send(
    line: number,
    txId: string,
    envelope: Uint8Array,
    signal: AbortSignal,
  ): Promise<void> {
    const { submissions, clock } = this.#deps
    this.#inFlight++
    try {
      const { endpoint } = await this.#client.submit(envelope)
      submissions.acknowledged(txId, clock.now())
      this.#acknowledged.set(txId, { line, envelope, endpoint, at: clock.now() })
    } catch (error) {
      if (!signal.aborted) this.#givenUp(line, txId, error)
    }
    this.#inFlight--
    this.#wake()
  }

  /** Enough validators have refused it, or none could be reached for too long. */
  #givenUp(line: number, txId: string, error: unknown): void {
    const { submissions } = this.#deps
    if (!submissions.isUnseen(txId)) return // its outcome is known
    if (refusalCodes.some((code) => isCodedError(error, code))) {
      submissions.refused(txId)
      this.#refuse(line, `refused: ${messageOf(error)}`)
      return
    }
    this.#onFailure(
      new PeerError('PEER_NETWORK_UNAVAILABLE', 'validators take no more lines', {
        cure: 'see `heddle network status`; before you send a line again, look whether a block holds it',
        cause: error,
      }),
    )
  }

  #refuse(line: number, problem: string): void {
    this.problemCount++
    if (this.problems.length < maxProblems) this.problems.push({ line, problem })
    this.#onProblem?.({ line, problem })
  }

  /** Resolves when something was answered; rejects with the reason of `signal`. One waits at a time. */
  async #change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await new Promise<void>((resolve) => (this.#wake = resolve))
    signal.throwIfAborted()
  }
}
