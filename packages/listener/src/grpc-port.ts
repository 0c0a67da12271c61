import { X509Certificate } from 'node:crypto'
import { createServer } from 'node:net'
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net'
import type { Server as TlsServer, TLSSocket } from 'node:tls'
import { ServerCredentials } from '@grpc/grpc-js'
import type { Server, ServerInterceptor } from '@grpc/grpc-js'
import { systemClock } from '@heddle/events'
import type { Clock, LogFields, Logger } from '@heddle/interface'
import { Authorities } from './authorities.ts'
import { tellRefusedCalls } from './call-refusals.ts'
import { callerFrom, callerOf } from './caller.ts'
import type { Caller } from './caller.ts'
import { ClientCosts, maxHeaderBytes } from './client-costs.ts'
import type { ClientCost } from './client-costs.ts'
import { ConnectionShares } from './connection-shares.ts'
import { judgeHttp2, judgeTls, peek } from './first-bytes.ts'
import type { Verdict } from './first-bytes.ts'
import { http2ServerOf, streamOf } from './grpc-inside.ts'
import { resolvePortOptions } from './options.ts'
import type { GrpcPortOptions } from './options.ts'
import { addressOf, PendingSockets } from './pending-sockets.ts'
import type { RefusalLog } from './refusal-log.ts'
import { brokenReason, certificateReason, leftReason, tlsReason } from './refusal-reasons.ts'
import { refuseCompression } from './refuse-compression.ts'
import { createTlsServer } from './tls-server.ts'

/** What a {@link GrpcPort} needs. */
export interface GrpcPortDeps {
  /** Default: the system's. */
  readonly clock?: Clock
  readonly logger?: Logger | undefined
  /** Where refusals are told. */
  readonly refusals: RefusalLog
}

const tooMuch: Readonly<Record<ClientCost, string>> = {
  failures: 'too many calls of this client failed: it must wait',
  parts: 'messages of this client come in too many small parts: it must wait',
  control: 'too many bytes of this client that are not messages: it must wait',
}

type Stage = 'TLS' | 'HTTP/2' | 'authentication'

/** A TCP connection, from its coming to its end. */
interface Incoming {
  readonly address: string
  readonly socket: Socket
  /** What it has not got through. */
  stage: Stage
  spoke: boolean
  refused: boolean
  /** Whose it is. Known once TLS is. */
  caller?: Caller
}

/**
 * A port for gRPC over TLS that says, once for each connection, whom it refused and why: TLS is
 * terminated here and the beginning of HTTP/2 is judged here, because Node and grpc-js keep to
 * themselves why they cut somebody. What follows goes to grpc-js untouched.
 */
export class GrpcPort {
  readonly #clock: Clock
  readonly #logger: Logger | undefined
  readonly #refusals: RefusalLog
  readonly #options: Required<GrpcPortOptions>
  readonly #pending: PendingSockets
  readonly #incoming = new Map<string, Incoming>()
  readonly #costs: ClientCosts
  /** Read when the port is opened. */
  #authorities = new Authorities([])
  readonly #shares: ConnectionShares
  readonly #organizations: ConnectionShares
  #tcp: TcpServer | undefined
  #cut = false
  /** When our certificate became valid, once that was asked for. */
  #validFrom: number | undefined

  /** @throws {ListenerError} LISTENER_INVALID_OPTIONS */
  constructor(deps: GrpcPortDeps, options: GrpcPortOptions) {
    const { clock = systemClock, logger, refusals } = deps
    this.#clock = clock
    this.#logger = logger
    this.#refusals = refusals
    this.#options = resolvePortOptions(options)
    const { setupTimeoutMs: timeoutMs, maxPendingConnections: capacity } = this.#options
    this.#pending = new PendingSockets(clock, { timeoutMs, capacity }, (address, why) =>
      this.#expired(address, why),
    )
    this.#shares = new ConnectionShares(this.#options.maxConnectionsPerCertificate)
    this.#organizations = new ConnectionShares(this.#options.maxConnectionsPerOrganization)
    this.#costs = new ClientCosts(clock, (client, cost) => this.#tooMuch(client, tooMuch[cost]))
  }

  /**
   * For the gRPC server behind this port: calls that the transport ends get their line, too, and what is
   * compressed is refused.
   */
  get interceptor(): ServerInterceptor {
    const tell = tellRefusedCalls(({ address, ...call }) =>
      this.refused(address, 'call refused', call),
    )
    return (method, call) => {
      const stream = streamOf(call)
      if (stream !== undefined) this.#costs.countMessages(stream)
      refuseCompression(call)
      return tell(method, call)
    }
  }

  /**
   * Listens, and hands connections to `grpc`. Rejects with what the operating system says.
   * @returns the port that was taken
   */
  async start(grpc: Server): Promise<number> {
    this.#cut = false
    const { host, port } = this.#options.listen
    this.#authorities = new Authorities(this.#options.tls.roots)
    const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure())
    const http2 = http2ServerOf(grpc)
    http2.updateSettings({ maxHeaderListSize: maxHeaderBytes })
    http2.on('session', (session) => {
      const { caller, socket } = this.#incoming.get(addressOf(session.socket)) ?? {}
      if (caller === undefined || socket === undefined) return
      this.#costs.follow(session, caller, socket)
    })
    const tls = this.#tlsServer((socket) => injector.injectConnection(socket))
    const tcp = createServer((socket) => this.#accept(socket, tls))
    this.#tcp = tcp
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject)
      tcp.listen(port, host, () => {
        tcp.off('error', reject)
        resolve()
      })
    })
    tcp.on('error', (error) => this.#logger?.error('listener failed', { host, port }, error))
    return (tcp.address() as AddressInfo).port
  }

  /** Whose the connection from `address` is, such as `getPeer` of a call tells it. */
  callerAt(address: string): Caller {
    return this.#incoming.get(address)?.caller ?? callerFrom(address.replace(/:\d+$/, ''))
  }

  /** Someone has authenticated over the connection from `address`: it may stay. */
  settle(address: string): void {
    this.#pending.settle(address)
  }

  /** That is over; when it was the last such, the time begins again. */
  unsettle(address: string): void {
    this.#pending.unsettle(address)
  }

  /**
   * Logs that something was refused over the connection from `address`. When the connection is cut
   * for want of anything better, that is no further line.
   */
  refused(address: string, event: string, fields: LogFields): void {
    const incoming = this.#incoming.get(address)
    if (incoming !== undefined) incoming.refused = true
    this.#refusals.refused(event, { address, ...fields })
  }

  /** No new connections. Those over which HTTP/2 has not begun are cut, without a word. */
  refuseNew(): void {
    this.#tcp?.close()
    this.#tcp = undefined
    for (const incoming of this.#incoming.values()) {
      if (incoming.stage === 'authentication') continue
      incoming.refused = true
      incoming.socket.destroy()
    }
  }

  /** Cuts every connection, without a word. Resolves when none is left. */
  async cut(): Promise<void> {
    this.#cut = true
    this.refuseNew()
    const empty = this.whenEmpty()
    this.#pending.destroyAll()
    for (const { socket } of this.#incoming.values()) socket.destroy()
    await empty
    this.#costs.close()
  }

  /** Resolves when no connection is left: grpc-js closes each once its calls have ended. */
  async whenEmpty(): Promise<void> {
    const open = [...this.#incoming.values()]
    await Promise.all(open.map(({ socket }) => new Promise((done) => socket.once('close', done))))
  }

  #accept(socket: Socket, tls: TlsServer): void {
    if (this.#tcp === undefined) {
      socket.destroy() // it came while the port was being closed
      return
    }
    const address = addressOf(socket)
    const incoming: Incoming = { address, socket, stage: 'TLS', spoke: false, refused: false }
    this.#incoming.set(address, incoming)
    socket.on('error', (error) => this.#broken(incoming, error))
    socket.once('close', () => this.#gone(incoming))
    this.#pending.add(socket)
    peek(socket, judgeTls, (verdict) => {
      incoming.spoke = true
      if (this.#passes(incoming, verdict)) tls.emit('connection', socket)
    })
  }

  #tlsServer(onHttp2: (socket: TLSSocket) => void): TlsServer {
    const server = createTlsServer(this.#options.tls)
    server.on('tlsClientError', (error, socket) => {
      // When the other end has left, so has its address; then it is said when the socket closes.
      const incoming = this.#incoming.get(addressOf(socket))
      if (incoming !== undefined) this.#refuse(incoming, tlsReason(error, this.#left()))
      socket.destroy()
    })
    server.on('secureConnection', (socket) => this.#secured(socket, onHttp2))
    return server
  }

  #secured(socket: TLSSocket, onHttp2: (socket: TLSSocket) => void): void {
    const incoming = this.#incoming.get(addressOf(socket))
    if (incoming === undefined) {
      socket.destroy() // it has left meanwhile
      return
    }
    incoming.stage = 'HTTP/2'
    socket.on('error', (error: Error) => this.#broken(incoming, error))
    const reason = certificateReason(
      socket,
      this.#options.clientCertificate,
      this.#clock.wallTime(),
    )
    const verdict = reason === undefined ? this.#counted(incoming, socket) : { reason }
    if (!this.#passes(incoming, verdict)) return
    peek(socket, judgeHttp2, (verdict) => {
      if (!this.#passes(incoming, verdict)) return
      incoming.stage = 'authentication'
      if (this.#options.settled === 'HTTP/2') this.#pending.settle(incoming.address)
      onHttp2(socket)
    })
  }

  #tooMuch(client: string, reason: string): void {
    for (const incoming of this.#incoming.values())
      if (incoming.caller?.client === client) this.#refuse(incoming, reason)
  }

  /** Counts the connection for its certificate and organisation, if it has one. */
  #counted(incoming: Incoming, socket: TLSSocket): Exclude<Verdict, 'more'> {
    const caller = callerOf(socket, this.#authorities)
    incoming.caller = caller
    const overdrawn = this.#costs.overdrawn(caller.client)
    if (overdrawn !== undefined) return { reason: tooMuch[overdrawn] }
    if (socket.getPeerX509Certificate() === undefined) return 'good'
    const { maxConnectionsPerCertificate, maxConnectionsPerOrganization } = this.#options
    if (!this.#shares.take(caller.client, incoming.socket))
      return { reason: `its certificate already has ${maxConnectionsPerCertificate} connections` }
    if (!this.#organizations.take(caller.organization, incoming.socket))
      return { reason: `its organisation already has ${maxConnectionsPerOrganization} connections` }
    return 'good'
  }

  #passes(incoming: Incoming, verdict: Exclude<Verdict, 'more'>): boolean {
    if (verdict !== 'good') this.#refuse(incoming, verdict.reason)
    return verdict === 'good'
  }

  #expired(address: string, why: 'timeout' | 'crowded out'): void {
    const incoming = this.#incoming.get(address)
    if (incoming === undefined) return
    const { setupTimeoutMs, maxPendingConnections } = this.#options
    const wanted = `no ${incoming.stage}`
    this.#refuse(
      incoming,
      why === 'timeout'
        ? `${wanted} within ${setupTimeoutMs} ms`
        : `${wanted} yet, and ${maxPendingConnections} newer connections wait`,
    )
  }

  #broken(incoming: Incoming, error: Error): void {
    const reason = brokenReason(error)
    if (reason !== undefined) this.#refuse(incoming, reason)
    else this.#logger?.debug('connection broken', { address: incoming.address }, error)
  }

  #left(): string {
    this.#validFrom ??= Date.parse(new X509Certificate(this.#options.tls.certificate).validFrom)
    return leftReason(this.#validFrom, this.#clock.wallTime())
  }

  #gone(incoming: Incoming): void {
    if (incoming.stage === 'TLS' && incoming.spoke) {
      this.#refuse(incoming, this.#left())
    }
    const { address } = incoming
    if (this.#incoming.get(address) === incoming) this.#incoming.delete(address)
  }

  #refuse(incoming: Incoming, reason: string): void {
    incoming.socket.destroy()
    if (incoming.refused || this.#cut) return
    this.refused(incoming.address, 'connection refused', { reason })
  }
}
