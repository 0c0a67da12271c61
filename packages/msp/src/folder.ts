import { readFile, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { KeyObject } from 'node:crypto'
import { create, msp } from '@heddle/proto'
import { MspError } from './errors.ts'
import { readConfigFile } from './folder-config.ts'
import type { ConfiguredOu } from './folder-config.ts'
import { Msp } from './msp.ts'
import { certificateDer, decodePem } from './pem.ts'
import { parseCertificate } from './certificate.ts'
import { isKeyPair, readPrivateKey } from './signing-identity.ts'
import type { SigningIdentity } from './signing-identity.ts'

/** Files of one folder that are read at most; more are refused. */
export const maxFolderFiles = 1000

function invalid(detail: string, cause?: unknown): MspError {
  return new MspError('MSP_INVALID_FOLDER', detail, cause === undefined ? undefined : { cause })
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/** The files of `dir`, sorted by name as Go's ReadDir gives them; undefined when there is no `dir`. */
async function filesOf(dir: string): Promise<string[] | undefined> {
  try {
    const entries = await readdir(dir, { withFileTypes: true })
    if (entries.length > maxFolderFiles)
      throw invalid(`${dir} has more than ${maxFolderFiles} files`)
    const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => join(dir, name))
    return files.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  } catch (cause) {
    if (isMissing(cause)) return undefined
    if (cause instanceof MspError) throw cause
    throw invalid(`${dir} cannot be read`, cause)
  }
}

async function contentOf(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw invalid(`${file} cannot be read`, cause)
  }
}

/** The PEM files of a folder. A file without PEM is an error: Fabric skips it, we rather say so. */
async function pemsOf(dir: string): Promise<Buffer[]> {
  const pems: Buffer[] = []
  for (const file of (await filesOf(dir)) ?? []) {
    if (basename(file).startsWith('.')) continue // .gitkeep and the like
    const pem = await contentOf(file)
    if (decodePem(pem) === undefined) throw invalid(`${file} holds no PEM block`)
    pems.push(pem)
  }
  return pems
}

async function ouOf(dir: string, ou: ConfiguredOu): Promise<msp.FabricOUIdentifier> {
  const certificate =
    ou.certificate === undefined ? Buffer.alloc(0) : await contentOf(join(dir, ou.certificate))
  return create(msp.FabricOUIdentifierSchema, {
    certificate,
    organizationalUnitIdentifier: ou.organizationalUnit,
  })
}

async function nodeOusOf(
  dir: string,
  configured: Readonly<Record<string, ConfiguredOu>> | undefined,
): Promise<msp.FabricNodeOUs | undefined> {
  if (configured === undefined) return undefined
  const ous = create(msp.FabricNodeOUsSchema, { enable: true })
  for (const [role, ou] of Object.entries(configured)) {
    const message = await ouOf(dir, ou)
    if (role === 'client') ous.clientOuIdentifier = message
    if (role === 'peer') ous.peerOuIdentifier = message
    if (role === 'admin') ous.adminOuIdentifier = message
    if (role === 'orderer') ous.ordererOuIdentifier = message
  }
  return ous
}

async function configOf(dir: string, mspId: string): Promise<msp.FabricMSPConfig> {
  const rootCerts = await pemsOf(join(dir, 'cacerts'))
  if (rootCerts.length === 0) throw invalid(`${join(dir, 'cacerts')} holds no CA certificate`)
  const file = await readConfigFile(join(dir, 'config.yaml'))
  const units: msp.FabricOUIdentifier[] = []
  for (const ou of file.memberUnits) units.push(await ouOf(dir, ou))
  const fabricNodeOus = await nodeOusOf(dir, file.nodeOus)
  return create(msp.FabricMSPConfigSchema, {
    name: mspId,
    rootCerts,
    intermediateCerts: await pemsOf(join(dir, 'intermediatecerts')),
    admins: await pemsOf(join(dir, 'admincerts')),
    revocationList: await pemsOf(join(dir, 'crls')),
    organizationalUnitIdentifiers: units,
    cryptoConfig: { signatureHashFamily: 'SHA2', identityIdentifierHashFunction: 'SHA256' },
    tlsRootCerts: await pemsOf(join(dir, 'tlscacerts')),
    tlsIntermediateCerts: await pemsOf(join(dir, 'tlsintermediatecerts')),
    ...(fabricNodeOus === undefined ? {} : { fabricNodeOus }),
  })
}

/**
 * Loads an MSP from a folder in Fabric's layout: cacerts, intermediatecerts, admincerts, crls,
 * tlscacerts, tlsintermediatecerts and config.yaml; only cacerts must be there.
 *
 * @throws MspError `MSP_INVALID_FOLDER` (missing, unreadable, no PEM), `MSP_INVALID_CONFIG`
 * @see fabric v3.0.0 msp/configbuilder.go
 */
export async function loadMsp(dir: string, mspId: string): Promise<Msp> {
  return new Msp(await configOf(dir, mspId))
}

/** The key in `keystore` that belongs to the certificate, whatever its file is called. */
async function keyFor(dir: string, certificate: Buffer): Promise<KeyObject> {
  const { publicKey } = parseCertificate(certificateDer(certificate))
  const keystore = join(dir, 'keystore')
  for (const file of (await filesOf(keystore)) ?? []) {
    const pem = await contentOf(file)
    if (decodePem(pem)?.type.endsWith('PRIVATE KEY') !== true) continue
    const key = readPrivateKey(pem)
    if (isKeyPair(key, publicKey)) return key
  }
  throw new MspError(
    'MSP_KEY_NOT_FOUND',
    `${keystore} holds no key for the certificate in signcerts`,
  )
}

/**
 * Loads the node's or user's own identity: the first certificate of signcerts, its key from keystore.
 *
 * @throws MspError as {@link loadMsp}; `MSP_KEY_NOT_FOUND`; what `Msp.validate` throws when it is no
 *   valid member. Expiry is not judged: see `certificateWarnings`.
 */
export async function loadSigningIdentity(dir: string, mspId: string): Promise<SigningIdentity> {
  const own = await loadMsp(dir, mspId)
  const [certificate] = await pemsOf(join(dir, 'signcerts'))
  if (certificate === undefined) throw invalid(`${join(dir, 'signcerts')} holds no certificate`)
  const identity = own.signingIdentity(certificate, await keyFor(dir, certificate))
  own.validate(identity)
  return identity
}
