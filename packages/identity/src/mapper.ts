import {
  isCodedError,
  type AbortOptions,
  type ClockTimer,
  type LifecycleState,
} from '@heddle/interface'
import { IdentityError, causedError } from './errors.ts'
import { checkIdentity, type CheckedIdentity } from './check.ts'
import { copyOf, keyOf } from './bytes.ts'
import { IdentityTable, type Entry } from './identity-table.ts'
import { mapperMetrics, type MapperMetrics } from './metrics.ts'
import {
  resolveMapperOptions,
  type MapperDeps,
  type MapperOptions,
  type PurgeReason,
  type ResolvedMapperOptions,
} from './options.ts'
import { OrganizationMemory } from './organization-memory.ts'
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

class IdentityMapper implements Mapper {
  readonly #deps: MapperDeps
  readonly #options: ResolvedMapperOptions
  readonly #metrics: MapperMetrics | undefined
  readonly #table = new IdentityTable()
  readonly #gone: OrganizationMemory
  #state: LifecycleState = 'idle'
  // One for all: for the next sweep, or for the identity that expires before it.
  #timer: ClockTimer | undefined
  #nextSweep = 0

  constructor(deps: MapperDeps, options: ResolvedMapperOptions) {
    this.#deps = deps
    this.#options = options
    this.#metrics = deps.metrics && mapperMetrics(deps.metrics)
    this.#gone = new OrganizationMemory(options.maxIdentities)
    const pkiId = deps.crypto.pkiIdOf(options.selfIdentity) ?? new Uint8Array()
    try {
      this.put(pkiId, options.selfIdentity)
    } catch (cause) {
      throw causedError('IDENTITY_INVALID_SELF', "the node's own identity is not valid", cause)
    }
    // The node itself is always in use.
    this.hold(pkiId, () => undefined)
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
    this.#nextSweep = this.#deps.clock.now() + this.#sweepMs
    this.#arm()
  }

  stop(): Promise<void> {
    this.#state = 'stopped'
    this.#timer?.cancel()
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  put(pkiId: Uint8Array, identity: Uint8Array): void {
    try {
      if (this.#state === 'stopped') throw stoppedError()
      const { maxIdentityBytes } = this.#options
      const checked = checkIdentity(this.#deps.crypto, pkiId, identity, maxIdentityBytes)
      this.#store(pkiId, identity, checked)
    } catch (error) {
      this.#metrics?.refused.add(1, { code: isCodedError(error) ? error.code : 'other' })
      throw error
    }
  }

  get(pkiId: Uint8Array): Uint8Array {
    const entry = this.#known(pkiId)
    this.#table.use(entry, this.#deps.clock.now())
    return entry.identity
  }

  hold(pkiId: Uint8Array, onPurge: (reason: PurgeReason) => void): () => void {
    const entry = this.#known(pkiId)
    // A function of its own, because somebody may hold it twice with one and the same.
    const holder = (reason: PurgeReason): void => onPurge(reason)
    this.#table.hold(entry, holder, this.#deps.clock.now())
    return () => this.#table.release(entry, holder, this.#deps.clock.now())
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

  organizationOf(pkiId: Uint8Array): Uint8Array | undefined {
    const key = keyOf(pkiId)
    return this.#table.get(key)?.organization ?? this.#gone.get(key)
  }

  suspectPeers(predicate: (identity: Uint8Array) => boolean): number {
    const condemned: { readonly entry: Entry; readonly reason: PurgeReason }[] = []
    for (const entry of this.#table.all()) {
      const reason = this.#judge(entry, predicate)
      if (reason !== undefined) condemned.push({ entry, reason })
    }
    // Afterwards, because `onPurge` may call the mapper, and so may have purged some of them.
    return condemned.filter(({ entry, reason }) => this.#purge(entry, reason)).length
  }

  identityInfo(): PeerIdentitySet {
    return [...this.#table.all()].map(({ pkiId, identity, organization }) => ({
      pkiId,
      identity,
      organization,
    }))
  }

  get #sweepMs(): number {
    return this.#options.usageThresholdMs / 10
  }

  #known(pkiId: Uint8Array): Entry {
    const key = keyOf(pkiId)
    const entry = this.#table.get(key)
    // The timer of an expired entry may be late, or not run because the mapper is not started.
    if (entry !== undefined && !this.#isExpired(entry.expiresAt)) return entry
    throw new IdentityError(
      'IDENTITY_NOT_FOUND',
      `no identity is known for PKI-ID ${key.slice(0, 64)}`,
    )
  }

  /** The checks that depend on time and on other identities, and the keeping. */
  #store(
    pkiId: Uint8Array,
    identity: Uint8Array,
    { expiresAt, certificate }: CheckedIdentity,
  ): void {
    const key = keyOf(pkiId)
    if (this.#table.get(key) !== undefined) return
    if (this.#isExpired(expiresAt)) {
      const message = `the peer's identity expired at ${new Date(Number(expiresAt)).toISOString()}`
      throw new IdentityError('IDENTITY_EXPIRED', message)
    }
    const displaced = this.#displaced(certificate)
    if (displaced !== undefined) this.#table.remove(displaced)
    const entry: Entry = {
      key,
      pkiId: copyOf(pkiId),
      identity: copyOf(identity),
      certificate,
      organization: this.#deps.advisor.orgOf(identity),
      expiresAt,
      lastAccess: this.#deps.clock.now(),
      holders: new Set(),
    }
    this.#table.add(entry)
    this.#metrics?.known.set(this.#table.size)
    if (this.#state === 'started') this.#arm()
    if (displaced !== undefined) this.#gonePast(displaced, 'displaced')
  }

  /** Who gives way to an identity with this certificate: nobody who is in use. */
  #displaced(certificate: string): Entry | undefined {
    const twin = this.#table.ofCertificate(certificate)
    if (twin !== undefined && twin.holders.size > 0) {
      const message = `its certificate is in use under PKI-ID ${twin.key}, in another spelling`
      throw new IdentityError('IDENTITY_DUPLICATE', message)
    }
    if (twin !== undefined) return twin
    const { size } = this.#table
    if (size < this.#options.maxIdentities) return undefined
    const { stalest } = this.#table
    if (stalest !== undefined) return stalest
    throw new IdentityError('IDENTITY_FULL', `${size} identities are already in use`)
  }

  /** Why the entry has to go; undefined: it stays. */
  #judge(entry: Entry, isSuspected: (identity: Uint8Array) => boolean): PurgeReason | undefined {
    const unusedMs = this.#deps.clock.now() - entry.lastAccess
    if (this.#isExpired(entry.expiresAt)) return 'expired'
    if (entry.holders.size === 0 && unusedMs > this.#options.usageThresholdMs) return 'unused'
    if (!isSuspected(entry.identity)) return undefined
    try {
      this.#deps.crypto.validateIdentity(entry.identity)
      return undefined
    } catch (error) {
      this.#deps.logger?.debug('suspected identity is not valid', { pkiId: entry.key }, error)
      return 'invalid'
    }
  }

  /** False when the entry has gone already. */
  #purge(entry: Entry, reason: PurgeReason): boolean {
    if (!this.#table.remove(entry)) return false
    this.#metrics?.known.set(this.#table.size)
    this.#gonePast(entry, reason)
    return true
  }

  /** Tells everybody that the entry has gone. */
  #gonePast(entry: Entry, reason: PurgeReason): void {
    const { key, organization } = entry
    // Else one certificate's spellings would push everybody else out of the memory.
    const respelled = this.#table.ofCertificate(entry.certificate) !== undefined
    if (organization !== undefined && !respelled) this.#gone.remember(key, organization)
    this.#metrics?.purged.add(1, { reason })
    // Who makes others give way must not fill the log with it.
    const level = reason === 'displaced' ? 'debug' : 'info'
    this.#deps.logger?.[level]('purged identity', { pkiId: key, reason })
    for (const holder of entry.holders) this.#tell(entry, reason, () => holder(reason))
    const { onPurge } = this.#options
    this.#tell(entry, reason, () => onPurge(entry.pkiId, entry.identity, reason))
  }

  #tell({ key }: Entry, reason: PurgeReason, callback: () => void): void {
    try {
      callback()
    } catch (error) {
      this.#deps.logger?.error('purge callback failed', { pkiId: key, reason }, error)
    }
  }

  /** Fabric's limit: at its very time an identity is still valid. */
  #isExpired(expiresAt = Infinity): boolean {
    return this.#deps.clock.wallTime() > expiresAt
  }

  /** Waits for the next sweep, or for 1 ms after the time of the identity that expires first. */
  #arm(): void {
    const { clock } = this.#deps
    this.#timer?.cancel()
    const expiresAt = this.#table.firstToExpire?.expiresAt ?? Infinity
    const delayMs = Math.min(this.#nextSweep - clock.now(), expiresAt + 1 - clock.wallTime())
    this.#timer = clock.schedule(delayMs, () => this.#tick())
  }

  /** Purges who has expired (nobody, if the wall clock was set back); sweeps when it is time. */
  #tick(): void {
    for (let next = this.#table.firstToExpire; next; next = this.#table.firstToExpire) {
      if (!this.#isExpired(next.expiresAt)) break
      this.#purge(next, 'expired')
    }
    if (this.#deps.clock.now() >= this.#nextSweep) {
      this.suspectPeers(() => false)
      this.#nextSweep = this.#deps.clock.now() + this.#sweepMs
    }
    if (this.#state === 'started') this.#arm()
  }
}

const stoppedError = (): IdentityError =>
  new IdentityError('IDENTITY_STOPPED', 'the identity mapper has stopped')
