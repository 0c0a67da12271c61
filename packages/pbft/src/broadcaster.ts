import { RingQueue } from '@heddle/events'
import { FairQueue } from './fair-queue.ts'
import { frameOf, maxFrameMessages, maxJoinedBytes } from './frame.ts'
import { isLarge } from './large.ts'
import type { Network } from './ports.ts'

export interface BroadcasterOptions {
  readonly id: number
  readonly n: number
  /** Most messages, and bytes, waiting for one destination; so many bytes of requests besides. */
  readonly maxSendQueue: number
  readonly maxSendQueueBytes: number
  /** Most forwarded requests of each size, small and large, waiting for one destination. */
  readonly maxPoolRequests: number
}

/** Told about what did not arrive. */
export interface BroadcastObserver {
  /** The queue to `to` was full: so many of its oldest messages were dropped. */
  dropped(to: number, messages: number): void
  /** The network refused a frame of so many messages. */
  failed(to: number, messages: number, error: unknown): void
}

interface Lane {
  readonly to: number
  readonly queue: RingQueue<Uint8Array>
  /** Requests on their way to the primary: they travel when no message of the protocol waits. */
  readonly forwards: FairQueue<{ readonly request: Uint8Array }>
  /** Of `queue`. */
  bytes: number
  draining: boolean
}

/**
 * Sends to the other replicas: one bounded queue and one drainer for each, so that a slow one holds
 * back nobody else and never the caller. Order is kept per destination, but small requests pass by
 * large ones. What waits together travels together, in one frame.
 */
export class Broadcaster {
  readonly #lanes: readonly (Lane | undefined)[]
  readonly #network: Network
  readonly #options: BroadcasterOptions
  readonly #observer: BroadcastObserver
  #isClosed = false

  constructor(network: Network, options: BroadcasterOptions, observer: BroadcastObserver) {
    this.#network = network
    this.#options = options
    this.#observer = observer
    this.#lanes = Array.from({ length: options.n }, (_, to) =>
      to === options.id
        ? undefined
        : {
            to,
            queue: new RingQueue<Uint8Array>(options.maxSendQueue),
            forwards: new FairQueue({ isUseful: () => true, maxItems: options.maxPoolRequests }),
            bytes: 0,
            draining: false,
          },
    )
  }

  /** Queues an encoded message for one replica; nothing for this one or an unknown one. */
  send(to: number, message: Uint8Array): void {
    const lane = this.#lanes[to]
    if (lane !== undefined && !this.#isClosed) this.#enqueue(lane, frameOf(message))
  }

  /** Queues an encoded message for every other replica. */
  broadcast(message: Uint8Array): void {
    if (this.#isClosed) return
    const frame = frameOf(message)
    for (const lane of this.#lanes) if (lane !== undefined) this.#enqueue(lane, frame)
  }

  /** Queues an encoded request; when there is no room it is dropped, for its owner to send again. */
  forward(to: number | 'all', message: Uint8Array): void {
    if (this.#isClosed) return
    const frame = frameOf(message)
    for (const lane of this.#lanes) {
      if (lane === undefined || (to !== 'all' && to !== lane.to)) continue
      const fits = lane.forwards.bytes + frame.length <= this.#options.maxSendQueueBytes
      if (!fits || !lane.forwards.push(isLarge(message) ? 1 : 0, { request: frame }))
        this.#observer.dropped(lane.to, 1)
    }
  }

  /** Whether requests wait to be sent to this replica. */
  hasForwards(to: number): boolean {
    return (this.#lanes[to]?.forwards.size ?? 0) > 0
  }

  /** Starts the drainers that have something to do. */
  flush(): void {
    for (const lane of this.#lanes) {
      if (lane !== undefined && !lane.draining && hasWork(lane)) void this.#drain(lane)
    }
  }

  /** Drops what waits, and all that comes. A frame on its way may still arrive. */
  close(): void {
    this.#isClosed = true
    for (const lane of this.#lanes) {
      lane?.queue.clear()
      lane?.forwards.clear()
    }
  }

  #enqueue(lane: Lane, frame: Uint8Array): void {
    const { maxSendQueue, maxSendQueueBytes } = this.#options
    let dropped = 0
    // The oldest go first: what is newest says most about where this replica is.
    while (
      lane.queue.size > 0 &&
      (lane.queue.size >= maxSendQueue || lane.bytes + frame.length > maxSendQueueBytes)
    ) {
      lane.bytes -= lane.queue.shift()?.length ?? 0
      dropped++
    }
    lane.queue.push(frame)
    lane.bytes += frame.length
    if (dropped > 0) this.#observer.dropped(lane.to, dropped)
  }

  async #drain(lane: Lane): Promise<void> {
    lane.draining = true
    while (hasWork(lane) && !this.#isClosed) {
      const frames = this.#take(lane)
      const [first] = frames
      try {
        // Frames after one another are one frame; a single one, often a large one, is not copied.
        const isSingle = first !== undefined && frames.length === 1
        await this.#network.send(lane.to, isSingle ? first : Buffer.concat(frames))
      } catch (error) {
        this.#observer.failed(lane.to, frames.length, error)
      }
    }
    lane.draining = false
  }

  #take(lane: Lane): Uint8Array[] {
    const frames: Uint8Array[] = []
    let bytes = 0
    for (let next = nextOf(lane); next !== undefined; next = nextOf(lane)) {
      if (frames.length > 0 && bytes + next.length > maxJoinedBytes) break
      if (frames.length >= maxFrameMessages) break
      if (lane.queue.size > 0) lane.bytes -= lane.queue.shift()?.length ?? 0
      else lane.forwards.take()
      bytes += next.length
      frames.push(next)
    }
    return frames
  }
}

function nextOf({ queue, forwards }: Lane): Uint8Array | undefined {
  return queue.peek() ?? forwards.peek()?.request
}

function hasWork(lane: Lane): boolean {
  return lane.queue.size > 0 || lane.forwards.size > 0
}
