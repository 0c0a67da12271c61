import { BoundedMap, Budget } from '@heddle/events'
import type { BudgetLimit } from '@heddle/events'
import type { Clock } from '@heddle/interface'
import type { Caller } from '@heddle/listener'

/** So many seconds' worth a client may spend at once. */
export const burstSeconds = 5

/** The same of all clients of an organisation: they begin together when they are in one hand. */
export const organizationBurstSeconds = 2

/** Clients, and organisations, whose budgets are remembered when they have left: of more, those that came last. */
export const maxRememberedClients = 1000

/** How much in a second. */
export interface Paces {
  readonly perClient: number
  /** Of all clients of an organisation together. */
  readonly perOrganization: number
}

/** What a client may spend: the first of its own, the others of what it shares. To be spent one after the other. */
export type ClientBudget<Name extends string> = readonly Budget<Name>[]

/** What each client may spend in a second, and all those of an organisation together. */
export class ClientBudgets<Name extends string> {
  readonly #clients: Budgets<Name>
  readonly #organizations: Budgets<Name>

  constructor(clock: Clock, name: Name, { perClient, perOrganization }: Paces) {
    this.#clients = new Budgets(clock, name, { perSecond: perClient, seconds: burstSeconds })
    const seconds = organizationBurstSeconds
    this.#organizations = new Budgets(clock, name, { perSecond: perOrganization, seconds })
  }

  of({ client, organization }: Caller): ClientBudget<Name> {
    return [this.#clients.of(client), this.#organizations.of(organization)]
  }
}

/** What each of many may spend in a second; it begins with what it had left when it went. */
export class Budgets<Name extends string> {
  readonly #clock: Clock
  readonly #name: Name
  readonly #limit: BudgetLimit
  readonly #byKey = new BoundedMap<Budget<Name>>(maxRememberedClients)

  /** @param seconds - how many seconds' worth may be spent at once */
  constructor(
    clock: Clock,
    name: Name,
    { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
  ) {
    this.#clock = clock
    this.#name = name
    this.#limit = { perSecond, burst: seconds * perSecond }
  }

  /** @param key - of a client or an organisation, see `Caller` */
  of(key: string): Budget<Name> {
    const budget = this.#byKey.get(key) ?? this.#made()
    this.#byKey.set(key, budget)
    return budget
  }

  #made(): Budget<Name> {
    const limits = { [this.#name]: this.#limit } as Record<Name, BudgetLimit>
    return new Budget(this.#clock, { limits, maxHeldMs: Infinity })
  }
}
