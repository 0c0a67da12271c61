import { Server } from '@grpc/grpc-js'
import type {
  sendUnaryData,
  ServerDuplexStream,
  ServerInterceptingCall,
  ServerInterceptor,
} from '@grpc/grpc-js'
import type { Clock, LogFields, Logger } from '@heddle/interface'
import { boundIncoming, GrpcPort, UnfinishedMessages } from '@heddle/listener'
import type { RefusalLog } from '@heddle/listener'
import { formatEndpoint } from './endpoint.ts'
import { CommError, reasonOf } from '../errors.ts'
import { GossipStream } from './gossip-stream.ts'
import type { ResolvedCommOptions } from '../options.ts'
import { emptyMessage, gossipService, transportOptions } from './wire.ts'

/** A peer needs one stream and a ping at a time; a probe beside it does no harm. */
const maxConcurrentStreams = 16

/**
 * Most bytes of the first messages of all calls of a connection, as long as they are not whole: an
 * introduction with the largest identity, twice.
 */
export const maxFirstBytes = 128 * 1024

/** The same of all connections: then the one with the most gives way. */
export const maxFirstBytesOfAll = 8 * 1024 * 1024

/** What a {@link GossipServer} needs. */
export interface GossipServerDeps {
  readonly clock: Clock
  readonly logger: Logger | undefined
  readonly refusals: RefusalLog
  /** Takes each stream that a remote side opens; nobody has authenticated yet. */
  readonly onStream: (stream: GossipStream) => void
}

/**
 * The service `gossip.Gossip` on a port of its own. Every TCP connection has a time limit
 * until its peer has authenticated. A certificate of a CA that is not ours is refused by TLS; none
 * at all is refused by the handshake, as in Fabric.
 */
export class GossipServer {
  readonly #options: ResolvedCommOptions
  readonly #deps: GossipServerDeps
  readonly #port: GrpcPort
  /** Messages of those who have not said who they are, by connection. */
  readonly #first = new UnfinishedMessages({
    maxBytesEach: maxFirstBytes,
    maxBytes: maxFirstBytesOfAll,
  })
  /** Later ones, by certificate: nobody gets so far without one. */
  readonly #later: UnfinishedMessages
  #grpc: Server | undefined

  constructor(options: ResolvedCommOptions, deps: GossipServerDeps) {
    this.#options = options
    this.#deps = deps
    // A message, in whatever parts it comes, and one of a connection that takes the place of the first.
    this.#later = new UnfinishedMessages({
      maxBytesEach: 2 * options.maxMessageBytes,
      maxBytes: Infinity,
    })
    const { listen, setupTimeoutMs, maxPendingConnections, maxConnectionsPerCertificate } = options
    this.#port = new GrpcPort(deps, {
      ...{ listen, setupTimeoutMs, maxPendingConnections, maxConnectionsPerCertificate },
      tls: options.tls.server,
      clientCertificate: 'optional',
      settled: 'never',
    })
  }

  /** Listens. @returns `host:port` @throws {CommError} COMM_LISTEN_FAILED */
  async start(): Promise<string> {
    const { host, port } = this.#options.listen
    const grpc = this.#grpcServer()
    try {
      const bound = await this.#port.start(grpc)
      this.#grpc = grpc
      return formatEndpoint(host, bound)
    } catch (cause) {
      grpc.forceShutdown()
      const where = formatEndpoint(host, port)
      const message = `cannot listen on ${where}: ${reasonOf(cause)}; is another process using it?`
      throw new CommError('COMM_LISTEN_FAILED', message, { cause })
    }
  }

  /** Someone has authenticated over the TCP connection from `address`. */
  settle(address: string): void {
    this.#port.settle(address)
  }

  /** The stream of that peer has ended. */
  unsettle(address: string): void {
    this.#port.unsettle(address)
  }

  /** See {@link GrpcPort.refused}. */
  refused(address: string, event: string, fields: LogFields): void {
    this.#port.refused(address, event, fields)
  }

  /** No new TCP connections. */
  refuseNew(): void {
    this.#port.refuseNew()
  }

  /** Cuts what is left. Resolves when no socket is. */
  async stop(): Promise<void> {
    this.#grpc?.forceShutdown()
    await this.#port.cut()
  }

  /** For the messages that come: those that are not whole are bounded. */
  readonly #incoming: ServerInterceptor = ({ path: method }, call) => {
    const address = call.getPeer()
    const certificate = call.getAuthContext().sslPeerCertificate?.fingerprint256 ?? address
    const accounts = {
      first: { of: this.#first, sender: address },
      others: { of: this.#later, sender: certificate },
    }
    boundIncoming(call, accounts, (reason) =>
      this.refused(address, 'call refused', { method, code: 'RESOURCE_EXHAUSTED', reason }),
    )
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- grpc-js wants no more than the interface; a real one around the call would cost each message a detour
    return call as ServerInterceptingCall
  }

  #grpcServer(): Server {
    const server = new Server({
      ...transportOptions(this.#options),
      // Who accepts cannot call `Ping`; whoever dialled may be pinged as often as one likes.
      'grpc.keepalive_time_ms': this.#options.pingAfterMs,
      'grpc.keepalive_timeout_ms': this.#options.pingTimeoutMs,
      'grpc.max_concurrent_streams': maxConcurrentStreams,
      interceptors: [this.#port.interceptor, this.#incoming],
    })
    server.addService(gossipService, {
      ping: (_call: unknown, answer: sendUnaryData<Buffer>) => answer(null, emptyMessage),
      gossipStream: (call: ServerDuplexStream<Buffer, Buffer>) =>
        this.#deps.onStream(GossipStream.accepted(call)),
    })
    return server
  }
}
