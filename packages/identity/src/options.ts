import { unknownOption } from '@heddle/interface'
import type { Clock, Logger, Metrics } from '@heddle/interface'
import { IdentityError } from './errors.ts'
import type { MessageCryptoService, SecurityAdvisor } from './ports.ts'

/**
 * Why an identity left the mapper: it was not used, its time was up, it is no longer valid, or it gave
 * way to another one (or to another spelling of its certificate) while nobody held it.
 */
export type PurgeReason = 'unused' | 'expired' | 'invalid' | 'displaced'

/** What a mapper needs from outside. */
export interface MapperDeps {
  /** Says what an identity is worth, and signs for this node. */
  readonly crypto: MessageCryptoService
  /** Says to which organisation an identity belongs. */
  readonly advisor: SecurityAdvisor
  readonly clock: Clock
  readonly logger?: Logger
  readonly metrics?: Metrics
}

/** Who the node is, and the bounds of its mapper. */
export interface MapperOptions {
  /** The node's own serialized identity. */
  readonly selfIdentity: Uint8Array
  /** An identity that was not used for longer than this is purged. Default 3,600,000 (1 h). */
  readonly usageThresholdMs?: number
  /** How many identities are kept; the next displaces one that is not held. 1 to 2^24, default 10,000. */
  readonly maxIdentities?: number
  /** The largest identity that is taken. 1 to 2^24, default 65,536. */
  readonly maxIdentityBytes?: number
  /**
   * Called once for each identity that is purged, after it is gone; may call the mapper. What it
   * throws is logged. Not called for what is left at `stop`.
   */
  readonly onPurge?: (pkiId: Uint8Array, identity: Uint8Array, reason: PurgeReason) => void
}

/** {@link MapperOptions} with every default filled in. */
export type ResolvedMapperOptions = Required<MapperOptions>

const known = Object.keys({
  ...{ selfIdentity: true, usageThresholdMs: true, maxIdentities: true, maxIdentityBytes: true },
  onPurge: true,
} satisfies Record<keyof MapperOptions, true>)

/** Fills in the defaults and checks names and ranges; the result is frozen and keeps no caller's bytes. */
export function resolveMapperOptions(options: MapperOptions): ResolvedMapperOptions {
  const unknown = unknownOption(options, known)
  if (unknown !== undefined) throw new IdentityError('IDENTITY_INVALID_OPTIONS', unknown)
  const resolved = {
    selfIdentity: Uint8Array.prototype.slice.call(options.selfIdentity),
    usageThresholdMs: options.usageThresholdMs ?? 3_600_000,
    maxIdentities: options.maxIdentities ?? 10_000,
    maxIdentityBytes: options.maxIdentityBytes ?? 65_536,
    onPurge: options.onPurge ?? (() => undefined),
  }
  checkRange('usageThresholdMs', resolved.usageThresholdMs, 2 ** 48)
  checkRange('maxIdentities', resolved.maxIdentities, 2 ** 24)
  checkRange('maxIdentityBytes', resolved.maxIdentityBytes, 2 ** 24)
  return Object.freeze(resolved)
}

function checkRange(option: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= max) return
  throw new IdentityError(
    'IDENTITY_INVALID_OPTIONS',
    `${option} must be a whole number from 1 to ${max}, not ${value}`,
  )
}
