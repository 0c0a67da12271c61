import type { Caller } from '@heddle/listener'

/** What a client has of a server, or all clients of an organisation have together, while there is a call. */
export interface Holder {
  /** See `Caller`. */
  readonly key: string
  calls: number
  /** Of those: streams of blocks or entries. */
  streams: number
  /** Bytes written for it that it does not have yet. */
  unsent: number
}

/** Who makes a call. */
export interface Callers {
  readonly client: Holder
  readonly organization: Holder
}

/** The same of many, by their keys, as long as they have a call. */
export class Holders {
  readonly #byKey = new Map<string, Holder>()

  of(key: string): Holder {
    return this.#byKey.get(key) ?? { key, calls: 0, streams: 0, unsent: 0 }
  }

  /** After a change: kept while it has a call. */
  keep(holder: Holder): void {
    if (holder.calls > 0) this.#byKey.set(holder.key, holder)
    else this.#byKey.delete(holder.key)
  }
}

/** What is told about a call, and how to end it. */
export interface CallEnds {
  readonly address: string
  /** Such as `/heddle.Query/Entries`. */
  readonly method: string
  /** Ends it without waiting for the client: RESOURCE_EXHAUSTED there. */
  readonly reset: () => void
}

/** One call of a client, counted there and for its organisation from here on. */
export class ClientCall implements Callers {
  readonly caller: Caller
  readonly client: Holder
  readonly organization: Holder
  readonly address: string
  readonly method: string
  readonly reset: () => void
  /** When the client was last known to read, on the clock's `now`; of interest while something is unsent. */
  waitsSince = 0
  #unsent = 0
  readonly #isHeavy: boolean
  #isOver = false

  constructor(
    { client, organization }: Callers,
    isHeavy: boolean,
    { address, method, reset }: CallEnds,
  ) {
    this.client = client
    this.organization = organization
    this.caller = { client: client.key, organization: organization.key }
    this.address = address
    this.method = method
    this.reset = reset
    this.#isHeavy = isHeavy
    this.#count(1)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Bytes written for it that the client does not have yet. */
  get unsent(): number {
    return this.#unsent
  }

  /** So many more, or less. */
  addUnsent(bytes: number): void {
    this.#unsent += bytes
    for (const holder of [this.client, this.organization]) holder.unsent += bytes
  }

  /** Counts no more. False when it did not before. */
  end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#count(-1)
    for (const holder of [this.client, this.organization]) holder.unsent -= this.#unsent
    return true
  }

  #count(calls: number): void {
    for (const holder of [this.client, this.organization]) {
      holder.calls += calls
      if (this.#isHeavy) holder.streams += calls
    }
  }
}
