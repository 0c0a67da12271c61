import type { AddressInfo } from 'node:net'
import { type Server as TlsServer, type TLSSocket, createServer } from 'node:tls'
import { type Server, ServerCredentials } from '@grpc/grpc-js'
import type { Logger } from '@heddle/interface'
import type { ResolvedServerOptions } from './server-options.ts'

/** How long a client may take for TLS. */
const handshakeTimeoutMs = 10_000

/**
 * The port: TLS here, HTTP/2 and gRPC in grpc-js. TLS is not left to grpc-js because that one keeps
 * to itself why it refused somebody.
 */
export class Listener {
  readonly #options: ResolvedServerOptions
  readonly #logger: Logger | undefined
  readonly #sockets = new Set<TLSSocket>()
  #tls: TlsServer | undefined

  constructor(options: ResolvedServerOptions, logger: Logger | undefined) {
    this.#options = options
    this.#logger = logger
  }

  /**
   * Listens, and hands what is secure to `grpc`. Rejects with what the operating system says.
   * @returns the port that was taken
   */
  async start(grpc: Server): Promise<number> {
    const { host, port } = this.#options.listen
    const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure())
    const tls = this.#createServer((socket) => injector.injectConnection(socket))
    await new Promise<void>((resolve, reject) => {
      tls.once('error', reject)
      tls.listen(port, host, () => {
        tls.off('error', reject)
        resolve()
      })
    })
    tls.on('error', (error) => this.#logger?.error('listener failed', {}, error))
    this.#tls = tls
    return (tls.address() as AddressInfo).port
  }

  /** No new connections. */
  refuseNew(): void {
    this.#tls?.close()
    this.#tls = undefined
  }

  /** Cuts every connection. */
  cut(): void {
    this.refuseNew()
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Resolves when no connection is left: grpc-js closes each once its calls have ended. */
  async whenEmpty(): Promise<void> {
    const open = [...this.#sockets]
    await Promise.all(open.map((socket) => new Promise((done) => socket.once('close', done))))
  }

  #createServer(onSecure: (socket: TLSSocket) => void): TlsServer {
    const { certificate, key, roots } = this.#options.tls
    const server = createServer({
      cert: certificate,
      key,
      ca: roots.length > 0 ? [...roots] : undefined,
      requestCert: true,
      // Judged below, where the reason is known.
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      minVersion: 'TLSv1.2',
      handshakeTimeout: handshakeTimeoutMs,
    })
    server.on('tlsClientError', (error, socket) => {
      this.#refused(addressOf(socket), `TLS failed: ${error.message.trim()}`)
      // Node leaves it open when the time is over.
      socket.destroy()
    })
    server.on('secureConnection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', (error: Error) => this.#broken(addressOf(socket), error))
      const reason = this.#whyRefused(socket)
      if (reason === undefined) {
        onSecure(socket)
        return
      }
      this.#refused(addressOf(socket), reason)
      socket.destroy()
    })
    return server
  }

  #whyRefused(socket: TLSSocket): string | undefined {
    if (socket.alpnProtocol !== 'h2') return 'the client does not speak HTTP/2'
    if (this.#options.tls.requireClientCertificate === false || socket.authorized) return undefined
    if (!('raw' in socket.getPeerCertificate())) return 'the client has no TLS certificate'
    return `its TLS certificate is not of a known CA: ${String(socket.authorizationError)}`
  }

  #broken(address: string, error: Error): void {
    // From nghttp2: what came is not HTTP/2.
    if ('code' in error && error.code === 'ERR_HTTP2_ERROR') this.#refused(address, error.message)
    else this.#logger?.debug('connection broken', { address }, error)
  }

  #refused(address: string, reason: string): void {
    this.#logger?.warn('connection refused', { address, reason })
  }
}

function addressOf({ remoteAddress, remotePort }: TLSSocket): string {
  return `${remoteAddress ?? 'unknown'}:${remotePort ?? 0}`
}
