import { sign } from 'node:crypto'
import { create, msp as proto } from '@heddle/proto'
import { authorityOf, issue } from '../generate/issue.ts'
import type { Authority, CertificateRequest, CertifiedKey } from '../generate/issue.ts'
import { pkiIdOf, serializeIdentity } from '../identity.ts'
import type { Role } from '../identity.ts'
import { mspFromConfig } from '../msp.ts'
import type { Msp } from '../msp.ts'
import { readPrivateKey } from '../signing-identity.ts'
import type { SigningIdentity } from '../signing-identity.ts'
import { toLowS } from '../signature.ts'

const dayMs = 24 * 60 * 60 * 1000

/** What {@link createTestOrganization} takes. */
export interface TestOrganizationOptions {
  readonly mspId: string
  /** Default: the MSP id in lower case, under `.example.com`. */
  readonly domain?: string
}

/** How an identity differs from an ordinary one. */
export interface IdentityOptions {
  /** Default: five minutes ago. */
  readonly notBefore?: Date
  /** Default: in ten years. */
  readonly notAfter?: Date
  /** Default: the role. */
  readonly organizationalUnits?: readonly string[]
}

/**
 * Somebody who should be refused: of another CA that bears the same name, expired yesterday, valid
 * from tomorrow, with an organisational unit that is no role, with none, with two roles.
 */
export type IdentityVariant =
  'other-ca' | 'expired' | 'not-yet-valid' | 'wrong-ou' | 'no-ou' | 'two-roles'

/** Signs like a SigningIdentity, whether or not any MSP would accept it. */
export interface TestSigner {
  readonly serialized: Uint8Array
  readonly pkiId: Uint8Array
  /** PEM. */
  readonly certificate: string
  readonly privateKey: string
  sign(message: Uint8Array): Uint8Array
}

/** Certificate, key and roots for TLS, PEM. */
export interface TlsMaterial {
  readonly certificate: string
  readonly key: string
  readonly roots: readonly string[]
}

/** An intermediate TLS CA. */
export interface TlsIntermediate {
  /** Its own certificate, PEM. */
  readonly certificate: string
  /** As `TestOrganization.tls`; its only root is the intermediate CA itself. */
  tls(name: string): Promise<TlsMaterial>
}

/** An organisation in memory: CAs, an MSP with NodeOUs, and identities and TLS certificates on demand. */
export interface TestOrganization {
  readonly mspId: string
  readonly domain: string
  readonly ca: CertifiedKey
  readonly tlsCa: CertifiedKey
  readonly msp: Msp
  /** A member with a fresh key. Rejects as `Msp.signingIdentity` does. */
  identity(name: string, role: Role, options?: IdentityOptions): Promise<SigningIdentity>
  /** Somebody who should be refused. */
  variant(name: string, variant: IdentityVariant): Promise<TestSigner>
  /** A TLS certificate for `name`, localhost and 127.0.0.1, valid for both ends of a connection. */
  tls(name: string, options?: Pick<IdentityOptions, 'notBefore' | 'notAfter'>): Promise<TlsMaterial>
  /** A TLS CA under the organisation's; what it issues has no chain with it. */
  tlsIntermediate(): Promise<TlsIntermediate>
  /** Any certificate of the CA, also such as an MSP refuses. */
  issue(request: CertificateRequest): Promise<CertifiedKey>
}

function nodeOu(
  ca: string,
  organizationalUnitIdentifier: Role,
): {
  certificate: Uint8Array
  organizationalUnitIdentifier: string
} {
  return { certificate: Buffer.from(ca, 'latin1'), organizationalUnitIdentifier }
}

function mspOf(mspId: string, ca: string, tlsCa: string): Msp {
  return mspFromConfig(
    create(proto.FabricMSPConfigSchema, {
      name: mspId,
      rootCerts: [Buffer.from(ca, 'latin1')],
      tlsRootCerts: [Buffer.from(tlsCa, 'latin1')],
      fabricNodeOus: {
        enable: true,
        clientOuIdentifier: nodeOu(ca, 'client'),
        peerOuIdentifier: nodeOu(ca, 'peer'),
        adminOuIdentifier: nodeOu(ca, 'admin'),
        ordererOuIdentifier: nodeOu(ca, 'orderer'),
      },
    }),
  )
}

function signerOf(mspId: string, pair: CertifiedKey): TestSigner {
  const serialized = serializeIdentity(mspId, Buffer.from(pair.certificate, 'latin1'))
  const key = readPrivateKey(pair.privateKey)
  return {
    serialized,
    pkiId: pkiIdOf(serialized) ?? new Uint8Array(),
    ...pair,
    sign: (message) => toLowS(sign('sha256', message, key)),
  }
}

function unitsOf(variant: IdentityVariant): readonly string[] {
  if (variant === 'wrong-ou') return ['accounting']
  if (variant === 'no-ou') return []
  return variant === 'two-roles' ? ['peer', 'client'] : ['peer']
}

async function issueTls(
  name: string,
  authority: Authority,
  validity: Pick<CertificateRequest, 'notBefore' | 'notAfter'>,
): Promise<TlsMaterial> {
  const sans = [...new Set([name, 'localhost', '127.0.0.1'])]
  const pair = await issue({ commonName: name, purpose: 'tls', sans, ...validity }, authority)
  return { certificate: pair.certificate, key: pair.privateKey, roots: [authority.certificate] }
}

/** Makes an organisation without touching the disk; some 10 ms, and 5 ms for each certificate. */
export async function createTestOrganization(
  options: TestOrganizationOptions,
): Promise<TestOrganization> {
  const { mspId, domain = `${options.mspId.toLowerCase()}.example.com` } = options
  const now = Math.floor(Date.now() / 1000) * 1000
  const usual = { notBefore: new Date(now - 5 * 60_000), notAfter: new Date(now + 3650 * dayMs) }
  // Valid since long ago, so that expired members can be issued.
  const caValidity = { notBefore: new Date(now - 3650 * dayMs), notAfter: usual.notAfter }
  const newCa = async (kind: string): Promise<Authority> =>
    authorityOf(
      await issue({
        commonName: `${kind}.${domain}`,
        organization: domain,
        purpose: 'ca',
        ...caValidity,
      }),
    )
  const [ca, tlsCa] = await Promise.all([newCa('ca'), newCa('tlsca')])
  const msp = mspOf(mspId, ca.certificate, tlsCa.certificate)
  const validityOf = (variant: IdentityVariant): typeof usual => {
    if (variant === 'expired')
      return { notBefore: new Date(now - 9 * dayMs), notAfter: new Date(now - dayMs) }
    return variant === 'not-yet-valid' ? { ...usual, notBefore: new Date(now + dayMs) } : usual
  }
  return {
    mspId,
    domain,
    ca,
    tlsCa,
    msp,
    identity: async (name, role, identityOptions = {}) => {
      const { organizationalUnits = [role], ...validity } = identityOptions
      const pair = await issue(
        {
          commonName: `${name}.${domain}`,
          organizationalUnits,
          purpose: 'member',
          ...usual,
          ...validity,
        },
        ca,
      )
      return msp.signingIdentity(pair.certificate, pair.privateKey)
    },
    variant: async (name, variant) => {
      const request: CertificateRequest = {
        commonName: `${name}.${domain}`,
        organizationalUnits: unitsOf(variant),
        purpose: 'member',
        ...validityOf(variant),
      }
      return signerOf(mspId, await issue(request, variant === 'other-ca' ? await newCa('ca') : ca))
    },
    tls: (name, validity = {}) => issueTls(name, tlsCa, { ...usual, ...validity }),
    tlsIntermediate: async () => {
      const commonName = `tlsica.${domain}`
      const pair = await issue({ commonName, purpose: 'ca', ...caValidity }, tlsCa)
      const authority = authorityOf(pair)
      return { certificate: pair.certificate, tls: (name) => issueTls(name, authority, usual) }
    },
    issue: (request) => issue(request, ca),
  }
}
