import { createBroadcastClient } from '@heddle/deliver'
import { faultsTolerated } from '@heddle/pbft'
import { signTransaction } from '../engine/transaction.ts'
import { PeerError, messageOf } from '../errors.ts'
import { lineCall } from './line-transaction.ts'
import { maxSubmissions } from './submissions.ts'
import type { BroadcastClient } from '@heddle/deliver'
import type { Clock } from '@heddle/interface'
import type { InputLine } from '../input/ndjson.ts'
import type { NetworkClient } from './client.ts'
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
}

/** Settings of a {@link Submitter}. */
export interface SubmitterOptions {
  /** Most transactions sent and not acknowledged. */
  readonly window: number
  /** The replica to send to first: from the primary a request needs no forwarding. Default 0. */
  readonly primary?: number | undefined
}

/** How long a line may wait while no validator can be reached: validators that restart are waited for. */
const unreachableTimeoutMs = 60_000

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
  #wake: () => void = () => undefined
  #inFlight = 0

  constructor(deps: SubmitterDeps, options: SubmitterOptions) {
    const { client, clock } = deps
    this.#deps = deps
    this.#window = options.window
    const { endpoints, tls } = client
    const first = options.primary ?? 0
    this.#client = createBroadcastClient(
      // A constant keeps the order of the endpoints: the primary is asked first, then the others.
      { clock, random: () => 0 },
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
    const abort = (): void => this.#wake()
    signal.addEventListener('abort', abort, { once: true })
    try {
      for await (const line of lines) {
        signal.throwIfAborted()
        if (line.problem !== undefined) this.#refuse(line.number, line.problem)
        else await this.#submit(line.number, line.text, signal)
      }
      while (this.#inFlight > 0) await this.#change(signal)
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  async stop(): Promise<void> {
    await this.#client.stop()
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
    const { channelId } = client.descriptor
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
      await this.#client.submit(envelope)
      submissions.acknowledged(txId, clock.now())
    } catch (error) {
      if (!signal.aborted) {
        submissions.refused(txId)
        this.#refuse(line, `refused: ${messageOf(error)}`)
      }
    }
    this.#inFlight--
    this.#wake()
  }

  #refuse(line: number, problem: string): void {
    this.problemCount++
    if (this.problems.length < maxProblems) this.problems.push({ line, problem })
  }

  /** Resolves when something was answered; rejects with the reason of `signal`. One waits at a time. */
  async #change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await new Promise<void>((resolve) => (this.#wake = resolve))
    signal.throwIfAborted()
  }
}
