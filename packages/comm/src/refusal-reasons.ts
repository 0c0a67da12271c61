import type { TLSSocket } from 'node:tls'

/** Why the client of a finished TLS handshake is not let in; undefined when it is. */
export function certificateReason(
  socket: TLSSocket,
  clientCertificate: 'required' | 'optional' | 'unchecked',
): string | undefined {
  if (socket.alpnProtocol !== 'h2') return 'the client does not speak HTTP/2'
  if (clientCertificate === 'unchecked' || socket.authorized) return undefined
  const presented = 'raw' in socket.getPeerCertificate()
  if (presented) {
    return `its TLS certificate is not of a known CA: ${String(socket.authorizationError)}`
  }
  return clientCertificate === 'required' ? 'the client has no TLS certificate' : undefined
}

/** Why a TLS handshake failed, without OpenSSL's line numbers. */
export function tlsReason(error: Error): string {
  const { code, reason } = error as { code?: unknown; reason?: unknown }
  if (isOfSystem(code)) return 'it left in the middle of the TLS handshake'
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
