import { signTransaction } from '@heddle/client'
import { createBroadcastClient } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { setTimeout as wait } from 'node:timers/promises'
import { faultsTolerated } from '@heddle/pbft'
import { recordsContract } from '../../src/rules/rules-2/records.ts'
import type { NetworkClient } from '@heddle/client'
import type { BroadcastClient, Endpoint } from '@heddle/deliver'

/** A transaction that a validator has acknowledged. */
export interface Acknowledged {
  readonly txId: string
  /** Place in the order of sending. */
  readonly order: number
  /** Who acknowledged it. */
  readonly address: string
}

/** Transactions sent and not acknowledged, over all connections, unless a test wants less. */
const defaultWindow = 400

/**
 * Transactions begun in a second, at most, unless a test wants less: some are always under way, and
 * processes that start have the machine. More: HEDDLE_LOAD=2000.
 */
const defaultPerSecond = Number(process.env['HEDDLE_LOAD'] ?? 150)

/**
 * Sends record after record over a connection to each of some validators, many at a time, until it
 * is told to stop. What is not acknowledged goes to another validator, as the same bytes.
 */
export class Load {
  readonly acknowledged: Acknowledged[] = []
  /** Final refusals: a test expects none. */
  readonly refused: unknown[] = []
  /** What is sent: by default a record of its own each time. */
  lineOf: (order: number) => string
  readonly #client: NetworkClient
  readonly #clients: readonly BroadcastClient[]
  readonly #window: number
  readonly #perSecond: number
  readonly #unacknowledged = new Set<string>()
  readonly #wakers = new Set<() => void>()
  #sent = 0
  #running = false
  /** Counts the times that it began to send. */
  #run = 0
  /** `performance.now()` before which nothing more is begun. */
  #nextAt = 0

  /** @param connections - to whom: one connection, with all as alternatives, for each of them */
  constructor(
    client: NetworkClient,
    prefix: string,
    connections: readonly Endpoint[],
    {
      window = defaultWindow,
      perSecond = defaultPerSecond,
      answerTimeoutMs = 30_000,
      spreadAfterMs = 2_000,
    } = {},
  ) {
    this.#window = window
    this.#perSecond = perSecond
    this.#client = client
    this.lineOf = (order) => JSON.stringify({ id: `${prefix}-${order}` })
    this.#clients = connections.map((first) =>
      createBroadcastClient(
        // No shuffling: `first` stays the first.
        { clock: systemClock, random: () => 0.999 },
        {
          endpoints: [
            first,
            ...client.endpoints.filter(({ address }) => address !== first.address),
          ],
          tls: client.tls,
          faults: faultsTolerated(client.endpoints.length),
          ...{ window, answerTimeoutMs, spreadAfterMs },
        },
      ),
    )
  }

  /** Transactions sent so far. */
  get sent(): number {
    return this.#sent
  }

  /** Ids of what was sent and has no answer. */
  get unacknowledged(): ReadonlySet<string> {
    return this.#unacknowledged
  }

  async start(): Promise<void> {
    await Promise.all(this.#clients.map((each) => each.start()))
    this.resume()
  }

  /** Goes on after {@link pause}. */
  resume(): void {
    this.#running = true
    const run = ++this.#run
    const each = Math.ceil(this.#window / this.#clients.length)
    for (const client of this.#clients) {
      for (let count = 0; count < each; count++) void this.#keepSending(client, run)
    }
  }

  /** Sends nothing more, and waits until everything sent is acknowledged. */
  async pause(): Promise<void> {
    this.#running = false
    while (this.#unacknowledged.size > 0) await this.#change()
  }

  /** Waits until `count` more are acknowledged that were sent from now on. */
  async more(count: number): Promise<void> {
    const from = this.#sent
    let looked = this.acknowledged.length
    for (let done = 0; done < count;) {
      await this.#change()
      for (; looked < this.acknowledged.length; looked++) {
        if (this.acknowledged[looked]!.order >= from) done++
      }
    }
  }

  async stop(): Promise<void> {
    this.#running = false
    await Promise.all(this.#clients.map((each) => each.stop()))
  }

  async #keepSending(client: BroadcastClient, run: number): Promise<void> {
    for (;;) {
      await this.#turn()
      if (!this.#running || this.#run !== run) return
      await this.#sendOne(client)
    }
  }

  /** Resolves when the next may be begun. */
  async #turn(): Promise<void> {
    const now = performance.now()
    const at = Math.max(this.#nextAt, now)
    this.#nextAt = at + 1_000 / this.#perSecond
    await wait(at - now)
  }

  async #sendOne(client: BroadcastClient): Promise<void> {
    const order = this.#sent++
    const { channelId } = this.#client
    const input = Buffer.from(this.lineOf(order))
    const call = { channelId, contract: recordsContract, input }
    const { txId, bytes } = await signTransaction(this.#client.signer, systemClock, call)
    this.#unacknowledged.add(txId)
    try {
      const { endpoint } = await client.submit(bytes)
      this.acknowledged.push({ txId, order, address: endpoint })
    } catch (error) {
      this.refused.push(error)
      this.#running = false
    }
    this.#unacknowledged.delete(txId)
    for (const wake of this.#wakers) wake()
    this.#wakers.clear()
  }

  /** Resolves at the next answer. Rejects when something was refused. */
  async #change(): Promise<void> {
    if (this.refused.length > 0) throw this.refused[0]
    await new Promise<void>((resolve) => this.#wakers.add(resolve))
  }
}
