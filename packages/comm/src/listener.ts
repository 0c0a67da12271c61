import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:tls'
import type { Server as TlsServer, TLSSocket } from 'node:tls'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { sendUnaryData, ServerDuplexStream } from '@grpc/grpc-js'
import type { Clock, Logger } from '@heddle/interface'
import { formatEndpoint } from './endpoint.ts'
import { CommError, reasonOf } from './errors.ts'
import { GossipStream } from './gossip-stream.ts'
import type { CommMetrics } from './metrics.ts'
import type { ResolvedCommOptions } from './options.ts'
import { addressOf, PendingSockets } from './pending-sockets.ts'
import { emptyMessage, gossipService, transportOptions } from './wire.ts'

/** A peer needs one stream and a ping at a time; a probe beside it does no harm. */
const maxConcurrentStreams = 16

/** What a {@link Listener} needs. */
export interface ListenerDeps {
  readonly clock: Clock
  readonly logger: Logger | undefined
  readonly metrics: CommMetrics
  /** Takes each stream that a remote side opens; nobody has authenticated yet. */
  readonly onStream: (stream: GossipStream) => void
}

/**
 * The port: TLS, then HTTP/2 with the service `gossip.Gossip`.
 *
 * TLS is terminated here and not in grpc-js, because that way a refused certificate has a reason,
 * and every TCP connection has a time limit until its peer has authenticated. A certificate of a CA
 * that is not ours is refused by TLS; none at all is refused by the handshake, as in Fabric.
 */
export class Listener {
  readonly #options: ResolvedCommOptions
  readonly #deps: ListenerDeps
  readonly #sockets: PendingSockets
  #tls: TlsServer | undefined
  #grpc: Server | undefined

  constructor(options: ResolvedCommOptions, deps: ListenerDeps) {
    this.#options = options
    this.#deps = deps
    const { setupTimeoutMs: timeoutMs, maxPendingConnections: capacity } = options
    this.#sockets = new PendingSockets(deps.clock, { timeoutMs, capacity }, (address, reason) =>
      this.#refused(address, `nobody authenticated: ${reason}`),
    )
  }

  /** TCP connections over which nobody has authenticated. */
  get pending(): number {
    return this.#sockets.size
  }

  /** Listens. @returns `host:port` @throws {CommError} COMM_LISTEN_FAILED */
  async start(): Promise<string> {
    const { host, port } = this.#options.listen
    const grpc = this.#grpcServer()
    const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure())
    const tls = this.#tlsServer((socket) => injector.injectConnection(socket))
    this.#grpc = grpc
    this.#tls = tls
    try {
      await new Promise<void>((resolve, reject) => {
        tls.once('error', reject)
        tls.listen(port, host, () => {
          tls.off('error', reject)
          resolve()
        })
      })
    } catch (cause) {
      grpc.forceShutdown()
      const where = formatEndpoint(host, port)
      const message = `cannot listen on ${where}: ${reasonOf(cause)}; is another process using it?`
      throw new CommError('COMM_LISTEN_FAILED', message, { cause })
    }
    tls.on('error', (error) => this.#deps.logger?.error('listener failed', {}, error))
    return formatEndpoint(host, (tls.address() as AddressInfo).port)
  }

  /** Someone has authenticated over the TCP connection from `address`. */
  settle(address: string): void {
    this.#sockets.settle(address)
  }

  /** The stream of that peer has ended. */
  unsettle(address: string): void {
    this.#sockets.unsettle(address)
  }

  /** No new TCP connections. */
  refuseNew(): void {
    this.#tls?.close()
  }

  /** Cuts what is left. Resolves when no socket is. */
  async stop(): Promise<void> {
    const tls = this.#tls
    if (tls === undefined) return
    const closed = tls.listening
      ? new Promise<void>((resolve) => tls.close(() => resolve()))
      : undefined
    this.#grpc?.forceShutdown()
    this.#sockets.destroyAll()
    await closed
  }

  #tlsServer(onSecure: (socket: TLSSocket) => void): TlsServer {
    const { certificate, key, roots } = this.#options.tls
    const server = createServer({
      cert: certificate,
      key,
      ca: [...roots],
      requestCert: true,
      // Judged below, where the reason is known.
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      minVersion: 'TLSv1.2',
      handshakeTimeout: this.#options.setupTimeoutMs,
    })
    server.on('connection', (socket: Socket) => this.#sockets.add(socket))
    server.on('tlsClientError', (error, socket) =>
      this.#refused(addressOf(socket), `TLS failed: ${error.message.trim()}`),
    )
    server.on('secureConnection', (socket) => {
      const address = addressOf(socket)
      socket.on('error', (error: Error) => this.#broken(address, error))
      const reason = whyRefused(socket)
      if (reason === undefined) {
        onSecure(socket)
        return
      }
      this.#refused(address, reason)
      socket.destroy()
    })
    return server
  }

  #grpcServer(): Server {
    const server = new Server({
      ...transportOptions(this.#options),
      'grpc.max_concurrent_streams': maxConcurrentStreams,
    })
    server.addService(gossipService, {
      ping: (_call: unknown, answer: sendUnaryData<Buffer>) => answer(null, emptyMessage),
      gossipStream: (call: ServerDuplexStream<Buffer, Buffer>) =>
        this.#deps.onStream(GossipStream.accepted(call)),
    })
    return server
  }

  #broken(address: string, error: Error): void {
    // From nghttp2: what came is not HTTP/2.
    if ('code' in error && error.code === 'ERR_HTTP2_ERROR') this.#refused(address, error.message)
    else this.#deps.logger?.debug('connection broken', { address }, error)
  }

  #refused(address: string, reason: string): void {
    this.#deps.metrics.refusals.add(1, { code: 'COMM_CONNECTION_REFUSED' })
    this.#deps.logger?.warn('connection refused', { address, reason })
  }
}

function whyRefused(socket: TLSSocket): string | undefined {
  if (socket.alpnProtocol !== 'h2') return 'the client does not speak HTTP/2'
  // Without a certificate TLS completes; the handshake refuses with `no TLS certificate`.
  const presented = 'raw' in socket.getPeerCertificate()
  if (!presented || socket.authorized) return undefined
  return `its TLS certificate is not of a known CA: ${String(socket.authorizationError)}`
}
