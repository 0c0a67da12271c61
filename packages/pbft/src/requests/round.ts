/** What one turn is good for: a usual request. One that is longer needs several. */
export const turnBytes = 4 * 1024

/**
 * Most turns of others that the longest item waits for: a usual batch. Waiting for as many bytes of each
 * other line as it has itself, a large request of a large group would take longer than any time-out.
 */
export const maxTurnsWaited = 512

/** What can be waited for. */
export interface Sized {
  readonly request: Uint8Array
}

/** Where items wait in an order of their own. */
export interface Line<Item> {
  /** What {@link take} takes; what is of no use is dropped on the way. */
  peek(): Item | undefined
  /** Takes what {@link peek} gave just before, whatever it is of use for by now. */
  take(): Item | undefined
}

interface Place<Key, Source> {
  readonly key: Key
  readonly source: Source
  /** Turns that it has when it is its turn. */
  readonly weight: number
  /** Turns not used yet. */
  turns: number
}

/**
 * Lines, served in turn: who brings much waits for itself, and who brings little is not kept waiting
 * by it. Nobody gains much by long items, either: one takes as many turns as it has {@link turnBytes},
 * or a part of that, and waits until its line had so many, but for no more than {@link maxTurnsWaited}
 * of all the others.
 *
 * @see Shreedhar, Varghese: "Efficient fair queuing using deficit round-robin", SIGCOMM 1995
 */
export class Round<Key, Item extends Sized, Source extends Line<Item>> implements Line<Item> {
  readonly #make: (key: Key) => Source
  readonly #weightOf: (key: Key) => number
  /** Of all places. */
  #weights = 0
  readonly #places: Place<Key, Source>[] = []
  readonly #byKey = new Map<Key, Place<Key, Source>>()
  /** Whose turn it is: an index of `#places`. */
  #turn = 0

  /** @param weightOf - turns that a line has at once when the others have one; 1 or more */
  constructor(make: (key: Key) => Source, weightOf: (key: Key) => number = () => 1) {
    this.#make = make
    this.#weightOf = weightOf
  }

  /** The line of this key, which comes last when there was none; gone once it is found empty. */
  of(key: Key): Source {
    const known = this.#byKey.get(key)
    if (known !== undefined) return known.source
    const weight = this.#weightOf(key)
    const turns = this.#places.length === 0 ? weight : 0
    const place = { key, source: this.#make(key), weight, turns }
    this.#weights += weight
    this.#byKey.set(key, place)
    this.#places.push(place)
    return place.source
  }

  find(key: Key): Source | undefined {
    return this.#byKey.get(key)?.source
  }

  peek(): Item | undefined {
    for (let place = this.#current; place !== undefined; place = this.#current) {
      const item = place.source.peek()
      if (item === undefined) this.#drop(place)
      else if (place.turns >= this.#turnsOf(item, place)) return item
      else this.#begin(this.#turn + 1)
    }
    return undefined
  }

  take(): Item | undefined {
    const place = this.#current
    const item = place?.source.take()
    if (place !== undefined && item !== undefined) place.turns -= this.#turnsOf(item, place)
    return item
  }

  get #current(): Place<Key, Source> | undefined {
    return this.#places[this.#turn]
  }

  #turnsOf({ request }: Item, { weight }: Place<Key, Source>): number {
    const most = Math.floor((maxTurnsWaited * weight) / this.#weights)
    return Math.max(Math.min(Math.ceil(request.length / turnBytes), most), 1)
  }

  #begin(turn: number): void {
    this.#turn = turn < this.#places.length ? turn : 0
    const place = this.#current
    if (place !== undefined) place.turns += place.weight
  }

  #drop({ key, weight }: Place<Key, Source>): void {
    this.#byKey.delete(key)
    this.#weights -= weight
    this.#places.splice(this.#turn, 1)
    this.#begin(this.#turn)
  }
}
