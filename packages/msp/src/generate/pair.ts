import { createPublicKey } from 'node:crypto'
import { parseCertificate } from '../certificate.ts'
import type { Certificate } from '../certificate.ts'
import { MspError } from '../errors.ts'
import { certificateDer } from '../pem.ts'
import { isKeyPair, readPrivateKey } from '../signing-identity.ts'
import { chainOf } from '../trust.ts'
import { readIfThere, writeWhole } from './files.ts'
import { authorityOf, issue } from './issue.ts'
import type { Authority, CertificateRequest } from './issue.ts'

/** Where a certificate and its key are kept. */
export interface PairPaths {
  readonly certificate: string
  readonly privateKey: string
}

/** A CA on disk. Its key is read only when something must be issued: it may be kept elsewhere. */
export interface StoredAuthority {
  readonly parsed: Certificate
  readonly pem: string
  readonly open: () => Promise<Authority>
}

function foreign(detail: string, cause?: unknown): MspError {
  return new MspError('MSP_FOREIGN_MATERIAL', detail, cause === undefined ? undefined : { cause })
}

function parse(pem: string, path: string): Certificate {
  try {
    return parseCertificate(certificateDer(pem))
  } catch (cause) {
    throw foreign(`${path} is not a certificate of this network`, cause)
  }
}

function checkKept(kept: Certificate, path: string, request: CertificateRequest): void {
  const units = request.organizationalUnits ?? []
  if (kept.commonName !== request.commonName || kept.organizationalUnits.join() !== units.join()) {
    const found = `${kept.commonName ?? 'no name'} (${kept.organizationalUnits.join()})`
    throw foreign(`${path} is for ${found}, not for ${request.commonName} (${units.join()})`)
  }
}

/** Existing material is kept only when it is what would be made: same name, same role, same CA. */
async function keptPair(
  paths: PairPaths,
  request: CertificateRequest,
  issuer: StoredAuthority | undefined,
): Promise<string | undefined> {
  const pem = await readIfThere(paths.certificate)
  if (pem === undefined) return undefined
  const kept = parse(pem, paths.certificate)
  checkKept(kept, paths.certificate, request)
  try {
    chainOf(kept, { roots: [issuer?.parsed ?? kept], intermediates: [] })
  } catch (cause) {
    throw foreign(`${paths.certificate} was not issued by the CA that is kept here`, cause)
  }
  const key = await readIfThere(paths.privateKey)
  if (key === undefined) {
    if (issuer === undefined) return pem
    throw foreign(`${paths.certificate} is there, but its key ${paths.privateKey} is missing`)
  }
  if (!isKeyPair(readPrivateKey(key), kept.publicKey)) {
    throw foreign(`${paths.privateKey} is not the key of ${paths.certificate}`)
  }
  return pem
}

/**
 * Makes sure that a certificate and its key are on disk; keeps them when they are.
 *
 * The key is written first: a run cut short leaves a key, for which the next one issues.
 *
 * @returns the certificate, PEM
 * @throws MspError `MSP_FOREIGN_MATERIAL` when what is there is something else
 */
export async function ensurePair(
  paths: PairPaths,
  request: CertificateRequest,
  issuer?: StoredAuthority,
): Promise<string> {
  const kept = await keptPair(paths, request, issuer)
  if (kept !== undefined) return kept
  const privateKey = await readIfThere(paths.privateKey)
  if (privateKey !== undefined) createPublicKey(readPrivateKey(privateKey))
  const withKey = privateKey === undefined ? request : { ...request, privateKey }
  const made = await issue(withKey, await issuer?.open())
  if (privateKey === undefined) await writeWhole(paths.privateKey, made.privateKey, true)
  await writeWhole(paths.certificate, made.certificate)
  return made.certificate
}

/** A CA on disk, made when it is not there. */
export async function ensureAuthority(
  paths: PairPaths,
  request: CertificateRequest,
): Promise<StoredAuthority> {
  const pem = await ensurePair(paths, request)
  const open = async (): Promise<Authority> => {
    const privateKey = await readIfThere(paths.privateKey)
    if (privateKey !== undefined) return authorityOf({ certificate: pem, privateKey })
    throw foreign(`cannot issue certificates: the CA's key ${paths.privateKey} is missing`)
  }
  return { parsed: parse(pem, paths.certificate), pem, open }
}
