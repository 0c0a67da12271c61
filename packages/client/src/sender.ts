import { createBroadcastClient } from '@heddle/deliver'
import { faultsTolerated, isCodedError, messageOf } from '@heddle/interface'
import { ClientError } from './errors.ts'
import type { BroadcastClient } from '@heddle/deliver'
import type { Clock, ClockTimer, Logger, Metrics } from '@heddle/interface'
import type { NetworkClient } from './network-client.ts'

/** A transaction as it is sent, always by the same bytes. */
export interface SignedTransaction {
  readonly txId: string
  /** An encoded `common.Envelope`. */
  readonly bytes: Uint8Array
}

/** What a {@link Sender} works with. */
export interface SenderDeps<Sent extends SignedTransaction> {
  readonly client: Pick<NetworkClient, 'endpoints' | 'tls'>
  readonly clock: Clock
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
  /** Whether no verified block has held it yet. */
  readonly isUnseen: (txId: string) => boolean
  /**
   * A validator said that it is in a durable block, which is the word of one; or, with the error, it is given up:
   * CLIENT_REFUSED when f + 1 refused it, CLIENT_OUTCOME_UNKNOWN when validators cannot be reached.
   */
  readonly onAnswer: (sent: Sent, error: ClientError | undefined) => void
}

/** Settings of a {@link Sender}. */
export interface SenderOptions {
  /** Most transactions sent and not answered; as many more may wait. */
  readonly window: number
  /** The replica to send to first: from the primary a request needs no forwarding. Default 0. */
  readonly primary?: number | undefined
}

/** Codes of errors after which an envelope will be in no block. */
const refusalCodes = ['DELIVER_STATUS', 'DELIVER_INVALID_ENVELOPE']

/** How long one may wait while no validator can be reached: validators that restart are waited for. */
const unreachableTimeoutMs = 60_000

/**
 * How long after its acknowledgement a transaction may be in no block that we have seen, in
 * milliseconds: then whoever acknowledged it is suspected, and it is sent again, to another.
 */
export const unseenTimeoutMs = 10_000

/** How often acknowledgements are compared with blocks, in milliseconds. */
export const compareMs = 1000

/** A transaction that somebody has acknowledged. */
interface Acknowledged<Sent> {
  readonly sent: Sent
  /** Who has. */
  readonly endpoint: string
  readonly at: number
}

/**
 * Sends transactions, many in flight: to the primary, and to f + 1 others when that does not answer. What is
 * not acknowledged, or is and stands in no block, is sent again, as the same bytes.
 */
export class Sender<Sent extends SignedTransaction = SignedTransaction> {
  readonly #deps: SenderDeps<Sent>
  readonly #client: BroadcastClient
  /** Acknowledged and perhaps in no block yet, by id, oldest first. */
  readonly #acknowledged = new Map<string, Acknowledged<Sent>>()
  #comparing: ClockTimer | undefined
  #inFlight = 0

  constructor(deps: SenderDeps<Sent>, { window, primary: first = 0 }: SenderOptions) {
    const { client, clock, logger, metrics } = deps
    this.#deps = deps
    const { endpoints, tls } = client
    this.#client = createBroadcastClient(
      // A constant keeps the order of the endpoints: the primary is asked first, then the others.
      { clock, random: () => 0, ...(logger && { logger }), ...(metrics && { metrics }) },
      {
        endpoints: [...endpoints.slice(first), ...endpoints.slice(0, first)],
        faults: faultsTolerated(endpoints.length),
        tls,
        window,
        maxQueued: window,
        unreachableTimeoutMs,
      },
    )
  }

  /** How many were sent and have no answer. */
  get inFlight(): number {
    return this.#inFlight
  }

  async start(): Promise<void> {
    await this.#client.start()
    this.#compare()
  }

  /** What is under way is answered with an error. */
  async stop(): Promise<void> {
    this.#comparing?.cancel()
    await this.#client.stop()
  }

  /** Its answer is told later. */
  send(sent: Sent): void {
    this.#inFlight++
    this.#client.submit(sent.bytes).then(
      ({ endpoint }) => {
        this.#acknowledged.set(sent.txId, { sent, endpoint, at: this.#deps.clock.now() })
        this.#answered(sent, undefined)
      },
      (error: unknown) => this.#answered(sent, givenUp(error)),
    )
  }

  #answered(sent: Sent, error: ClientError | undefined): void {
    this.#inFlight--
    this.#deps.onAnswer(sent, error)
  }

  /** An acknowledgement is the word of one; a block is that of a quorum. */
  #compare(): void {
    const { clock, isUnseen } = this.#deps
    const due = clock.now() - unseenTimeoutMs
    for (const [txId, { sent, endpoint, at }] of this.#acknowledged) {
      const unseen = isUnseen(txId)
      if (unseen && at > due) break
      this.#acknowledged.delete(txId)
      if (!unseen) continue
      this.#client.suspect(endpoint)
      this.send(sent)
    }
    this.#comparing = clock.schedule(compareMs, () => this.#compare())
  }
}

/** Enough validators have refused it, or none could be reached for too long. */
function givenUp(cause: unknown): ClientError {
  if (refusalCodes.some((code) => isCodedError(cause, code)))
    return new ClientError('CLIENT_REFUSED', `refused: ${messageOf(cause)}`, { cause })
  const what = 'it is not known whether a block holds the transaction, or will'
  return new ClientError('CLIENT_OUTCOME_UNKNOWN', `${what}: ${messageOf(cause)}`, { cause })
}
