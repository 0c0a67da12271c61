import { RingQueue } from '@heddle/events'
import { CommError } from '../errors.ts'

/** How many pushes may wait for room in one queue; the next is refused with COMM_QUEUE_FULL. */
export const maxWaitingPushes = 1024

/** A message on its way into a queue. */
export interface Entry {
  readonly bytes: Buffer
  /** It is in the queue. */
  readonly accepted: () => void
  /** It will never be. */
  readonly refused: (error: Error) => void
  /** Whoever pushed it has given up. */
  abandoned?: boolean
}

/** The bounds of a {@link SendQueue}. */
export interface QueueLimits {
  /** Messages that can be taken. */
  readonly capacity: number
  /** Their bytes together, and the largest message. */
  readonly maxBytes: number
  /** Bytes of those that wait for room; one may always. */
  readonly maxWaitingBytes: number
}

const accepted = Promise.resolve()

/**
 * The outgoing messages of one peer, in order, with a bound on their number and on their bytes (one
 * message always fits). `offer` gives up when it is full, `push` waits; who waits is never overtaken.
 * Who waits is bounded in number and bytes, too.
 *
 * A closed gate (no connection yet) lets nothing in: what is offered then waits, up to `capacity`.
 */
export class SendQueue {
  readonly #items: RingQueue<Buffer>
  readonly #limits: QueueLimits
  readonly #onItem: () => void
  #waiting: Entry[] = []
  #bytes = 0
  #waitingBytes = 0
  #open: boolean
  #closed: CommError | undefined

  /** @param onItem - called when there is something to take after there was nothing */
  constructor(options: QueueLimits & { readonly open: boolean }, onItem: () => void) {
    this.#items = new RingQueue(options.capacity)
    this.#limits = options
    this.#open = options.open
    this.#onItem = onItem
  }

  /** Messages that can be taken now. */
  get size(): number {
    return this.#items.size
  }

  /** Appends without waiting. False when there is no room. */
  offer(bytes: Buffer): boolean {
    if (this.#closed !== undefined) return false
    if (bytes.length > this.#limits.maxBytes) return false
    if (this.#open && this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#append(bytes)
      return true
    }
    if (this.#open || this.#waiting.length >= this.#items.capacity) return false
    if (!this.#mayWait(bytes)) return false
    this.#enqueue({ bytes, accepted: nothing, refused: nothing })
    return true
  }

  /** Appends, waiting for room. Rejects with why the queue was closed, or the signal's reason. */
  push(bytes: Buffer, signal?: AbortSignal): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
    if (bytes.length > this.#limits.maxBytes) return Promise.reject(this.#tooLarge(bytes))
    if (this.#open && this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#append(bytes)
      return accepted
    }
    if (this.#waiting.length >= maxWaitingPushes || !this.#mayWait(bytes)) {
      const { length } = this.#waiting
      const message = `${length} messages (${this.#waitingBytes} bytes) already wait for this peer`
      return Promise.reject(new CommError('COMM_QUEUE_FULL', message))
    }
    return this.#wait(bytes, signal)
  }

  /** The next message to write. */
  take(): Buffer | undefined {
    const bytes = this.#items.shift()
    if (bytes === undefined) return undefined
    this.#bytes -= bytes.length
    if (this.#waiting.length > 0) this.#admit()
    return bytes
  }

  /** Everything not yet taken, in order; the queue is closed with `error`. */
  surrender(error: CommError): Entry[] {
    this.#closed = error
    const entries: Entry[] = []
    for (let bytes = this.#items.shift(); bytes !== undefined; bytes = this.#items.shift()) {
      entries.push({ bytes, accepted: nothing, refused: nothing })
    }
    entries.push(...this.#waiting)
    this.#waiting = []
    this.#bytes = 0
    this.#waitingBytes = 0
    return entries
  }

  /**
   * Takes over what another queue surrendered, behind what is here; what has no room waits, whatever
   * waits already: it is in memory anyway.
   * @returns how many messages were lost unheard, because this queue is closed
   */
  adopt(entries: readonly Entry[]): number {
    if (this.#closed !== undefined) return refuse(entries, this.#closed)
    for (const entry of entries) this.#enqueue(entry)
    this.#admit()
    return 0
  }

  /** Refuses all that waits and forgets the rest. @returns how many messages were lost unheard */
  close(error: CommError): number {
    return refuse(this.surrender(error), error)
  }

  #tooLarge(bytes: Buffer): CommError {
    const { maxBytes } = this.#limits
    const message = `an envelope of ${bytes.length} bytes; at most ${maxBytes} are allowed`
    return new CommError('COMM_MESSAGE_TOO_LARGE', message)
  }

  #fits(bytes: Buffer): boolean {
    const { size, capacity } = this.#items
    return size === 0 || (size < capacity && this.#bytes + bytes.length <= this.#limits.maxBytes)
  }

  #mayWait(bytes: Buffer): boolean {
    if (this.#waiting.length === 0) return true
    return this.#waitingBytes + bytes.length <= this.#limits.maxWaitingBytes
  }

  #enqueue(entry: Entry): void {
    this.#waiting.push(entry)
    this.#waitingBytes += entry.bytes.length
  }

  #append(bytes: Buffer): void {
    this.#items.push(bytes)
    this.#bytes += bytes.length
    // The writer may take it, and more, before this returns.
    if (this.#items.size === 1) this.#onItem()
  }

  #admit(): void {
    if (!this.#open) return
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (next.abandoned !== true && !this.#fits(next.bytes)) return
      this.#waiting.shift()
      this.#waitingBytes -= next.bytes.length
      next.accepted()
      if (next.abandoned !== true) this.#append(next.bytes)
    }
  }

  #wait(bytes: Buffer, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => signal?.removeEventListener('abort', onAbort)
      const entry: Entry = {
        bytes,
        accepted: () => {
          settle()
          resolve()
        },
        refused: (error) => {
          settle()
          reject(error)
        },
      }
      const onAbort = (): void => {
        entry.abandoned = true
        const at = this.#waiting.indexOf(entry)
        if (at >= 0) this.#forget(at)
        reject(signal?.reason as Error)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#enqueue(entry)
    })
  }

  #forget(at: number): void {
    const [entry] = this.#waiting.splice(at, 1)
    this.#waitingBytes -= entry?.bytes.length ?? 0
  }
}

function refuse(entries: readonly Entry[], error: CommError): number {
  for (const entry of entries) entry.refused(error)
  return entries.filter(({ refused }) => refused === nothing).length
}

function nothing(): void {
  // a message that nobody waits for
}
