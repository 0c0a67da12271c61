import { Server } from 'node:tls'
import type { PortTls } from './options.ts'
import { noResumption, trustPartialChains } from './tls-clients.ts'

const longestTimer = 2 ** 31 - 1

/**
 * A TLS server for HTTP/2 that lets every client through the handshake: whoever gets its connections judges
 * the certificates, where the reason is known.
 *
 * @throws {ListenerError} LISTENER_UNSUPPORTED_NODE
 */
export function createTlsServer({ certificate, key, roots }: PortTls): Server {
  const server = new Server({
    cert: certificate,
    key,
    ca: roots.length > 0 ? [...roots] : undefined,
    requestCert: true,
    ...noResumption,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.2',
    // The time limit is ours, which has a reason.
    handshakeTimeout: longestTimer,
  })
  trustPartialChains(server)
  return server
}
