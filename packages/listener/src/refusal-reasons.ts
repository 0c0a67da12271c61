import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { ClientCertificate } from './options.ts'
import { clientCertificateState } from './tls-clients.ts'

const dayMs = 86_400_000

/** What Node calls it when a certificate comes at the wrong time. */
const ofTime = /CERT_NOT_YET_VALID|CERT_HAS_EXPIRED/

/**
 * Why the client of a finished TLS handshake is not let in; undefined when it is.
 * @param now - what our clock says, in milliseconds since 1970
 */
export function certificateReason(
  socket: TLSSocket,
  clientCertificate: ClientCertificate,
  now: number,
): string | undefined {
  if (socket.alpnProtocol !== 'h2') return 'the client does not speak HTTP/2'
  if (clientCertificate === 'unchecked') return undefined
  if (clientCertificateState(socket) === 'proved') return undefined
  const presented = socket.getPeerX509Certificate()
  if (presented) {
    const why = String(socket.authorizationError)
    const untimely = ofTime.test(why) ? timeReason(presented, now) : undefined
    if (untimely !== undefined) return untimely
    return `its TLS certificate is not of a known CA: ${why}`
  }
  return clientCertificate === 'required' ? 'the client has no TLS certificate' : undefined
}

/** Which certificate of a chain is not valid yet, or has expired, by our clock. */
function timeReason(leaf: X509Certificate, now: number): string | undefined {
  const clock = `our clock says ${new Date(now).toISOString()}`
  // Bounded: a root is its own issuer.
  let certificate: X509Certificate | undefined = leaf
  for (let depth = 0; certificate !== undefined && depth < 10; depth++) {
    const { subject, validFrom, validTo }: X509Certificate = certificate
    const whose = `${depth === 0 ? 'its TLS certificate' : 'an authority of its TLS certificate'} (${subject.replaceAll('\n', ', ')})`
    if (now < Date.parse(validFrom))
      return `${whose} is not valid before ${iso(validFrom)}: ${clock}`
    if (now > Date.parse(validTo)) return `${whose} expired on ${iso(validTo)}: ${clock}`
    certificate = certificate.issuerCertificate
  }
  return undefined
}

function iso(time: string): string {
  return new Date(time).toISOString()
}

/**
 * What is said of whoever left in the middle of the TLS handshake. It does not say why. Most often it does
 * not trust our certificate; when that is new, perhaps because it is not valid yet by a clock that is behind.
 * @param ownFrom - when our certificate became valid, in milliseconds since 1970, as `now`
 */
export function leftReason(ownFrom: number, now: number): string {
  const reason = 'it left in the middle of the TLS handshake; does it trust our certificate?'
  if (now - ownFrom > dayMs) return reason
  const from = new Date(ownFrom).toISOString()
  return `${reason} Or is its clock behind? our certificate is valid from ${from} on`
}

/**
 * Why a TLS handshake failed, without OpenSSL's line numbers.
 * @param left - what to say when the other end has left
 */
export function tlsReason(error: Error, left: string): string {
  const { code, reason } = error as { code?: unknown; reason?: unknown }
  if (isOfSystem(code)) return left
  return `the TLS handshake failed: ${typeof reason === 'string' ? reason : error.message.trim()}`
}

/** Why a connection broke, when that is something to refuse; undefined when it only ended. */
export function brokenReason(error: Error): string | undefined {
  const { code, reason } = error as { code?: unknown; reason?: unknown }
  // The second: one side has ended the session with an error code; that is no breach of HTTP/2.
  if (isOfSystem(code) || code === 'ERR_HTTP2_SESSION_ERROR') return undefined
  if (typeof reason === 'string') return `what came is not TLS any more: ${reason}`
  return `what came inside TLS is not HTTP/2 any more: ${error.message.trim()}`
}

/** Whether it is an error of the operating system, such as ECONNRESET: those of Node are `ERR_…`. */
function isOfSystem(code: unknown): boolean {
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)
}
