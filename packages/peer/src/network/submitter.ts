import { Sender, signTransaction } from '@heddle/client'
import { PeerError, messageOf } from '../errors.ts'
import { lineCall } from './line-transaction.ts'
import { maxSubmissions } from './submissions.ts'
import type { ClientError, NetworkClient, SignedTransaction } from '@heddle/client'
import type { Clock, Logger } from '@heddle/interface'
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

/** A line on its way. */
interface SentLine extends SignedTransaction {
  readonly line: number
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
  readonly #options: SubmitterOptions
  readonly #sender: Sender<SentLine>
  #signal: AbortSignal | undefined
  #wake: () => void = () => undefined

  constructor(deps: SubmitterDeps, options: SubmitterOptions) {
    const { client, submissions, clock, logger } = deps
    this.#deps = deps
    this.#options = options
    this.#sender = new Sender(
      {
        ...{ client, clock, logger },
        isUnseen: (txId) => submissions.isUnseen(txId),
        onAnswer: (sent, error) => this.#answered(sent, error),
      },
      options,
    )
  }

  /** Sends every line and waits for all acknowledgements. Rejects with the reason of `signal`. */
  async submitAll(lines: AsyncIterable<InputLine>, signal: AbortSignal): Promise<void> {
    this.#signal = signal
    await this.#sender.start()
    const abort = (): void => this.#wake()
    signal.addEventListener('abort', abort, { once: true })
    try {
      for await (const line of lines) {
        signal.throwIfAborted()
        if (line.problem !== undefined) this.#refuse(line.number, line.problem)
        else await this.#submit(line.number, line.text, signal)
      }
      while (this.#sender.inFlight > 0) await this.#change(signal)
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
    return this.#sender.inFlight
  }

  async stop(): Promise<void> {
    await this.#sender.stop()
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
    while (this.#sender.inFlight >= this.#options.window) await this.#change(signal)
    if (submissions.counts.submitted >= maxSubmissions) {
      throw new PeerError('PEER_BAD_LINE', `more than ${maxSubmissions} lines in one run`, {
        cure: 'split the input',
      })
    }
    const { channelId } = client
    const { txId, bytes } = await signTransaction(client.signer, clock, { channelId, ...call })
    const { contract, record } = call
    submissions.add({ line, txId, contract, ...(record && { record }) }, clock.now())
    this.#sender.send({ line, txId, bytes })
  }

  #answered({ line, txId }: SentLine, error: ClientError | undefined): void {
    const { submissions, clock } = this.#deps
    if (error === undefined) submissions.acknowledged(txId, clock.now())
    // Else its outcome is known, or nobody wants to know it any more.
    else if (submissions.isUnseen(txId) && this.#signal?.aborted !== true)
      this.#givenUp(line, txId, error)
    this.#wake()
  }

  #givenUp(line: number, txId: string, error: ClientError): void {
    if (error.code === 'CLIENT_REFUSED') {
      this.#deps.submissions.refused(txId)
      this.#refuse(line, error.message)
      return
    }
    this.#options.onFailure(
      new PeerError('PEER_NETWORK_UNAVAILABLE', 'validators take no more lines', {
        cure: 'see `heddle network status`; before you send a line again, look whether a block holds it',
        cause: error.cause,
      }),
    )
  }

  #refuse(line: number, problem: string): void {
    this.problemCount++
    if (this.problems.length < maxProblems) this.problems.push({ line, problem })
    this.#options.onProblem?.({ line, problem })
  }

  /** Resolves when something was answered; rejects with the reason of `signal`. One waits at a time. */
  async #change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await new Promise<void>((resolve) => (this.#wake = resolve))
    signal.throwIfAborted()
  }
}
