import { createBroadcastClient } from '@heddle/deliver'
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

/** Problems kept with their text; more are counted. */
export const maxProblems = 100

/**
 * Turns lines into signed transactions and sends them to the validators: one stream to each, many
 * in flight. What is not acknowledged is sent again, as the same bytes, wherever a validator answers.
 */
export class Submitter {
  readonly problems: LineProblem[] = []
  /** Lines with a problem, also those beyond {@link maxProblems}. */
  problemCount = 0
  readonly #deps: SubmitterDeps
  readonly #clients: readonly BroadcastClient[]
  readonly #window: number
  readonly #woken = new Set<() => void>()
  #inFlight = 0
  #next = 0

  /** @param window - most transactions sent and not acknowledged */
  constructor(deps: SubmitterDeps, window: number) {
    const { client, clock } = deps
    this.#deps = deps
    this.#window = window
    this.#clients = client.endpoints.map(() =>
      createBroadcastClient(
        { clock },
        { endpoints: client.endpoints, tls: client.tls, window, maxQueued: window },
      ),
    )
  }

  /** Sends every line and waits for all acknowledgements. Rejects with the reason of `signal`. */
  async submitAll(lines: AsyncIterable<InputLine>, signal: AbortSignal): Promise<void> {
    await Promise.all(this.#clients.map((each) => each.start()))
    for await (const line of lines) {
      signal.throwIfAborted()
      if (line.problem !== undefined) this.#refuse(line.number, line.problem)
      else await this.#submit(line.number, line.text, signal)
    }
    while (this.#inFlight > 0) await this.#change(signal)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((each) => each.stop()))
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
    this.#send(line, txId, bytes, signal)
  }

  #send(line: number, txId: string, envelope: Uint8Array, signal: AbortSignal): void {
    const { submissions, clock } = this.#deps
    const client = this.#clients[this.#next++ % this.#clients.length]
    if (client === undefined) return
    this.#inFlight++
    client
      .submit(envelope)
      .then(
        () => submissions.acknowledged(txId, clock.now()),
        (error: unknown) => {
          if (signal.aborted) return
          submissions.refused(txId)
          this.#refuse(line, `refused: ${messageOf(error)}`)
        },
      )
      .finally(() => {
        this.#inFlight--
        for (const wake of this.#woken) wake()
      })
  }

  #refuse(line: number, problem: string): void {
    this.problemCount++
    if (this.problems.length < maxProblems) this.problems.push({ line, problem })
  }

  /** Resolves when something was answered; rejects with the reason of `signal`. */
  async #change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#woken.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#woken.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
    signal.throwIfAborted()
  }
}
