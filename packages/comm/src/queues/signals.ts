import { MessageQueue } from './message-queue.ts'
import type { CommMetrics } from '../metrics.ts'
import type { MessageStream } from '../types.ts'

/** How many events each consumer may be behind (in Fabric 100, and 1 for identity switches). */
export const signalBufferSize = 100

/** PKI-IDs as events for any number of consumers, none of which can hold up another or us. */
export class Signals {
  readonly #metrics: CommMetrics
  readonly #queues = new Set<MessageQueue<Uint8Array>>()
  #closed = false

  constructor(metrics: CommMetrics) {
    this.#metrics = metrics
  }

  emit(pkiId: Uint8Array): void {
    for (const queue of this.#queues) {
      if (queue.replace(pkiId)) this.#metrics.subscriberDrops.add(1)
    }
  }

  stream(): MessageStream<Uint8Array> {
    // PKI-IDs are all of one size: only their number matters.
    const limits = { capacity: signalBufferSize, maxBytes: Infinity, bytesOf: () => 0 }
    const queue = new MessageQueue<Uint8Array>(limits, () => this.#queues.delete(queue))
    if (this.#closed) queue.end()
    else this.#queues.add(queue)
    return queue
  }

  /** Ends every stream, and those that are asked for later. */
  close(): void {
    this.#closed = true
    for (const queue of [...this.#queues]) queue.end()
  }
}
