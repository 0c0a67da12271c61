import { constants } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

/**
 * For a TLS server that judges client certificates: no session is resumed, so each connection shows
 * its certificate. Without tickets a resumption needs a cache on the server, and Node has none.
 */
export const noResumption = { secureOptions: constants.SSL_OP_NO_TICKET } as const

/**
 * What the client of a finished TLS handshake has shown. `authorized` alone proves nothing: Node 20
 * and 22 set it for a resumed TLS 1.3 session without any certificate.
 */
export function clientCertificateState(socket: TLSSocket): 'none' | 'proved' | 'wrong' {
  if (socket.getPeerX509Certificate() === undefined) return 'none'
  return socket.authorized ? 'proved' : 'wrong'
}
