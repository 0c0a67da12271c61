import { createHash } from 'node:crypto'
import type { Clock } from '@heddle/interface'
import { decodeFrame, frameOf } from '../wire/frame.ts'
import type { Network } from '../ports.ts'
import type { Behaviour, Liar } from './behaviours.ts'
import { UnreachableError } from './memory-network.ts'
import type { Random } from './random.ts'

/** What the network does to messages. Probabilities are 0 to 1. */
export interface NetworkFaults {
  /** A message takes between these; different delays make one overtake another. */
  readonly minDelayMs: number
  readonly maxDelayMs: number
  /** How many of the messages never arrive. */
  readonly loss: number
  /** How many arrive twice. */
  readonly duplication: number
  /**
   * What each link carries, one message after the other, before their delay; whatever is sent waits
   * in front of it. Default: no bound.
   */
  readonly bytesPerSecond?: number
}

interface Lies {
  readonly behaviour: Behaviour
  readonly liar: Liar
}

/** May return a promise: until it resolves, no more of the sender is given. */
type Receive = (from: number, bytes: Uint8Array) => unknown

/** A network that delays, loses, duplicates, reorders and cuts, as its seed says. */
export class SimulatedNetwork {
  /** May be changed while it runs. */
  faults: NetworkFaults
  readonly #clock: Clock
  readonly #random: Random
  readonly #receivers = new Map<number, Receive>()
  readonly #liars = new Map<number, Lies>()
  readonly #transcript = createHash('sha256')
  /** When each link has carried all that was sent, by `from to`. */
  readonly #busyUntil = new Map<string, number>()
  #groups: readonly (readonly number[])[] | undefined
  /** Suppresses frames for which it returns false. */
  filter: ((from: number, to: number, bytes: Uint8Array) => boolean) | undefined
  /** Frames that arrived so far. */
  delivered = 0

  constructor(clock: Clock, random: Random, faults: NetworkFaults) {
    this.#clock = clock
    this.#random = random
    this.faults = faults
  }

  /** From now on `id` hears what is sent to it. */
  connect(id: number, receive: Receive): void {
    this.#receivers.set(id, heeding(receive))
  }

  /** Whoever sends to `id` gets an {@link UnreachableError}. */
  disconnect(id: number): void {
    this.#receivers.delete(id)
  }

  /** From now on `id` lies in this way. */
  corrupt(id: number, behaviour: Behaviour, liar: Liar): void {
    this.#liars.set(id, { behaviour, liar })
  }

  /** Only replicas of one group hear each other; undefined: all do. */
  partition(groups: readonly (readonly number[])[] | undefined): void {
    this.#groups = groups
  }

  /** From now on everybody hears everybody, in at most 10 ms, and nobody lies. */
  endFaults(): void {
    this.#liars.clear()
    this.#groups = undefined
    this.filter = undefined
    this.faults = { minDelayMs: 1, maxDelayMs: 10, loss: 0, duplication: 0 }
  }

  /** The network as replica `from` sees it. */
  port(from: number): Network {
    return { send: (to, bytes) => this.#send(from, to, bytes) }
  }

  /** A digest of everything delivered so far: equal for equal runs. */
  transcript(): string {
    return this.#transcript.copy().digest('hex')
  }

  #send(from: number, to: number, frame: Uint8Array): Promise<void> {
    if (!this.#receivers.has(to)) return Promise.reject(new UnreachableError(to))
    const lies = this.#liars.get(from)
    this.#carry(from, to, lies === undefined ? frame : this.#lie(lies, to, frame))
    return Promise.resolve()
  }

  /** What a liar sends at once in place of `frame`; what it sends later is scheduled. */
  #lie({ behaviour, liar }: Lies, to: number, frame: Uint8Array): Uint8Array {
    const now: Uint8Array[] = []
    for (const said of decodeFrame(frame).flatMap((message) => behaviour(message, to, liar)))
      if (said instanceof Uint8Array) now.push(frameOf(said))
      else this.#clock.schedule(said.afterMs, () => this.#carry(liar.id, to, frameOf(said.bytes)))
    return Buffer.concat(now)
  }

  #carry(from: number, to: number, bytes: Uint8Array): void {
    const { loss, duplication } = this.faults
    if (this.#isCut(from, to) || this.#random.chance(loss) || bytes.length === 0) return
    this.#deliverLater(from, to, bytes)
    if (this.#random.chance(duplication)) this.#deliverLater(from, to, bytes)
  }

  #deliverLater(from: number, to: number, bytes: Uint8Array): void {
    const { minDelayMs, maxDelayMs } = this.faults
    const carriedMs = this.#carriedMs(`${from} ${to}`, bytes.length)
    this.#clock.schedule(carriedMs + this.#random.between(minDelayMs, maxDelayMs), () => {
      const receive = this.#receivers.get(to)
      if (receive === undefined || this.#isCut(from, to)) return
      if (this.filter?.(from, to, bytes) === false) return
      this.delivered++
      this.#transcript.update(`${this.#clock.now()} ${from} ${to} `).update(bytes)
      receive(from, bytes)
    })
  }

  /** How long a link needs for so many bytes, behind all that waits for it. */
  #carriedMs(link: string, bytes: number): number {
    const { bytesPerSecond } = this.faults
    if (bytesPerSecond === undefined) return 0
    const now = this.#clock.now()
    const from = Math.max(this.#busyUntil.get(link) ?? now, now)
    const until = from + Math.ceil((bytes * 1_000) / bytesPerSecond)
    this.#busyUntil.set(link, until)
    return until - now
  }

  #isCut(from: number, to: number): boolean {
    if (this.#groups === undefined) return false
    return !this.#groups.some((group) => group.includes(from) && group.includes(to))
  }
}

/** {@link Receive}, with what comes of a sender that is held back waiting in order. */
function heeding(receive: Receive): Receive {
  const waiting = new Map<number, Uint8Array[]>()
  const give = (from: number, bytes: Uint8Array): void => {
    const before = waiting.get(from)
    if (before !== undefined) {
      before.push(bytes)
      return
    }
    const held = receive(from, bytes)
    if (!(held instanceof Promise)) return
    waiting.set(from, [])
    void held.then(() => {
      const frames = waiting.get(from) ?? []
      waiting.delete(from)
      for (const frame of frames) give(from, frame)
    })
  }
  return give
}
