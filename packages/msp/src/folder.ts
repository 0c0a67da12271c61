import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '@heddle/interface'
import { create, msp } from '@heddle/proto'
import { parseCertificate } from './certificate.ts'
import { isListOf, parseRevocationList } from './crl.ts'
import { MspError, prefixed } from './errors.ts'
import { readConfigFile } from './folder-config.ts'
import type { ConfiguredOu, FolderConfig } from './folder-config.ts'
import { Skipped, invalid, readPems, readRevocationLists } from './folder-files.ts'
import type { PemFile } from './folder-files.ts'
import { keyFor } from './keystore.ts'
import { Msp } from './msp.ts'
import { certificateDer, decodePem } from './pem.ts'
import { refuseUnknown } from './refuse-unknown.ts'
import type { SigningIdentity } from './signing-identity.ts'

/** Options of {@link loadMsp}. */
export interface FolderOptions {
  /** Is told (warn) what of the folder is not used, and why. */
  readonly logger?: Logger
}

/** Options of {@link loadSigningIdentity}. */
export interface SigningIdentityOptions extends FolderOptions {
  /** When the certificate must not have expired. Default: now. */
  readonly at?: Date
}

/** An MSP folder on its way to a configuration. */
interface Folder {
  readonly dir: string
  readonly skipped: Skipped
  /** Which file each part came from. */
  readonly origins: Map<Uint8Array, string>
}

function contents(files: readonly PemFile[], { origins }: Folder): Buffer[] {
  return files.map(({ path, pem }) => {
    origins.set(pem, path)
    return pem
  })
}

async function pemsOf(folder: Folder, name: string): Promise<Buffer[]> {
  return contents(await readPems(join(folder.dir, name), folder.skipped), folder)
}

async function certificateOf(folder: Folder, ou: ConfiguredOu): Promise<Buffer> {
  if (ou.certificate === undefined) return Buffer.alloc(0)
  const path = join(folder.dir, ou.certificate)
  try {
    const pem = await readFile(path)
    folder.origins.set(pem, path)
    return pem
  } catch (cause) {
    throw invalid(`${ou.where}: Certificate ${path} cannot be read`, cause)
  }
}

function ouOf(organizationalUnitIdentifier: string, certificate: Buffer): msp.FabricOUIdentifier {
  return create(msp.FabricOUIdentifierSchema, { certificate, organizationalUnitIdentifier })
}

/** A role whose CA cannot be read may be issued by every CA, as in Fabric: said, not refused. */
async function nodeOuOf(
  folder: Folder,
  ou: ConfiguredOu | undefined,
): Promise<msp.FabricOUIdentifier | undefined> {
  if (ou === undefined) return undefined
  try {
    return ouOf(ou.organizationalUnit, await certificateOf(folder, ou))
  } catch (error) {
    if (!(error instanceof MspError)) throw error
    folder.skipped.add(
      ou.where,
      `names Certificate ${ou.certificate ?? ''}, which cannot be read: every CA of the MSP may issue ${JSON.stringify(ou.organizationalUnit)}`,
    )
    return ouOf(ou.organizationalUnit, Buffer.alloc(0))
  }
}

async function nodeOusOf(
  folder: Folder,
  configured: NonNullable<FolderConfig['nodeOus']>,
): Promise<msp.FabricNodeOUs> {
  const client = await nodeOuOf(folder, configured.client)
  const peer = await nodeOuOf(folder, configured.peer)
  const admin = await nodeOuOf(folder, configured.admin)
  const orderer = await nodeOuOf(folder, configured.orderer)
  return create(msp.FabricNodeOUsSchema, {
    enable: true,
    ...(client && { clientOuIdentifier: client }),
    ...(peer && { peerOuIdentifier: peer }),
    ...(admin && { adminOuIdentifier: admin }),
    ...(orderer && { ordererOuIdentifier: orderer }),
  })
}

async function configOf(folder: Folder, mspId: string): Promise<msp.FabricMSPConfig> {
  const { dir, skipped } = folder
  const rootCerts = await pemsOf(folder, 'cacerts')
  if (rootCerts.length === 0) throw invalid(`${join(dir, 'cacerts')} holds no CA certificate`)
  const { memberUnits, nodeOus } = await readConfigFile(dir, skipped)
  const units: msp.FabricOUIdentifier[] = []
  for (const ou of memberUnits) {
    units.push(ouOf(ou.organizationalUnit, await certificateOf(folder, ou)))
  }
  const tlsRootCerts = await pemsOf(folder, 'tlscacerts')
  return create(msp.FabricMSPConfigSchema, {
    name: mspId,
    rootCerts,
    intermediateCerts: await pemsOf(folder, 'intermediatecerts'),
    admins: await pemsOf(folder, 'admincerts'),
    revocationList: contents(await readRevocationLists(join(dir, 'crls')), folder),
    organizationalUnitIdentifiers: units,
    cryptoConfig: { signatureHashFamily: 'SHA2', identityIdentifierHashFunction: 'SHA256' },
    tlsRootCerts,
    tlsIntermediateCerts: await tlsIntermediates(folder, tlsRootCerts),
    ...(nodeOus && { fabricNodeOus: await nodeOusOf(folder, nodeOus) }),
  })
}

/** Without TLS roots Fabric does not look at the intermediates. */
async function tlsIntermediates(folder: Folder, roots: readonly Buffer[]): Promise<Buffer[]> {
  const found = await readPems(join(folder.dir, 'tlsintermediatecerts'), folder.skipped)
  if (roots.length > 0) return contents(found, folder)
  for (const { path } of found)
    folder.skipped.add(path, 'does not chain to a TLS root: tlscacerts is empty')
  return []
}

/** Says which folder is refused, and what of it was not used: often that is the cause. */
async function inFolder<T>(folder: Folder, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    if (!(error instanceof MspError)) throw error
    const where = error.message.includes(folder.dir) ? '' : `${folder.dir}: `
    const message = `${where}${error.message}${folder.skipped.toString()}`
    throw new MspError(error.code, message, { cause: error.cause })
  }
}

function openFolder(dir: string, { logger }: FolderOptions): Folder {
  return { dir, skipped: new Skipped(logger), origins: new Map() }
}

/** Says which revocation lists revoke nothing, as they are of no CA here. */
function sayForeignLists({ origins, skipped }: Folder, config: msp.FabricMSPConfig): void {
  const { rootCerts, intermediateCerts, tlsRootCerts, tlsIntermediateCerts } = config
  const cas = [rootCerts, intermediateCerts, tlsRootCerts, tlsIntermediateCerts]
    .flat()
    .map((pem) => parseCertificate(certificateDer(pem)))
  for (const pem of config.revocationList) {
    const list = parseRevocationList(decodePem(pem)?.der ?? pem)
    // One that names no key counts against everybody: see revocationFault.
    if (list.authorityKeyId === undefined || cas.some((ca) => isListOf(list, ca))) continue
    skipped.add(origins.get(pem) ?? '', 'is not signed by a CA of this MSP: it revokes nothing')
  }
}

async function load(folder: Folder, mspId: string): Promise<Msp> {
  const config = await configOf(folder, mspId)
  const made = new Msp(config, {}, folder.origins)
  sayForeignLists(folder, config)
  return made
}

/**
 * Loads an MSP from a folder in Fabric's layout: cacerts, intermediatecerts, admincerts, crls,
 * tlscacerts, tlsintermediatecerts and config.yaml; only cacerts must be there. Links count as what
 * they point to; what is no PEM file is skipped, except in crls.
 *
 * @throws MspError `MSP_INVALID_FOLDER` (missing, unreadable, config.yaml), `MSP_INVALID_CONFIG`,
 *   `MSP_UNSUPPORTED_MSP`, `MSP_INVALID_OPTIONS`
 * @see fabric v3.1.5 msp/configbuilder.go
 */
export async function loadMsp(
  dir: string,
  mspId: string,
  options: FolderOptions = {},
): Promise<Msp> {
  refuseUnknown(options, { logger: true } satisfies Record<keyof FolderOptions, true>)
  const folder = openFolder(dir, options)
  return inFolder(folder, () => load(folder, mspId))
}

/** Fabric takes a certificate that is not valid yet: mostly a clock is behind. So that is only said. */
function checkOwn(
  own: Msp,
  identity: SigningIdentity,
  { at = new Date(), logger }: SigningIdentityOptions,
): void {
  const { subject, notBefore } = identity
  const isEarly = at < notBefore
  own.validate(identity, isEarly ? {} : { at })
  if (!isEarly) return
  const times = { from: notBefore.toISOString(), now: at.toISOString() }
  logger?.warn('the own certificate is not valid yet', { subject, ...times })
}

/**
 * Loads the node's or user's own identity: the first certificate of signcerts, its key from keystore.
 *
 * @throws MspError as {@link loadMsp}; `MSP_KEY_NOT_FOUND`; what `Msp.validate` throws when it is no
 *   valid member; `MSP_EXPIRED` for `options.at`. One that is not valid yet is told to the logger
 * @see fabric v3.1.5 msp/mspimplsetup.go, setupSigningIdentity
 */
export async function loadSigningIdentity(
  dir: string,
  mspId: string,
  options: SigningIdentityOptions = {},
): Promise<SigningIdentity> {
  const known: Record<keyof SigningIdentityOptions, true> = { logger: true, at: true }
  refuseUnknown(options, known)
  const folder = openFolder(dir, options)
  return inFolder(folder, async () => {
    const own = await load(folder, mspId)
    const [file] = await readPems(join(dir, 'signcerts'), folder.skipped)
    if (file === undefined) throw invalid(`${join(dir, 'signcerts')} holds no certificate`)
    try {
      const key = await keyFor(dir, parseCertificate(certificateDer(file.pem)))
      const identity = own.signingIdentity(file.pem, key)
      checkOwn(own, identity, options)
      return identity
    } catch (error) {
      throw prefixed(file.path, error)
    }
  })
}
