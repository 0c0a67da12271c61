import { BoundedMap, Budget } from '@heddle/events'
import type { Clock } from '@heddle/interface'

/** So many seconds' worth may be spent at once. */
export const burstSeconds = 5

/** Clients whose budgets are remembered when they have left: of more, those that came last. */
export const maxRememberedClients = 1000

/** What each client may spend in a second; it begins with what it had left when it went. */
export class ClientBudgets<Name extends string> {
  readonly #clock: Clock
  readonly #name: Name
  readonly #perSecond: number
  readonly #byClient = new BoundedMap<Budget<Name>>(maxRememberedClients)

  constructor(clock: Clock, name: Name, perSecond: number) {
    this.#clock = clock
    this.#name = name
    this.#perSecond = perSecond
  }

  /** @param client - see `clientKey` */
  of(client: string): Budget<Name> {
    const budget = this.#byClient.get(client) ?? this.#made()
    this.#byClient.set(client, budget)
    return budget
  }

  #made(): Budget<Name> {
    const limit = { perSecond: this.#perSecond, burst: burstSeconds * this.#perSecond }
    const limits = { [this.#name]: limit } as Record<Name, typeof limit>
    return new Budget(this.#clock, { limits, maxHeldMs: Infinity })
  }
}
