import type { TLSSocket } from 'node:tls'
import type { Authorities } from './authorities.ts'
import { clientCertificateState } from './tls-clients.ts'

/** Who is at the other end of a connection. */
export interface Caller {
  /** Tells clients apart: the SHA-256 fingerprint of its TLS certificate, or without one its host. */
  readonly client: string
  /**
   * Tells who may have made many of them: the fingerprint of the trusted authority that its certificate ends
   * at, or without a certificate that was proved its host.
   */
  readonly organization: string
}

/** Who is at the other end of a finished TLS handshake. */
export function callerOf(socket: TLSSocket, authorities: Authorities): Caller {
  const { remoteAddress: host = '' } = socket
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return callerFrom(host)
  const isProved = clientCertificateState(socket) === 'proved' && !authorities.isEmpty
  const organization = isProved ? authorities.of(certificate) : host
  return { client: certificate.fingerprint256, organization }
}

/** A caller of which no more than its host is known. */
export function callerFrom(host: string): Caller {
  return { client: host, organization: host }
}
