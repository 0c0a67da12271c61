import { RingQueue } from '@heddle/events'
import { encodeForward } from '../wire/encoder.ts'
import { FairQueue } from '../requests/fair-queue.ts'
import type { Queued } from '../requests/fair-queue.ts'
import { frameOf, framingBytes, maxFrameMessages, maxJoinedBytes } from '../wire/frame.ts'
import { isLarge } from '../requests/large.ts'
import type { Owner, RequestSender } from '../requests/request-sender.ts'
import type { Network } from '../ports.ts'

export interface BroadcasterOptions {
  readonly id: number
  readonly n: number
  /** Most messages, and bytes, waiting for one destination; as many bytes of each kind of requests. */
  readonly maxSendQueue: number
  readonly maxSendQueueBytes: number
  /** Most requests of each kind waiting for one destination: own and relayed ones, small and large. */
  readonly maxPoolRequests: number
}

/** Requests of one owner and of one size: each kind has room and turns of its own. */
type Kind = `${Owner} ${'small' | 'large'}`

const kinds: readonly Kind[] = ['own small', 'own large', 'relayed small', 'relayed large']

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
  readonly forwards: FairQueue<Queued, Kind>
  /** Of `queue`. */
  bytes: number
  draining: boolean
}

/**
 * Sends to the other replicas: one bounded queue and one drainer for each, so that a slow one holds
 * back nobody else and never the caller. Order is kept per destination, but small requests pass by
 * large ones, and own ones by those of others. What waits together travels together, in one frame.
 */
export class Broadcaster implements RequestSender {
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

  forward(to: number | 'all', item: Queued, owner: Owner): void {
    if (this.#isClosed) return
    const kind: Kind = `${owner} ${isLarge(item.request) ? 'large' : 'small'}`
    for (const lane of this.#lanes) {
      if (lane === undefined || (to !== 'all' && to !== lane.to)) continue
      if (!this.#hasRoom(lane, kind, item) || !lane.forwards.push(kind, item))
        this.#observer.dropped(lane.to, 1)
    }
  }

  withdraw(item: Queued): void {
    for (const lane of this.#lanes) {
      if (lane === undefined || lane.forwards.size === 0) continue
      for (const kind of kinds) lane.forwards.remove(kind, item)
    }
  }

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

  /** One that waits alone always has room; one that waits already needs no more. */
  #hasRoom({ forwards }: Lane, kind: Kind, item: Queued): boolean {
    const bytes = forwards.bytesOf(kind)
    if (bytes === 0 || forwards.has(kind, item)) return true
    return bytes + item.request.length <= this.#options.maxSendQueueBytes
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
    while (frames.length < maxFrameMessages) {
      const length = nextLength(lane)
      if (length === undefined || (frames.length > 0 && bytes + length > maxJoinedBytes)) break
      bytes += length
      const frame = takeNext(lane)
      if (frame !== undefined) frames.push(frame)
    }
    return frames
  }
}

/** Most bytes of the frame of what is sent next. */
function nextLength({ queue, forwards }: Lane): number | undefined {
  const message = queue.peek()
  if (message !== undefined) return message.length
  const forward = forwards.peek()
  return forward && forward.request.length + framingBytes
}

/** Takes what {@link nextLength} has looked at. */
function takeNext(lane: Lane): Uint8Array | undefined {
  if (lane.queue.size === 0) {
    const forward = lane.forwards.take()
    return forward && frameOf(encodeForward(forward.request))
  }
  const message = lane.queue.shift()
  lane.bytes -= message?.length ?? 0
  return message
}

function hasWork(lane: Lane): boolean {
  return lane.queue.size > 0 || lane.forwards.size > 0
}
