import {
  isCodedError,
  type AbortOptions,
  type ClockTimer,
  type LifecycleState,
} from '@heddle/interface'
import { IdentityError, causedError } from './errors.ts'
import { checkIdentity } from './check.ts'
import { copyOf, keyOf } from './bytes.ts'
import { mapperMetrics, type MapperMetrics } from './metrics.ts'
import {
  resolveMapperOptions,
  type MapperDeps,
  type MapperOptions,
  type PurgeReason,
  type ResolvedMapperOptions,
} from './options.ts'
import type { PeerIdentitySet } from './peer-identity-set.ts'
import type { Mapper } from './types.ts'

/**
 * A mapper that knows the node's own identity.
 *
 * @throws {IdentityError} IDENTITY_INVALID_SELF when that is not valid; IDENTITY_INVALID_OPTIONS
 */
export function createIdentityMapper(deps: MapperDeps, options: MapperOptions): Mapper {
  return new IdentityMapper(deps, resolveMapperOptions(options))
}

/** What is kept of an identity. */
interface Entry {
  /** The PKI-ID in hex: the key in the map. */
  readonly key: string
  readonly pkiId: Uint8Array
  readonly identity: Uint8Array
  /** Asked once: an identity does not change its organisation. */
  readonly organization: Uint8Array | undefined
  /** Wall time; undefined: never. */
  readonly expiresAt: number | undefined
  /** By the clock's `now`. */
  lastAccess: number
  expiry?: ClockTimer
}

class IdentityMapper implements Mapper {
  readonly #deps: MapperDeps
  readonly #options: ResolvedMapperOptions
  readonly #metrics: MapperMetrics | undefined
  readonly #entries = new Map<string, Entry>()
  readonly #selfKey: string
  #state: LifecycleState = 'idle'
  #sweep: ClockTimer | undefined

  constructor(deps: MapperDeps, options: ResolvedMapperOptions) {
    this.#deps = deps
    this.#options = options
    this.#metrics = deps.metrics && mapperMetrics(deps.metrics)
    const pkiId = deps.crypto.pkiIdOf(options.selfIdentity) ?? new Uint8Array()
    this.#selfKey = keyOf(pkiId)
    try {
      this.put(pkiId, options.selfIdentity)
    } catch (cause) {
      throw causedError('IDENTITY_INVALID_SELF', "the node's own identity is not valid", cause)
    }
  }

  get state(): LifecycleState {
    return this.#state
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws must be a rejection
  async start(options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    if (this.#state === 'stopped') throw stoppedError()
    if (this.#state === 'started') return
    this.#state = 'started'
    for (const entry of this.#entries.values()) this.#armExpiry(entry)
    this.#armSweep()
  }

  stop(): Promise<void> {
    this.#state = 'stopped'
    this.#sweep?.cancel()
    for (const entry of this.#entries.values()) entry.expiry?.cancel()
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  put(pkiId: Uint8Array, identity: Uint8Array): void {
    try {
      if (this.#state === 'stopped') throw stoppedError()
      const { maxIdentityBytes } = this.#options
      const expiresAt = checkIdentity(this.#deps.crypto, pkiId, identity, maxIdentityBytes)
      this.#store(pkiId, identity, expiresAt)
    } catch (error) {
      this.#metrics?.refused.add(1, { code: isCodedError(error) ? error.code : 'other' })
      throw error
    }
  }

  get(pkiId: Uint8Array): Uint8Array {
    const key = keyOf(pkiId)
    const entry = this.#entries.get(key)
    // The timer of an expired entry may be late, or not run because the mapper is not started.
    if (entry === undefined || this.#isExpired(entry.expiresAt)) {
      throw new IdentityError(
        'IDENTITY_NOT_FOUND',
        `no identity is known for PKI-ID ${key.slice(0, 64)}`,
      )
    }
    entry.lastAccess = this.#deps.clock.now()
    return entry.identity
  }

  sign(message: Uint8Array): Uint8Array {
    return this.#deps.crypto.sign(message)
  }

  verify(pkiId: Uint8Array, signature: Uint8Array, message: Uint8Array): void {
    this.#deps.crypto.verify(this.get(pkiId), signature, message)
  }

  pkiIdOf(identity: Uint8Array): Uint8Array | undefined {
    return this.#deps.crypto.pkiIdOf(identity)
  }

  suspectPeers(predicate: (identity: Uint8Array) => boolean): number {
    const condemned: { readonly entry: Entry; readonly reason: PurgeReason }[] = []
    for (const entry of this.#entries.values()) {
      const reason = this.#judge(entry, predicate)
      if (reason !== undefined) condemned.push({ entry, reason })
    }
    // Afterwards, because `onPurge` may call the mapper, and so may have purged some of them.
    return condemned.filter(({ entry, reason }) => this.#purge(entry, reason)).length
  }

  identityInfo(): PeerIdentitySet {
    return [...this.#entries.values()].map(({ pkiId, identity, organization }) => ({
      pkiId,
      identity,
      organization,
    }))
  }

  /** The checks that depend on time and on other identities, and the keeping. */
  #store(pkiId: Uint8Array, identity: Uint8Array, expiresAt: number | undefined): void {
    const key = keyOf(pkiId)
    if (this.#entries.has(key)) return
    if (expiresAt !== undefined && this.#isExpired(expiresAt)) {
      const message = `the peer's identity expired at ${new Date(expiresAt).toISOString()}`
      throw new IdentityError('IDENTITY_EXPIRED', message)
    }
    if (this.#entries.size >= this.#options.maxIdentities) {
      throw new IdentityError('IDENTITY_FULL', `${this.#entries.size} identities are known already`)
    }
    const entry: Entry = {
      key,
      pkiId: copyOf(pkiId),
      identity: copyOf(identity),
      organization: this.#deps.advisor.orgOf(identity),
      expiresAt,
      lastAccess: this.#deps.clock.now(),
    }
    this.#entries.set(key, entry)
    this.#metrics?.known.set(this.#entries.size)
    if (this.#state === 'started') this.#armExpiry(entry)
  }

  /** Why the entry has to go; undefined: it stays. */
  #judge(entry: Entry, isSuspected: (identity: Uint8Array) => boolean): PurgeReason | undefined {
    const unusedMs = this.#deps.clock.now() - entry.lastAccess
    if (this.#isExpired(entry.expiresAt)) return 'expired'
    if (entry.key !== this.#selfKey && unusedMs > this.#options.usageThresholdMs) return 'unused'
    if (!isSuspected(entry.identity)) return undefined
    try {
      this.#deps.crypto.validateIdentity(entry.identity)
      return undefined
    } catch (error) {
      this.#deps.logger?.debug('suspected identity is not valid', { pkiId: entry.key }, error)
      return 'invalid'
    }
  }

  /** False when the entry has gone already; another one may have come in its place. */
  #purge(entry: Entry, reason: PurgeReason): boolean {
    if (this.#entries.get(entry.key) !== entry) return false
    this.#entries.delete(entry.key)
    entry.expiry?.cancel()
    this.#metrics?.known.set(this.#entries.size)
    this.#metrics?.purged.add(1, { reason })
    this.#deps.logger?.info('purged identity', { pkiId: entry.key, reason })
    try {
      this.#options.onPurge(entry.pkiId, entry.identity, reason)
    } catch (error) {
      this.#deps.logger?.error('purge callback failed', { pkiId: entry.key, reason }, error)
    }
    return true
  }

  /** Fabric's limit: at its very time an identity is still valid. */
  #isExpired(expiresAt: number | undefined): boolean {
    return expiresAt !== undefined && this.#deps.clock.wallTime() > expiresAt
  }

  /** Purges the entry 1 ms after its time, or later if the wall clock was set back meanwhile. */
  #armExpiry(entry: Entry): void {
    if (entry.expiresAt === undefined) return
    const delayMs = entry.expiresAt + 1 - this.#deps.clock.wallTime()
    entry.expiry = this.#deps.clock.schedule(delayMs, () => {
      if (this.#isExpired(entry.expiresAt)) this.#purge(entry, 'expired')
      else this.#armExpiry(entry)
    })
  }

  /** Looks for unused identities, and those whose timer was late, again and again. */
  #armSweep(): void {
    this.#sweep = this.#deps.clock.schedule(this.#options.usageThresholdMs / 10, () => {
      this.suspectPeers(() => false)
      if (this.#state === 'started') this.#armSweep()
    })
  }
}

const stoppedError = (): IdentityError =>
  new IdentityError('IDENTITY_STOPPED', 'the identity mapper has stopped')
