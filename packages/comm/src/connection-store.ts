import type { Clock, ClockTimer } from '@heddle/interface'
import type { Connection } from './connection.ts'
import { CommError } from './errors.ts'
import { hexOf } from './hex.ts'

/** What a {@link ConnectionStore} needs to know. */
export interface ConnectionStoreOptions {
  readonly ownPkiId: Uint8Array
  readonly maxConnections: number
  /** Two connections made within this time of one another were made simultaneously. */
  readonly simultaneousMs: number
  /** How long a surplus connection lives on, so that nothing under way on it is lost. */
  readonly graceMs: number
  /** The number of connected peers has changed. */
  readonly onCount: (count: number) => void
}

interface Slot {
  active: Connection
  // Lost a tie: carries no new messages, but what the peer sends on it is still taken. It steps in
  // when the winner ends, as it does when the peer is a Fabric node that judged otherwise.
  standby: Connection | undefined
}

/**
 * The connections of a node: one for each peer carries messages.
 *
 * - The peer opened a second one: the newest stays. It has forgotten the first.
 * - We opened a second one (its endpoint was known under another name): the first stays.
 * - Both opened one at the same time: the one opened by the smaller PKI-ID stays, on both sides.
 *
 * What waits in the queue of the one that goes moves to the one that stays; what it has written
 * still arrives, as it is ended gently.
 */
export class ConnectionStore {
  readonly #clock: Clock
  readonly #options: ConnectionStoreOptions
  readonly #slots = new Map<string, Slot>()
  readonly #timers = new Map<Connection, ClockTimer>()

  constructor(clock: Clock, options: ConnectionStoreOptions) {
    this.#clock = clock
    this.#options = options
  }

  /** Number of connected peers. */
  get size(): number {
    return this.#slots.size
  }

  /** Whether one more peer would be too many. */
  get full(): boolean {
    return this.#slots.size >= this.#options.maxConnections
  }

  /** The connection that carries messages to the peer with this PKI-ID in hex. */
  get(key: string): Connection | undefined {
    return this.#slots.get(key)?.active
  }

  /** Every connection that carries messages. */
  active(): Connection[] {
    return [...this.#slots.values()].map((slot) => slot.active)
  }

  /** Every connection, also those on their way out. */
  all(): Connection[] {
    const connections = new Set<Connection>(this.#timers.keys())
    for (const { active, standby } of this.#slots.values()) {
      connections.add(active)
      if (standby !== undefined) connections.add(standby)
    }
    return [...connections]
  }

  /** Registers a connection that was just authenticated. @returns the one to use for that peer */
  add(connection: Connection): Connection {
    const key = hexOf(connection.info.pkiId)
    const slot = this.#slots.get(key)
    if (slot === undefined) {
      this.#slots.set(key, { active: connection, standby: undefined })
      this.#options.onCount(this.#slots.size)
      return connection
    }
    const verdict = this.#judge(slot.active, connection)
    if (verdict === 'replace') {
      const old = slot.active
      slot.active = connection
      this.#handOver(old, connection)
      this.#retire(old)
    } else if (verdict === 'refuse') {
      this.#retire(connection)
    } else {
      this.#settleTie(slot, connection)
    }
    return slot.active
  }

  /**
   * Forgets this very connection, which is over. @returns the connection that carries messages to
   * the peer now, and whether the peer has become unreachable by this
   */
  remove(connection: Connection): { active: Connection | undefined; lost: boolean } {
    this.#timers.get(connection)?.cancel()
    this.#timers.delete(connection)
    const key = hexOf(connection.info.pkiId)
    const slot = this.#slots.get(key)
    if (slot?.standby === connection) slot.standby = undefined
    if (slot?.active !== connection) return { active: slot?.active, lost: false }
    const { standby } = slot
    if (standby?.open === true) {
      this.#timers.get(standby)?.cancel()
      this.#timers.delete(standby)
      this.#handOver(connection, standby)
      slot.active = standby
      slot.standby = undefined
      return { active: standby, lost: false }
    }
    this.#slots.delete(key)
    this.#options.onCount(this.#slots.size)
    return { active: undefined, lost: true }
  }

  /** Leaves no timer behind. */
  clearTimers(): void {
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }

  #judge(old: Connection, young: Connection): 'replace' | 'refuse' | 'tie' {
    if (!old.open) return 'replace'
    if (old.dialled === young.dialled) return young.dialled ? 'refuse' : 'replace'
    const simultaneous = young.establishedAt - old.establishedAt <= this.#options.simultaneousMs
    if (simultaneous) return 'tie'
    return young.dialled ? 'refuse' : 'replace'
  }

  #settleTie(slot: Slot, young: Connection): void {
    const weDial = Buffer.compare(this.#options.ownPkiId, young.info.pkiId) < 0
    const youngWins = young.dialled === weDial
    const loser = youngWins ? slot.active : young
    if (slot.standby !== undefined) this.#retire(slot.standby)
    if (youngWins) {
      slot.active = young
      this.#handOver(loser, young)
    }
    slot.standby = loser
    // The side that opened the loser ends it, after which the other does; failing that, we do.
    const { graceMs } = this.#options
    this.#schedule(loser, loser.dialled ? graceMs : 3 * graceMs, () => this.#retire(loser))
  }

  #handOver(from: Connection, to: Connection): void {
    const error = new CommError('COMM_CLOSED', 'replaced by another connection to the same peer')
    to.outgoing.adopt(from.outgoing.surrender(error))
  }

  #retire(connection: Connection): void {
    connection.finish()
    this.#schedule(connection, this.#options.graceMs, () => connection.close())
  }

  #schedule(connection: Connection, delayMs: number, act: () => void): void {
    this.#timers.get(connection)?.cancel()
    const timer = this.#clock.schedule(delayMs, () => {
      this.#timers.delete(connection)
      act()
    })
    this.#timers.set(connection, timer)
  }
}
