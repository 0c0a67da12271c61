import { constants } from 'node:crypto'
import type { Server, TLSSocket } from 'node:tls'
import { ListenerError } from './errors.ts'

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

/**
 * Lets a client's certificate end at an authority that is trusted, whoever issued that, as in Go. Node
 * (20.18 to 26) has the option for contexts, and a server makes its own without passing it on.
 *
 * @throws {ListenerError} LISTENER_UNSUPPORTED_NODE when this Node keeps the context of a server elsewhere
 */
export function trustPartialChains(server: Server): void {
  type Context = { setAllowPartialTrustChain?: () => void }
  const { _sharedCreds: shared } = server as { readonly _sharedCreds?: { context?: Context } }
  const context = shared?.context
  if (context?.setAllowPartialTrustChain === undefined) {
    throw new ListenerError(
      'LISTENER_UNSUPPORTED_NODE',
      `Node ${process.version} cannot trust an intermediate authority alone: use 20.19, 22, 24 or 26`,
    )
  }
  context.setAllowPartialTrustChain()
}
