import type { Clock, ClockTimer } from '@heddle/interface'
import type { Connection } from './connection.ts'
import { CommError } from '../errors.ts'
import { hexOf } from '../hex.ts'

/** What a {@link ConnectionStore} needs to know. */
export interface ConnectionStoreOptions {
  readonly ownPkiId: Uint8Array
  readonly maxConnections: number
  /** A connection accepted within this time after one was dialled crossed it on the way. */
  readonly simultaneousMs: number
  /** How long a surplus connection lives on, so that nothing under way on it is lost. */
  readonly graceMs: number
  /** The number of connected peers has changed. */
  readonly onCount: (count: number) => void
}

interface Slot {
  active: Connection
  // Carries no new messages, but what the peer sends on it is still taken. It steps in when the
  // active one ends.
  standby: Connection | undefined
  // On its way out. Only the last one has time for it: a peer cannot have many at once.
  retiring: Connection | undefined
}

/**
 * The connections of a node: one for each peer carries messages. Whoever dials a peer that turns out
 * to be connected declines the second connection, so there are two only when
 *
 * - the peer has forgotten the first, or lost it: the newest stays;
 * - both dialled at one moment: in the end the one that the smaller PKI-ID dialled stays, on both
 *   sides. Until then each side goes on writing on its own. A Fabric peer ends the one that it
 *   dialled, at once: nothing was written on that.
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

  /**
   * Registers a connection that was just authenticated; one that was dialled, only when no other is
   * open. @returns the one to use for that peer
   */
  add(connection: Connection): Connection {
    const key = hexOf(connection.info.pkiId)
    const slot = this.#slots.get(key)
    if (slot === undefined) {
      this.#slots.set(key, { active: connection, standby: undefined, retiring: undefined })
      this.#options.onCount(this.#slots.size)
    } else if (this.#crossed(slot.active, connection)) {
      this.#keepBoth(slot, connection)
    } else {
      this.#replace(slot, connection)
    }
    return this.get(key) ?? connection
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
    if (slot?.retiring === connection) slot.retiring = undefined
    if (slot?.standby === connection) slot.standby = undefined
    if (slot?.active !== connection) return { active: slot?.active, lost: false }
    const { standby } = slot
    if (standby?.open === true) {
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

  /** Whether the peer had not heard of `old`, which we dialled, when it dialled `young`. */
  #crossed(old: Connection, young: Connection): boolean {
    if (!old.open || !old.dialled || young.dialled) return false
    return young.establishedAt - old.establishedAt <= this.#options.simultaneousMs
  }

  /** We go on with the one we dialled; if the other is to stay, we change over after a while. */
  #keepBoth(slot: Slot, young: Connection): void {
    const { active: dialled, standby } = slot
    if (standby !== undefined) this.#retire(slot, standby)
    slot.standby = young
    // Equal when it dialled itself: then the other is the other end of the same stream.
    const oursStays = Buffer.compare(this.#options.ownPkiId, young.info.pkiId) <= 0
    if (oursStays) return
    this.#schedule(dialled, () => {
      if (slot.standby?.open === true) this.#replace(slot, slot.standby)
    })
  }

  #replace(slot: Slot, young: Connection): void {
    const { active: old, standby } = slot
    slot.active = young
    slot.standby = undefined
    if (standby !== undefined && standby !== young) this.#retire(slot, standby)
    this.#retire(slot, old)
  }

  #handOver(from: Connection, to: Connection): void {
    const error = new CommError('COMM_CLOSED', 'replaced by another connection to the same peer')
    to.outgoing.adopt(from.outgoing.surrender(error))
  }

  #retire(slot: Slot, connection: Connection): void {
    this.#handOver(connection, slot.active)
    slot.retiring?.close('replaced by another connection to the same peer')
    slot.retiring = connection
    connection.finish()
    this.#schedule(connection, () => connection.close())
  }

  #schedule(connection: Connection, act: () => void): void {
    this.#timers.get(connection)?.cancel()
    const timer = this.#clock.schedule(this.#options.graceMs, () => {
      this.#timers.delete(connection)
      act()
    })
    this.#timers.set(connection, timer)
  }
}
