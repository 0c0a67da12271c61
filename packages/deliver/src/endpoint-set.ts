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
  /** Blocks a second when that was measured last; 0 when it failed since. */
  pace: number
  /** `Clock.now()` until which `pace` counts; afterwards it is not known. */
  pacedUntil: number
}

/** For how long a first lie makes an endpoint suspected; doubles with each further one. */
const firstSuspicionMs = 10_000
const longestSuspicionMs = 10 * 60_000

/** An endpoint is too slow when another gives more than so many times as much. */
export const tooSlowBy = 2

/** A pace is remembered for so many times as long as it takes to measure that of every endpoint. */
export const pacesRemembered = 10

/** For so long one that failed is not asked only to learn its pace, in milliseconds. */
export const failureRememberedMs = 60_000

/**
 * The endpoints of a channel and which of them to ask next: those that were given, in shuffled order,
 * then those that the configuration names, in shuffled order.
 *
 * Failures make the next one's turn; lies make an endpoint suspected for a while. Nobody is shut
 * out forever: with all suspected, the one whose suspicion ends first is asked.
 */
export class EndpointSet {
  readonly #given: readonly Endpoint[]
  readonly #clock: Clock
  readonly #random: () => number
  #rated: Rated[]
  #turn = 0

  /**
   * @param given - those that stay, whatever a configuration names
   * @param random - 0 inclusive to 1 exclusive; decides the order, so that not all clients begin
   *   with the same endpoint
   */
  constructor(given: readonly Endpoint[], clock: Clock, random: () => number) {
    this.#given = given
    this.#clock = clock
    this.#random = random
    this.#rated = this.#shuffled(given)
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
    const suspected = this.#rated.filter(({ suspectedUntil }) => suspectedUntil > now)
    suspected.sort((a, b) => a.suspectedUntil - b.suspectedUntil)
    return [...this.#trustedInTurn(), ...suspected].map(({ endpoint }) => endpoint)
  }

  /** All but `endpoint` and those that are suspected, in turn. */
  others(endpoint: Endpoint | undefined): Endpoint[] {
    const key = endpoint && keyOf(endpoint)
    return this.#trustedInTurn().flatMap((rated) => (rated.key === key ? [] : [rated.endpoint]))
  }

  /** Makes it another one's turn: `endpoint` failed, or was silent. */
  failed(endpoint: Endpoint): void {
    const index = this.#rated.findIndex(({ key }) => key === keyOf(endpoint))
    if (index < 0) return
    this.#turn = (index + 1) % this.size
    const rated = this.#rated[index]
    if (!rated) return
    rated.pace = 0
    rated.pacedUntil = this.#clock.now() + failureRememberedMs
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
   * Takes note of how many blocks a second `endpoint` gave in the last `measuredMs`, while there were
   * some to give. That is too slow when nobody knows what another one would give, or when one gave
   * more than {@link tooSlowBy} times as much: then it is that one's turn.
   *
   * @returns whether it is another one's turn
   */
  isTooSlow(endpoint: Endpoint, pace: number, measuredMs: number): boolean {
    const now = this.#clock.now()
    const own = this.#rated.find(({ key }) => key === keyOf(endpoint))
    if (own) {
      own.pace = pace
      own.pacedUntil = now + pacesRemembered * measuredMs * this.size
    }
    const others = this.#trustedInTurn().filter((rated) => rated !== own)
    const unknown = others.find(({ pacedUntil }) => pacedUntil <= now)
    const [best] = [...others].sort((a, b) => b.pace - a.pace)
    const next = unknown ?? (best && best.pace > tooSlowBy * pace ? best : undefined)
    if (next) this.#turn = this.#rated.indexOf(next)
    return next !== undefined
  }

  /**
   * The configuration in force names these: they take the place of those before. What is held against
   * those that stay, stays. An address that was given is asked as it was given.
   *
   * @returns whether they differ from those before; nothing changes when none would be left
   */
  update(configured: readonly Endpoint[]): boolean {
    const given = new Set(this.#given.map(({ address }) => address))
    const others = configured.filter(({ address }) => !given.has(address))
    const keys = new Set([...this.#given, ...others].map(keyOf))
    const known = new Map(this.#rated.map((rated) => [rated.key, rated]))
    const same = keys.size === known.size && [...keys].every((key) => known.has(key))
    if (keys.size === 0 || same) return false
    const inTurn = this.#rated[this.#turn]?.key
    this.#rated = [...this.#shuffled(this.#given), ...this.#shuffled(others)].map(
      (rated) => known.get(rated.key) ?? rated,
    )
    this.#turn = Math.max(
      this.#rated.findIndex(({ key }) => key === inTurn),
      0,
    )
    return true
  }

  /** Those that are not suspected, from the one whose turn it is on. */
  #trustedInTurn(): Rated[] {
    const now = this.#clock.now()
    const inTurn = [...this.#rated.slice(this.#turn), ...this.#rated.slice(0, this.#turn)]
    return inTurn.filter(({ suspectedUntil }) => suspectedUntil <= now)
  }

  #shuffled(endpoints: readonly Endpoint[]): Rated[] {
    const distinct = new Map(endpoints.map((endpoint) => [keyOf(endpoint), endpoint]))
    return [...distinct]
      .map(([key, endpoint]) => ({ order: this.#random(), rated: unrated(endpoint, key) }))
      .sort((a, b) => a.order - b.order)
      .map(({ rated }) => rated)
  }
}

function unrated(endpoint: Endpoint, key: string): Rated {
  return { endpoint, key, lies: 0, suspectedUntil: 0, pace: 0, pacedUntil: 0 }
}

/** Tells endpoints apart: by address and by who vouches for them. */
function keyOf({ address, roots, serverName = '' }: Endpoint): string {
  return JSON.stringify([address, serverName, ...roots.map(String)])
}
