import { Server } from '@grpc/grpc-js'
import type { sendUnaryData, ServerDuplexStream } from '@grpc/grpc-js'
import type { Clock, LogFields, Logger } from '@heddle/interface'
import { formatEndpoint } from './endpoint.ts'
import { CommError, reasonOf } from './errors.ts'
import { GossipStream } from './gossip-stream.ts'
import { GrpcPort } from './grpc-port.ts'
import type { ResolvedCommOptions } from './options.ts'
import type { RefusalLog } from './refusal-log.ts'
import { emptyMessage, gossipService, transportOptions } from './wire.ts'

/** A peer needs one stream and a ping at a time; a probe beside it does no harm. */
const maxConcurrentStreams = 16

/** What a {@link Listener} needs. */
export interface ListenerDeps {
  readonly clock: Clock
  readonly logger: Logger | undefined
  readonly refusals: RefusalLog
  /** Takes each stream that a remote side opens; nobody has authenticated yet. */
  readonly onStream: (stream: GossipStream) => void
}

/**
 * The port: TLS, then HTTP/2 with the service `gossip.Gossip`. Every TCP connection has a time limit
 * until its peer has authenticated. A certificate of a CA that is not ours is refused by TLS; none
 * at all is refused by the handshake, as in Fabric.
 */
export class Listener {
  readonly #options: ResolvedCommOptions
  readonly #deps: ListenerDeps
  readonly #port: GrpcPort
  #grpc: Server | undefined

  constructor(options: ResolvedCommOptions, deps: ListenerDeps) {
    this.#options = options
    this.#deps = deps
    this.#port = new GrpcPort(deps, {
      ...options,
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

  #grpcServer(): Server {
    const server = new Server({
      ...transportOptions(this.#options),
      // Who accepts cannot call `Ping`; whoever dialled may be pinged as often as one likes.
      'grpc.keepalive_time_ms': this.#options.pingAfterMs,
      'grpc.keepalive_timeout_ms': this.#options.pingTimeoutMs,
      'grpc.max_concurrent_streams': maxConcurrentStreams,
      interceptors: [this.#port.interceptor],
    })
    server.addService(gossipService, {
      ping: (_call: unknown, answer: sendUnaryData<Buffer>) => answer(null, emptyMessage),
      gossipStream: (call: ServerDuplexStream<Buffer, Buffer>) =>
        this.#deps.onStream(GossipStream.accepted(call)),
    })
    return server
  }
}
