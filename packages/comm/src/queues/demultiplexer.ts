import { isCodedError } from '@heddle/interface'
import type { Clock, Logger } from '@heddle/interface'
import { CommError } from '../errors.ts'
import { hexOf } from '../hex.ts'
import { MessageQueue } from './message-queue.ts'
import type { CommMetrics } from '../metrics.ts'
import { RepeatedLines } from '../repeated-lines.ts'
import type {
  AcceptOptions,
  MessageHandler,
  MessagePredicate,
  MessageStream,
  ReceivedMessage,
  Unsubscribe,
} from '../types.ts'

const defaultCapacity = 100
const defaultMaxBytes = 100 * 1024 * 1024
/** Lines about subscribers that failed, in a minute: who sends decides how often they do. */
const maxFailureLines = 10

interface Subscriber {
  readonly predicate: MessagePredicate
  readonly handler: MessageHandler
  /** Told once when the demultiplexer closes. */
  readonly onClose: () => void
}

/**
 * Hands each message to every subscriber that wants it. No subscriber can disturb another: one that
 * throws is counted, one that is slow drops its own messages or holds back the connection that the
 * message came from, whichever it chose.
 */
export class Demultiplexer {
  readonly #metrics: CommMetrics
  readonly #logger: Logger | undefined
  readonly #lines: RepeatedLines
  // Replaced at each change, so that a message goes to those that were there when it came.
  #subscribers: readonly Subscriber[] = []
  #closed = false

  constructor(metrics: CommMetrics, clock: Clock, logger: Logger | undefined) {
    this.#metrics = metrics
    this.#logger = logger
    this.#lines = new RepeatedLines(clock, logger)
  }

  /** A promise when a subscriber asks to be waited for; it never rejects. */
  dispatch(message: ReceivedMessage): Promise<unknown> | undefined {
    let waits: Promise<unknown>[] | undefined
    for (const subscriber of this.#subscribers) {
      try {
        if (!subscriber.predicate(message)) continue
        const pending = subscriber.handler(message)
        if (pending === undefined) continue
        waits ??= []
        waits.push(Promise.resolve(pending).catch((error: unknown) => this.#failed(message, error)))
      } catch (error) {
        this.#failed(message, error)
      }
    }
    return waits?.length === 1 ? waits[0] : waits && Promise.all(waits)
  }

  /** Subscribes a handler; after `close` nothing ever comes. */
  onMessage(
    predicate: MessagePredicate,
    handler: MessageHandler,
    onClose: () => void = () => undefined,
  ): Unsubscribe {
    const subscriber = { predicate, handler, onClose }
    if (this.#closed) onClose()
    else this.#subscribers = [...this.#subscribers, subscriber]
    return () => {
      this.#subscribers = this.#subscribers.filter((other) => other !== subscriber)
    }
  }

  /** Subscribes a queue; after `close` it has ended. */
  accept(predicate: MessagePredicate, options: AcceptOptions = {}): MessageStream<ReceivedMessage> {
    const { capacity = defaultCapacity, whenFull = 'drop', signal } = options
    const { maxBytes = defaultMaxBytes } = options
    for (const [name, value] of Object.entries({ capacity, maxBytes })) {
      if (Number.isInteger(value) && value >= 1) continue
      const message = `${name} must be a positive integer, not ${value}`
      throw new CommError('COMM_INVALID_OPTIONS', message)
    }
    const onAbort = (): void => queue.end()
    const onEnd = (): void => {
      signal?.removeEventListener('abort', onAbort)
      unsubscribe()
    }
    const bytesOf = ({ envelope }: ReceivedMessage): number => envelope.bytes.length
    const queue = new MessageQueue<ReceivedMessage>({ capacity, maxBytes, bytesOf }, onEnd)
    const handler = whenFull === 'wait' ? this.#waiting(queue) : this.#dropping(queue)
    let unsubscribe: Unsubscribe = () => undefined
    unsubscribe = this.onMessage(predicate, handler, () => queue.end())
    if (signal?.aborted === true) queue.end()
    else signal?.addEventListener('abort', onAbort, { once: true })
    return queue
  }

  /** Ends every subscription. What is queued can still be read. */
  close(): void {
    this.#closed = true
    const subscribers = this.#subscribers
    this.#subscribers = []
    for (const { onClose } of subscribers) onClose()
  }

  #dropping(queue: MessageQueue<ReceivedMessage>): MessageHandler {
    return (message) => {
      if (!queue.offer(message)) this.#metrics.subscriberDrops.add(1)
    }
  }

  #waiting(queue: MessageQueue<ReceivedMessage>): MessageHandler {
    const insist = async (message: ReceivedMessage): Promise<void> => {
      do await queue.room()
      while (!queue.offer(message))
    }
    return (message) => (queue.offer(message) ? undefined : insist(message))
  }

  #failed({ connection }: ReceivedMessage, error: unknown): void {
    const fields = { endpoint: connection.endpoint, pkiId: hexOf(connection.pkiId) }
    // An answer to a peer that has gone meanwhile is nobody's fault.
    if (isCodedError(error, 'COMM_CLOSED')) {
      this.#logger?.debug('answer not sent', fields, error)
      return
    }
    this.#metrics.handlerErrors.add(1)
    const line = { event: 'subscriber failed', about: '', most: maxFailureLines, fields, error }
    this.#lines.write('error', line)
  }
}
