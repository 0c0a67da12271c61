import { createHash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { create, decode, encode, msp } from '@heddle/proto'
import type { common } from '@heddle/proto'
import { LruCache } from './cache.ts'
import { parseCertificate } from './certificate.ts'
import type { Certificate } from './certificate.ts'
import { refuse, sanitizedChain } from './anchors.ts'
import type { Origins } from './anchors.ts'
import { fabricConfigOf, rulesOf } from './config.ts'
import { MspError, prefixed } from './errors.ts'
import { Identity, readSerialized, serializeIdentity } from './identity.ts'
import type { IdentityParts } from './identity.ts'
import { certificateBlock, certificateDer, encodePem } from './pem.ts'
import { satisfies } from './principals.ts'
import { refuseUnknown } from './refuse-unknown.ts'
import { certifiersIdOf, membershipFault, rolesOf } from './rules.ts'
import type { MspRules } from './rules.ts'
import { shown } from './shown.ts'
import { SigningIdentity, readPrivateKey } from './signing-identity.ts'

/** Options of {@link mspFromConfig}. */
export interface MspOptions {
  /** Identities kept parsed, at least 1; the one used longest ago goes. Default 1,000 (some 10 KB each). */
  readonly identityCacheSize?: number
}

const defaultIdentityCacheSize = 1000

interface Entry {
  readonly identity: Identity
  readonly chain: readonly Certificate[]
  /** Why it is not valid; null when it is. Decided once: an MSP does not change. */
  readonly fault: MspError | null
}

/**
 * A membership service provider: says which certificates are members of one organisation, and what
 * they are. It never changes; a new configuration makes a new one.
 */
export class Msp {
  readonly mspId: string
  /** Root certificates for TLS with this organisation, PEM. */
  readonly tlsRoots: readonly string[]
  /** Intermediate certificates for TLS, PEM. */
  readonly tlsIntermediates: readonly string[]
  readonly #config: msp.FabricMSPConfig
  readonly #rules: MspRules
  readonly #entries: LruCache<Entry>

  /** Use {@link mspFromConfig} or `loadMsp`. */
  constructor(config: msp.FabricMSPConfig, options: MspOptions = {}, origins?: Origins) {
    refuseUnknown(options, { identityCacheSize: true } satisfies Record<keyof MspOptions, true>)
    const { identityCacheSize = defaultIdentityCacheSize } = options
    if (!Number.isInteger(identityCacheSize) || identityCacheSize < 1) {
      throw new MspError(
        'MSP_INVALID_OPTIONS',
        `identityCacheSize must be 1 or more, not ${identityCacheSize}`,
      )
    }
    const copy = decode(msp.FabricMSPConfigSchema, encode(msp.FabricMSPConfigSchema, config))
    delete copy.signingIdentity
    this.#config = copy
    this.#rules = named(config.name, () => rulesOf(config, origins))
    this.#entries = new LruCache(identityCacheSize)
    this.mspId = config.name
    this.tlsRoots = config.tlsRootCerts.map((pem) => Buffer.from(pem).toString('latin1'))
    this.tlsIntermediates = config.tlsIntermediateCerts.map((pem) =>
      Buffer.from(pem).toString('latin1'),
    )
    named(config.name, () => this.#checkAdmins(config.admins, origins))
  }

  /**
   * The identity in a SerializedIdentity, whose certificate must chain to this MSP. Cached.
   * Whether it is a valid member is another question: {@link validate}.
   *
   * White space may follow the certificate; identities from the network go through
   * `checkWellFormed` too.
   *
   * @throws MspError `MSP_UNKNOWN_MSP`, `MSP_MALFORMED_IDENTITY`, `MSP_TRAILING_BYTES`,
   *   `MSP_UNSUPPORTED_CERTIFICATE`, `MSP_UNKNOWN_AUTHORITY`, `MSP_AMBIGUOUS_CHAIN`
   */
  deserialize(serialized: Uint8Array): Identity {
    return this.#entry(serialized).identity
  }

  /**
   * Throws unless the identity is a valid member: issued by a CA at the edge of the tree, not a CA
   * itself, not revoked, organisational units as configured.
   *
   * @param options - at: also refuse when its certificate is not valid at that time. Without it
   *   expiry does not count, as in Fabric: what an identity signed stays valid.
   * @throws MspError as {@link deserialize}, `MSP_CA_AS_IDENTITY`, `MSP_INTERNAL_ISSUER`,
   *   `MSP_REVOKED`, `MSP_NO_ORGANIZATIONAL_UNIT`, `MSP_WRONG_ORGANIZATIONAL_UNIT`, `MSP_NO_ROLE`,
   *   `MSP_SEVERAL_ROLES`, `MSP_WRONG_CERTIFIER`, `MSP_EXPIRED`, `MSP_NOT_YET_VALID`
   */
  validate(identity: Identity, options: { readonly at?: Date } = {}): void {
    const { fault } = this.#entry(identity.serialized)
    if (fault !== null) throw fault
    if (options.at !== undefined) checkValidity(identity, options.at)
  }

  /** Whether the identity is what `principal` asks for; a principal that makes no sense is never met. */
  satisfies(identity: Identity, principal: common.MSPPrincipal): boolean {
    return satisfies(principal, {
      rules: this.#rules,
      identity,
      isValid: () => this.#entry(identity.serialized).fault === null,
      idOf: (serialized) => this.deserialize(serialized).id,
    })
  }

  /**
   * An identity of this MSP that can sign. Its identity bytes are the certificate as Fabric writes
   * it (low-S, PEM of 64 columns): so its PKI-ID is the one that a Fabric node would have.
   *
   * @param certificate - PEM
   * @param privateKey - PEM (PKCS#8 or SEC 1) or a key object
   * @throws MspError `MSP_KEY_MISMATCH`, and as {@link deserialize}; validity and expiry are not judged
   */
  signingIdentity(
    certificate: Uint8Array | string,
    privateKey: KeyObject | Uint8Array | string,
  ): SigningIdentity {
    const [{ der }] = sanitizedChain(parseCertificate(certificateDer(certificate)), this.#rules)
    const pem = encodePem('CERTIFICATE', der)
    const { parts } = this.#parts(serializeIdentity(this.mspId, Buffer.from(pem, 'latin1')))
    return new SigningIdentity(parts, readPrivateKey(privateKey))
  }

  /** The configuration as a channel carries it, without any signing identity. */
  toConfig(): msp.MSPConfig {
    const config = encode(msp.FabricMSPConfigSchema, this.#config)
    return create(msp.MSPConfigSchema, { type: 0, config })
  }

  #entry(serialized: Uint8Array): Entry {
    const key = createHash('sha256').update(serialized).digest('base64')
    const cached = this.#entries.get(key)
    if (cached !== undefined) return cached
    // Copied: what is cached must not hold, or change with, the buffer that it came in.
    const { parts, chain } = this.#parts(Uint8Array.prototype.slice.call(serialized))
    const identity = new Identity(parts)
    const fault = membershipFault(this.#rules, identity, chain) ?? null
    const entry = { identity, chain, fault }
    this.#entries.set(key, entry)
    return entry
  }

  #parts(serialized: Uint8Array): { parts: IdentityParts; chain: readonly Certificate[] } {
    const { mspId, idBytes } = readSerialized(serialized)
    if (mspId !== this.mspId) {
      throw new MspError(
        'MSP_UNKNOWN_MSP',
        `identity of ${shown(mspId)}, not of ${shown(this.mspId)}`,
      )
    }
    const { der, rest } = certificateBlock(idBytes)
    if (rest.trim() !== '') {
      throw new MspError('MSP_TRAILING_BYTES', 'bytes follow the PEM block of the identity')
    }
    const chain = sanitizedChain(parseCertificate(der), this.#rules)
    const [certificate] = chain
    const id = createHash('sha256').update(certificate.der).digest('hex')
    const roles = rolesOf(this.#rules, certificate.organizationalUnits, id)
    const certifiersId = certifiersIdOf(chain.slice(1))
    return { parts: { mspId, serialized, certificate, certifiersId, roles }, chain }
  }

  /** Somebody must be able to administer, and every listed administrator must be a member. */
  #checkAdmins(pems: readonly Uint8Array[], origins: Origins | undefined): void {
    const { admins, nodeOus } = this.#rules
    if (admins.size === 0 && nodeOus?.has('admin') !== true) {
      throw refuse(
        'the MSP has neither administrators (admincerts) nor an organisational unit for them (NodeOUs in config.yaml)',
      )
    }
    pems.forEach((pem, at) => {
      this.#checkAdmin(pem, origins?.get(pem) ?? `${at + 1} of ${pems.length}`)
    })
  }

  #checkAdmin(pem: Uint8Array, where: string): void {
    const { identity, fault } = this.#entry(serializeIdentity(this.mspId, pem))
    const { nodeOus } = this.#rules
    // With NodeOUs a client or an admin will do, even one that is revoked since.
    const hasRole = (['client', 'admin'] as const).some((role) => {
      const ou = nodeOus?.get(role)
      return ou !== undefined && identity.organizationalUnits.includes(ou.organizationalUnit)
    })
    const isIssued = fault?.code !== 'MSP_CA_AS_IDENTITY' && fault?.code !== 'MSP_INTERNAL_ISSUER'
    const refused = nodeOus === undefined ? fault !== null : !hasRole || !isIssued
    if (!refused) return
    throw refuse(
      `administrator ${shown(identity.subject)} (${where}) is not a valid member`,
      fault ?? undefined,
    )
  }
}

/** Says whose MSP it is that `make` refuses. */
function named<T>(mspId: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw prefixed(`MSP ${shown(mspId)}`, error)
  }
}

/** Throws `MSP_EXPIRED` or `MSP_NOT_YET_VALID` when the identity's certificate is not valid at `at`. */
function checkValidity(identity: Identity, at: Date): void {
  const { subject, notBefore, expiresAt } = identity
  const when = `judged for ${at.toISOString()}`
  if (at > expiresAt) {
    throw new MspError(
      'MSP_EXPIRED',
      `certificate ${shown(subject)} expired at ${expiresAt.toISOString()} (${when})`,
    )
  }
  if (at < notBefore) {
    throw new MspError(
      'MSP_NOT_YET_VALID',
      `certificate ${shown(subject)} is valid from ${notBefore.toISOString()} on (${when})`,
    )
  }
}

/**
 * An MSP from its configuration, as a channel's config block or `loadMsp` gives it.
 *
 * @throws MspError `MSP_INVALID_CONFIG`, with the cause; `MSP_INVALID_OPTIONS`
 * @see fabric v3.0.0 msp/mspimplsetup.go
 */
export function mspFromConfig(
  config: msp.MSPConfig | msp.FabricMSPConfig,
  options?: MspOptions,
): Msp {
  return new Msp(fabricConfigOf(config), options)
}
