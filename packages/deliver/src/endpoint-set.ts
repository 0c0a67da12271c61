import type { Clock } from '@heddle/interface'
import type { Endpoint } from './ports.ts'

/** An endpoint and what is held against it. */
interface Rated {
  readonly endpoint: Endpoint
  readonly key: string
  /** Lies in a row: bad blocks, frames or statuses that an honest service does not send. */
  lies: number
  /** `Clock.now()` until which it is asked only when all others are suspected too. */
  suspectedUntil: number
}

/** For how long a first lie makes an endpoint suspected; doubles with each further one. */
const firstSuspicionMs = 10_000
const longestSuspicionMs = 10 * 60_000

/**
 * The endpoints of a channel, in shuffled order, and which of them to ask next.
 *
 * Failures make the next one's turn; lies make an endpoint suspected for a while. Nobody is shut
 * out for good: with all suspected, the one whose suspicion ends first is asked.
 */
export class EndpointSet {
  readonly #clock: Clock
  readonly #random: () => number
  #rated: Rated[]
  #turn = 0

  /**
   * @param random - 0 inclusive to 1 exclusive; decides the order, so that not all clients begin
   *   with the same endpoint
   */
  constructor(endpoints: readonly Endpoint[], clock: Clock, random: () => number) {
    this.#clock = clock
    this.#random = random
    this.#rated = this.#shuffled(endpoints)
  }

  /** How many endpoints there are. */
  get size(): number {
    return this.#rated.length
  }

  /** Whether `endpoint` is one of them. */
  has(endpoint: Endpoint): boolean {
    return this.#rated.some(({ key }) => key === keyOf(endpoint))
  }

  /** The endpoint whose turn it is; undefined when there is none. */
  current(): Endpoint | undefined {
    return this.inTurn()[0]
  }

  /** All of them, the one whose turn it is first; those that are suspected last, the longest last. */
  inTurn(): Endpoint[] {
    const now = this.#clock.now()
    const rated = [...this.#rated.slice(this.#turn), ...this.#rated.slice(0, this.#turn)]
    const trusted = rated.filter(({ suspectedUntil }) => suspectedUntil <= now)
    const suspected = this.#rated.filter(({ suspectedUntil }) => suspectedUntil > now)
    suspected.sort((a, b) => a.suspectedUntil - b.suspectedUntil)
    return [...trusted, ...suspected].map(({ endpoint }) => endpoint)
  }

  /** Makes it another one's turn: `endpoint` failed, or has had its turn. */
  failed(endpoint: Endpoint): void {
    const index = this.#rated.findIndex(({ key }) => key === keyOf(endpoint))
    if (index >= 0) this.#turn = (index + 1) % this.size
  }

  /** Takes note that `endpoint` lied: it is suspected, and it is another one's turn. */
  lied(endpoint: Endpoint): void {
    const rated = this.#rated.find(({ key }) => key === keyOf(endpoint))
    if (!rated) return
    rated.lies++
    const suspicion = Math.min(firstSuspicionMs * 2 ** (rated.lies - 1), longestSuspicionMs)
    rated.suspectedUntil = this.#clock.now() + suspicion
    this.failed(endpoint)
  }

  /** Takes note that `endpoint` did what it should. */
  succeeded(endpoint: Endpoint): void {
    const rated = this.#rated.find(({ key }) => key === keyOf(endpoint))
    if (!rated) return
    rated.lies = 0
    rated.suspectedUntil = 0
  }

  /**
   * Replaces the endpoints; what is held against those that stay, stays.
   *
   * @returns whether they differ from those before; an empty list changes nothing
   */
  update(endpoints: readonly Endpoint[]): boolean {
    const keys = new Set(endpoints.map(keyOf))
    const known = new Map(this.#rated.map((rated) => [rated.key, rated]))
    const same = keys.size === known.size && [...keys].every((key) => known.has(key))
    if (keys.size === 0 || same) return false
    this.#rated = this.#shuffled(endpoints).map((rated) => known.get(rated.key) ?? rated)
    this.#turn = 0
    return true
  }

  #shuffled(endpoints: readonly Endpoint[]): Rated[] {
    const distinct = new Map(endpoints.map((endpoint) => [keyOf(endpoint), endpoint]))
    return [...distinct]
      .map(([key, endpoint]) => ({
        order: this.#random(),
        rated: { endpoint, key, lies: 0, suspectedUntil: 0 },
      }))
      .sort((a, b) => a.order - b.order)
      .map(({ rated }) => rated)
  }
}

/** Tells endpoints apart: by address and by who vouches for them. */
function keyOf({ address, roots, serverName = '' }: Endpoint): string {
  return JSON.stringify([address, serverName, ...roots.map(String)])
}
