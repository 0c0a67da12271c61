import { ExpiryQueue } from './expiry-queue.ts'
import type { PurgeReason } from './options.ts'

/** What is kept of an identity. */
export interface Entry {
  /** The PKI-ID in hex: the key in the map. */
  readonly key: string
  readonly pkiId: Uint8Array
  readonly identity: Uint8Array
  /** Digest of the certificate in hex, the same however the identity spells it. */
  readonly certificate: string
  /** Asked once: an identity does not change its organisation. */
  readonly organization: Uint8Array | undefined
  /** Wall time; undefined: never. */
  readonly expiresAt: number | undefined
  /** By the clock's `now`. */
  lastAccess: number
  /** Who keeps it in use, and is told when it goes nevertheless. */
  readonly holders: Set<(reason: PurgeReason) => void>
}

/**
 * The identities by PKI-ID and by certificate, those that nobody holds in the order of their last
 * use, and those that expire in the order of their time.
 */
export class IdentityTable {
  readonly #byPkiId = new Map<string, Entry>()
  readonly #byCertificate = new Map<string, Entry>()
  // A set keeps the order in which its members came.
  readonly #idle = new Set<Entry>()
  readonly #expiring = new ExpiryQueue<Entry>()

  get size(): number {
    return this.#byPkiId.size
  }

  get(key: string): Entry | undefined {
    return this.#byPkiId.get(key)
  }

  /** The identity with that certificate, in whatever spelling. */
  ofCertificate(certificate: string): Entry | undefined {
    return this.#byCertificate.get(certificate)
  }

  /** All, in the order in which they came. */
  all(): Iterable<Entry> {
    return this.#byPkiId.values()
  }

  /** Of those that nobody holds, the one that was not used for the longest time. */
  get stalest(): Entry | undefined {
    const { value } = this.#idle.values().next()
    return value
  }

  /** The one that expires first. */
  get firstToExpire(): Entry | undefined {
    return this.#expiring.first
  }

  add(entry: Entry): void {
    this.#byPkiId.set(entry.key, entry)
    this.#byCertificate.set(entry.certificate, entry)
    this.#expiring.add(entry)
    this.#sort(entry)
  }

  /** False when it has gone already; another one may have come in its place. */
  remove(entry: Entry): boolean {
    if (this.#byPkiId.get(entry.key) !== entry) return false
    this.#byPkiId.delete(entry.key)
    this.#byCertificate.delete(entry.certificate)
    this.#expiring.remove(entry)
    this.#idle.delete(entry)
    return true
  }

  /** The entry was used at `now`. */
  use(entry: Entry, now: number): void {
    entry.lastAccess = now
    this.#sort(entry)
  }

  /** As {@link use}; besides, `holder` keeps it in use until {@link release}. */
  hold(entry: Entry, holder: (reason: PurgeReason) => void, now: number): void {
    entry.holders.add(holder)
    this.use(entry, now)
  }

  /** Harmless twice, and when the entry has gone. */
  release(entry: Entry, holder: (reason: PurgeReason) => void, now: number): void {
    if (entry.holders.delete(holder) && this.#byPkiId.get(entry.key) === entry) this.use(entry, now)
  }

  #sort(entry: Entry): void {
    this.#idle.delete(entry)
    if (entry.holders.size === 0) this.#idle.add(entry)
  }
}
