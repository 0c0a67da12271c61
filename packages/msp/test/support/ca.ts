import 'reflect-metadata'
import { KeyObject, randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { create, msp } from '@heddle/proto'
import { encodePem } from '../../src/pem.ts'
import { mspFromConfig } from '../../src/msp.ts'
import type { Msp } from '../../src/msp.ts'
import { serializeIdentity } from '../../src/identity.ts'

export { x509 }

export const ec = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const dayMs = 86_400_000
const now = Math.floor(Date.now() / 1000) * 1000

export interface Pair {
  readonly certificate: x509.X509Certificate
  readonly keys: webcrypto.CryptoKeyPair
  readonly pem: string
  readonly keyPem: string
}

export interface Spec {
  readonly subject: string
  readonly issuer?: Pair
  /** Names another issuer than the one that signs. */
  readonly issuerName?: string
  readonly ca?: boolean
  readonly pathLength?: number
  readonly usage?: x509.KeyUsageFlags | null
  readonly purposes?: readonly string[]
  readonly extensions?: readonly x509.Extension[]
  readonly subjectKeyId?: boolean
  readonly keys?: webcrypto.CryptoKeyPair
  readonly algorithm?: { name: string; hash?: string; namedCurve?: string }
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** Hexadecimal; random unless given. */
  readonly serial?: string
}

export async function newKeys(
  algorithm: Record<string, unknown> = ec,
): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(algorithm as never, true, ['sign', 'verify'])
}

/** How a key signs, SHA-256 where it needs a digest. */
function signingAlgorithm({
  algorithm,
}: webcrypto.CryptoKey): Record<string, unknown> & { name: string } {
  return { ...ec, saltLength: 32, ...algorithm }
}

export const algorithms = {
  'P-384': { ...ec, namedCurve: 'P-384' },
  'P-521': { ...ec, namedCurve: 'P-521' },
  RSA: rsa('RSASSA-PKCS1-v1_5'),
  'RSA-PSS': rsa('RSA-PSS'),
  Ed25519: { name: 'Ed25519' },
}

function rsa(name: string): Record<string, unknown> & { name: string } {
  return { name, hash: 'SHA-256', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) }
}

/** The key usage bits: those of a CA or a member, unless told otherwise; null = no extension. */
function usageOf({ usage, ca }: Spec): x509.Extension[] {
  const { keyCertSign, cRLSign, digitalSignature } = x509.KeyUsageFlags
  if (usage === null) return []
  if (usage !== undefined) return [new x509.KeyUsagesExtension(usage, true)]
  if (ca === true) return [new x509.KeyUsagesExtension(keyCertSign | cRLSign, true)]
  return [new x509.KeyUsagesExtension(digitalSignature, true)]
}

async function extensionsOf(spec: Spec, key: webcrypto.CryptoKey): Promise<x509.Extension[]> {
  const extensions = [
    new x509.BasicConstraintsExtension(spec.ca === true, spec.pathLength, true),
    ...usageOf(spec),
    ...(spec.extensions ?? []),
  ]
  if (spec.purposes !== undefined) {
    extensions.push(new x509.ExtendedKeyUsageExtension([...spec.purposes]))
  }
  if (spec.subjectKeyId !== false) {
    extensions.push(await x509.SubjectKeyIdentifierExtension.create(key))
  }
  return extensions
}

/** Issues any certificate, sound or not. */
export async function certify(spec: Spec): Promise<Pair> {
  const keys = spec.keys ?? (await newKeys())
  const signer = (spec.issuer?.keys ?? keys).privateKey
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: spec.serial ?? `40${randomBytes(8).toString('hex')}`,
    subject: spec.subject,
    issuer: spec.issuerName ?? spec.issuer?.certificate.subject ?? spec.subject,
    notBefore: spec.notBefore ?? new Date(now - dayMs),
    notAfter: spec.notAfter ?? new Date(now + dayMs),
    publicKey: keys.publicKey,
    signingKey: signer,
    signingAlgorithm: { ...signingAlgorithm(signer), ...spec.algorithm },
    extensions: await extensionsOf(spec, keys.publicKey),
  })
  return {
    certificate,
    keys,
    pem: encodePem('CERTIFICATE', Buffer.from(certificate.rawData)),
    keyPem: KeyObject.from(keys.privateKey).export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}

/** A revocation list of `issuer`; `authority` is whose key id it names, default the issuer's. */
export async function revoke(
  issuer: Pair,
  serials: readonly string[],
  authority: Pair | null = issuer,
  hash?: string,
): Promise<string> {
  const crl = await x509.X509CrlGenerator.create({
    issuer: issuer.certificate.subject,
    thisUpdate: new Date(now - dayMs),
    nextUpdate: new Date(now + dayMs),
    entries: serials.map((serialNumber) => ({ serialNumber, revocationDate: new Date(now) })),
    extensions:
      authority === null
        ? []
        : [await x509.AuthorityKeyIdentifierExtension.create(authority.keys.publicKey)],
    signingAlgorithm: { ...signingAlgorithm(issuer.keys.privateKey), ...(hash ? { hash } : {}) },
    signingKey: issuer.keys.privateKey,
  })
  return encodePem('X509 CRL', Buffer.from(crl.rawData))
}

export interface MspSpec {
  readonly roots: readonly Pair[]
  readonly intermediates?: readonly Pair[]
  readonly admins?: readonly Pair[]
  readonly crls?: readonly string[]
  readonly tlsRoots?: readonly Pair[]
  readonly tlsIntermediates?: readonly Pair[]
  readonly memberUnits?: readonly (readonly [string, Pair])[]
  /** Role to unit, or to unit and its CA; undefined = no NodeOUs. */
  readonly nodeOus?: Partial<
    Record<'client' | 'peer' | 'admin' | 'orderer', string | readonly [string, Pair]>
  >
}

const bytes = (pem: string): Buffer => Buffer.from(pem, 'latin1')

function ouOf(value: string | readonly [string, Pair]): {
  certificate: Uint8Array
  organizationalUnitIdentifier: string
} {
  if (typeof value === 'string')
    return { certificate: new Uint8Array(), organizationalUnitIdentifier: value }
  return { certificate: bytes(value[1].pem), organizationalUnitIdentifier: value[0] }
}

export const usualOus = {
  client: 'client',
  peer: 'peer',
  admin: 'admin',
  orderer: 'orderer',
} as const

export function configOf(spec: MspSpec): msp.FabricMSPConfig {
  const pems = (pairs: readonly Pair[] = []): Uint8Array[] => pairs.map(({ pem }) => bytes(pem))
  const ous = spec.nodeOus
  return create(msp.FabricMSPConfigSchema, {
    name: 'Org1MSP',
    rootCerts: pems(spec.roots),
    intermediateCerts: pems(spec.intermediates),
    admins: pems(spec.admins),
    revocationList: (spec.crls ?? []).map(bytes),
    tlsRootCerts: pems(spec.tlsRoots),
    tlsIntermediateCerts: pems(spec.tlsIntermediates),
    organizationalUnitIdentifiers: (spec.memberUnits ?? []).map(ouOf),
    ...(ous === undefined
      ? {}
      : {
          fabricNodeOus: {
            enable: true,
            ...(ous.client === undefined ? {} : { clientOuIdentifier: ouOf(ous.client) }),
            ...(ous.peer === undefined ? {} : { peerOuIdentifier: ouOf(ous.peer) }),
            ...(ous.admin === undefined ? {} : { adminOuIdentifier: ouOf(ous.admin) }),
            ...(ous.orderer === undefined ? {} : { ordererOuIdentifier: ouOf(ous.orderer) }),
          },
        }),
  })
}

export function mspOf(spec: MspSpec): Msp {
  return mspFromConfig(configOf(spec))
}

export function identityOf(pair: Pair): Uint8Array {
  return serializeIdentity('Org1MSP', bytes(pair.pem))
}
