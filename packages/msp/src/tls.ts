import { X509Certificate, createHash, createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { MspError } from './errors.ts'
import { encodePem } from './pem.ts'
import { shown, shownAll } from './shown.ts'

/** TLS material as a person has it: PEM texts, as files or configurations hold them. */
export interface TlsSource {
  /** The own certificate, leaf first, then those of intermediate authorities. */
  readonly certificate?: string | Uint8Array
  /** The certificate's private key; given exactly when `certificate` is. */
  readonly key?: string | Uint8Array
  /** Authorities that are trusted, one certificate or more in each. None: those of Node. */
  readonly roots: readonly (string | Uint8Array)[]
}

/** What the parts are called in messages: an option, a configuration key, a file. */
export interface TlsNames {
  readonly certificate: string
  readonly key: string
  /** The list; its entries get their index. */
  readonly roots: string
}

/** {@link CheckedTls} with an own certificate: what a server needs. */
export interface CheckedServerTls extends CheckedTls {
  readonly certificate: string
  readonly key: string
  readonly certificateHash: Buffer
}

/** TLS material that was read and matched; see {@link readTls}. */
export interface CheckedTls {
  /** PEM; undefined without a certificate. */
  readonly certificate: string | undefined
  readonly key: string | undefined
  /** PEM, one certificate each. */
  readonly roots: readonly string[]
  /** All of it, for connections that go out. */
  readonly context: SecureContext
  /** SHA-256 over the DER of the own certificate: what `tls_cert_hash` must be. */
  readonly certificateHash: Buffer | undefined
}

const usualNames: TlsNames = { certificate: 'tls.certificate', key: 'tls.key', roots: 'tls.roots' }

/**
 * Reads TLS material once, so that what is wrong with it is said when an object is made and not
 * when, or instead of when, somebody connects.
 *
 * Blocks may follow each other without a line break, lines may end in CRLF, text around the blocks
 * does not count. An authority suffices without the one that issued it (a partial chain), as in Go.
 *
 * @throws {MspError} MSP_INVALID_TLS: which part, what is wrong with it, and what to do
 */
export function readTls(
  source: TlsSource & Pick<Required<TlsSource>, 'certificate' | 'key'>,
  names?: TlsNames,
): CheckedServerTls
export function readTls(source: TlsSource, names?: TlsNames): CheckedTls
export function readTls(source: TlsSource, names: TlsNames = usualNames): CheckedTls {
  const roots = source.roots.flatMap((pem, index) =>
    certificatesIn(pem, `${names.roots}[${index}]`).map(String),
  )
  const own = readOwn(source, names)
  const pair = own && { certificate: own.chain.map(String).join(''), key: own.key }
  return {
    certificate: pair?.certificate,
    key: pair?.key,
    roots,
    context: contextOf(pair, roots, names),
    certificateHash: own && createHash('sha256').update(own.leaf.raw).digest(),
  }
}

/** The own certificate with its key, matched. */
interface OwnCertificate {
  readonly leaf: X509Certificate
  readonly chain: readonly X509Certificate[]
  readonly key: string
}

function readOwn({ certificate, key }: TlsSource, names: TlsNames): OwnCertificate | undefined {
  if (certificate === undefined && key === undefined) return undefined
  if (certificate === undefined || key === undefined) {
    const [given, missing] =
      key === undefined ? [names.certificate, names.key] : [names.key, names.certificate]
    throw invalid(`${given} is given without ${missing}: give both, or neither`)
  }
  const chain = certificatesIn(certificate, names.certificate)
  const privateKey = keyIn(key, names.key)
  const [leaf] = chain
  if (leaf?.checkPrivateKey(privateKey) !== true) {
    const other = chain.findIndex((each) => each.checkPrivateKey(privateKey))
    const why =
      other > 0
        ? `belongs to certificate ${other + 1} in ${names.certificate}: put that one first`
        : `is not the key of ${names.certificate} (${leaf ? subjectOf(leaf) : ''}): give the key that the certificate was issued for`
    throw invalid(`${names.key} ${why}`)
  }
  return { leaf, chain, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

function contextOf(
  pair: { readonly certificate: string; readonly key: string } | undefined,
  roots: readonly string[],
  names: TlsNames,
): SecureContext {
  try {
    return createSecureContext({
      ...(pair && { cert: pair.certificate, key: pair.key }),
      ...(roots.length > 0 && { ca: [...roots], allowPartialTrustChain: true }),
    })
  } catch (error) {
    const code = String((error as { code?: unknown }).code)
    const why = /TOO_(?:SMALL|WEAK)/.test(code)
      ? 'have a key that is too short, or a digest that is too weak, for TLS on this Node: issue new ones, with P-256 and SHA-256'
      : `cannot be used for TLS on this Node (${code}): issue new ones, with P-256 and SHA-256`
    throw invalid(`${names.certificate} or ${names.roots} ${why}`)
  }
}

/** A block of PEM, wherever it begins in its line. */
interface TextBlock {
  readonly type: string
  /** Between the lines that begin and end it. */
  readonly body: string
}

function blocksIn(pem: string | Uint8Array, what: string, wanted: string): TextBlock[] {
  const text = Buffer.from(pem).toString('latin1')
  if (text.trim() === '') throw invalid(`${what} is empty: give the PEM text of ${wanted}`)
  const found = text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----/gs)
  const blocks = Array.from(found, ([, type = '', body = '']) => ({ type, body }))
  if (blocks.length > 0) return blocks
  throw invalid(`${what} holds no PEM: give the content of the file with ${wanted}, in PEM`)
}

const certificateTypes = ['CERTIFICATE', 'X509 CERTIFICATE']

/** All certificates in a text: at least one. */
function certificatesIn(pem: string | Uint8Array, what: string): X509Certificate[] {
  const blocks = blocksIn(pem, what, 'a certificate')
  const certificates = blocks.filter(({ type }) => certificateTypes.includes(type))
  if (certificates.length === 0) {
    const types = shownAll(blocks.map(({ type }) => type))
    throw invalid(`${what} holds ${types}, not a certificate: give the PEM text of a certificate`)
  }
  return certificates.map(({ body }, index) => {
    try {
      return new X509Certificate(derOf(body))
    } catch {
      const which = certificates.length === 1 ? 'the certificate' : `certificate ${index + 1}`
      throw invalid(`${which} in ${what} is damaged: copy it again`)
    }
  })
}

/** The first private key in a text. */
function keyIn(pem: string | Uint8Array, what: string): KeyObject {
  const blocks = blocksIn(pem, what, 'the private key')
  const found = blocks.find(({ type }) => type.endsWith('PRIVATE KEY'))
  if (!found) {
    const types = shownAll(blocks.map(({ type }) => type))
    throw invalid(`${what} holds ${types}, not a private key: give the PEM text of the key`)
  }
  const { type, body } = found
  if (type.startsWith('ENCRYPTED') || body.includes('ENCRYPTED')) {
    const cure = 'decrypt it (openssl pkey -in FILE -out PLAIN) and protect the file instead'
    throw invalid(`${what} is encrypted: ${cure}`)
  }
  try {
    return createPrivateKey(encodePem(type, derOf(body)))
  } catch {
    throw invalid(`${what} is damaged, or of a kind unknown to this Node: copy it again`)
  }
}

/** What base64 says, if it says nothing else. */
function derOf(body: string): Buffer {
  const base64 = body.replace(/\s/g, '')
  const der = Buffer.from(base64, 'base64')
  if (der.toString('base64') !== base64) throw invalid('not base64')
  return der
}

function subjectOf({ subject }: X509Certificate): string {
  return shown(subject.replaceAll('\n', ', '))
}

function invalid(message: string): MspError {
  return new MspError('MSP_INVALID_TLS', message)
}
