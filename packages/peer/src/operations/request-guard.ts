import { Socket } from 'node:net'
import { addressOf, clientCertificateState } from '@heddle/listener'
import { systemCode } from '../errors.ts'
import type { RefusalLog } from '@heddle/listener'
import type { Clock, ClockTimer } from '@heddle/interface'
import type { Server, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'

/** Bounds of the connections of an operations server. */
export interface RequestGuardOptions {
  /** How long a connection may take for its first request, in milliseconds. */
  readonly setupTimeoutMs: number
  /** How long it may take from a request until its answer was taken. */
  readonly answerTimeoutMs: number
  /** How long it may stay without a further request. */
  readonly idleTimeoutMs: number
  /** Connections at a time: for a further one, that which has said nothing for longest is closed. */
  readonly maxConnections: number
}

/** Why something is refused, and what it is told. */
interface Refusal {
  readonly reason: string
  /** None before TLS is there: who cannot read the answer gets none. */
  readonly status: string | undefined
}

/** How long who was refused may take to read the answer. */
const lingerMs = 1000

const badRequest = '400 Bad Request'

/** What Node calls it, where it is more than bytes that are no HTTP. */
const knownRefusals: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: {
    reason: 'the headers are too long',
    status: '431 Request Header Fields Too Large',
  },
  HPE_INVALID_EOF_STATE: {
    reason: 'the connection ended in the middle of a request',
    status: badRequest,
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    reason: 'the request did not come in time',
    status: '408 Request Timeout',
  },
  ERR_SSL_HTTP_REQUEST: { reason: 'what came is HTTP without TLS', status: undefined },
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: {
    reason: 'it has no client certificate',
    status: undefined,
  },
}

/** A connection: what it does, since when, and its time limit. */
interface Watched {
  readonly address: string
  /** The TCP connection, below TLS. */
  readonly socket: Socket
  isBusy: boolean
  since: number
  timer: ClockTimer
}

/** Keeps off an HTTP server what is no request, and says once for each connection whom and why. */
export class RequestGuard {
  readonly #clock: Clock
  readonly #refusals: RefusalLog
  readonly #options: RequestGuardOptions
  /** By the address of the other end: that is the same with TLS and below it. */
  readonly #connections = new Map<string, Watched>()
  readonly #refused = new WeakSet<Watched | Socket>()

  constructor(clock: Clock, refusals: RefusalLog, options: RequestGuardOptions) {
    this.#clock = clock
    this.#refusals = refusals
    this.#options = options
  }

  /** Watches a server that does not listen yet. */
  watch(server: Server): void {
    // Ours are on the clock, and know which connection has waited longest.
    server.keepAliveTimeout = 0
    server.on('connection', (socket: Socket) => this.#await(socket))
    // Before any answer begins.
    server.prependListener('request', ({ socket }, response) => this.#serve(socket, response))
    // Node would answer by itself who expects more than 100-continue, as often as he asks.
    server.on('checkExpectation', (request, response) => server.emit('request', request, response))
    server.on('clientError', (error, socket) => {
      const refusal = refusalOf(error)
      if (refusal === undefined || !(socket instanceof Socket)) socket.destroy()
      else this.#refuse(socket, refusal)
    })
    server.on('connect', ({ socket }) => {
      const reason = 'CONNECT: this port is not a proxy'
      this.#refuse(socket, { reason, status: '405 Method Not Allowed' })
    })
    server.on('secureConnection', (socket: TLSSocket) => {
      if (clientCertificateState(socket) !== 'wrong') return
      const reason = `the client certificate is not valid: ${String(socket.authorizationError)}`
      this.#refuse(socket, { reason, status: undefined })
    })
  }

  /** Whether it gets no answer any more. */
  hasRefused(socket: Socket): boolean {
    if (this.#refused.has(socket)) return true
    const watched = this.#connections.get(addressOf(socket))
    return watched !== undefined && this.#refused.has(watched)
  }

  /** A request that came whole is refused all the same. */
  refused(address: string, reason: string): void {
    this.#refusals.refused('request refused', { address, reason })
  }

  /** Cuts every connection. */
  cut(): void {
    for (const { socket } of this.#connections.values()) socket.destroy()
  }

  #await(socket: Socket): void {
    const { setupTimeoutMs, maxConnections } = this.#options
    if (this.#connections.size >= maxConnections) this.#makeRoom()
    const address = addressOf(socket)
    const reason = `no request within ${setupTimeoutMs} ms`
    const expire = (): void => this.#refuse(socket, { reason, status: '408 Request Timeout' })
    const timer = this.#clock.schedule(setupTimeoutMs, expire)
    const watched = { address, socket, isBusy: false, since: this.#clock.now(), timer }
    this.#connections.set(address, watched)
    socket.once('close', () => this.#forget(watched))
  }

  /** Closes the connection that has been without a request for longest; else the longest request. */
  #makeRoom(): void {
    const [first] = [...this.#connections.values()].sort(
      (a, b) => Number(a.isBusy) - Number(b.isBusy) || a.since - b.since,
    )
    if (first === undefined) return
    const reason = `${this.#options.maxConnections} connections are open, and it has been silent the longest`
    this.#refusals.refused('connection closed', { address: first.address, reason })
    // At once: the new one has its place.
    this.#forget(first)
    first.socket.destroy()
  }

  #forget(watched: Watched): void {
    watched.timer.cancel()
    if (this.#connections.get(watched.address) === watched)
      this.#connections.delete(watched.address)
  }

  #serve(socket: Socket, response: ServerResponse): void {
    const address = addressOf(socket)
    const watched = this.#connections.get(address)
    if (watched === undefined) return
    if (watched.isBusy) {
      // Node would take as many as come, each with all that its answer holds.
      this.#refuse(socket, {
        reason: 'a further request came before the answer to the last one',
        status: undefined,
      })
      return
    }
    const { answerTimeoutMs, idleTimeoutMs } = this.#options
    const expire = (): void => {
      this.refused(address, `the answer was not taken within ${answerTimeoutMs} ms`)
      watched.socket.destroy()
    }
    this.#limit(watched, true, answerTimeoutMs, expire)
    response.once('close', () => {
      if (this.#connections.get(address) !== watched) return
      this.#limit(watched, false, idleTimeoutMs, () => watched.socket.destroy())
    })
  }

  #limit(watched: Watched, isBusy: boolean, forMs: number, expire: () => void): void {
    watched.timer.cancel()
    watched.isBusy = isBusy
    watched.since = this.#clock.now()
    watched.timer = this.#clock.schedule(forMs, expire)
  }

  #refuse(socket: Socket, { reason, status }: Refusal): void {
    const address = addressOf(socket)
    const watched = this.#connections.get(address)
    if (this.hasRefused(socket)) return
    this.#refused.add(socket)
    if (watched !== undefined) this.#refused.add(watched)
    this.refused(address, reason)
    if (watched === undefined || status === undefined) {
      socket.destroy()
      return
    }
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`)
    // Closed at once, with bytes unread, TCP would take the answer back.
    socket.resume()
    this.#limit(watched, watched.isBusy, lingerMs, () => watched.socket.destroy())
  }
}

/** Why what came is no request; undefined when the other end has only left. */
function refusalOf(error: Error): Refusal | undefined {
  const code = systemCode(error) ?? ''
  if (/^E[A-Z0-9]+$/.test(code)) return undefined
  const known = knownRefusals[code]
  if (known !== undefined) return known
  if (/^ERR_(SSL|TLS)_/.test(code)) return { reason: `TLS: ${error.message}`, status: undefined }
  return { reason: `what came is not HTTP${sort(error)}`, status: badRequest }
}

/** What it looks like: Node gives the bytes with the error. */
function sort(error: Error): string {
  const bytes =
    'rawPacket' in error && Buffer.isBuffer(error.rawPacket) ? error.rawPacket : undefined
  if (bytes?.[0] === 0x16) return ' but TLS: this port does not use TLS'
  return bytes?.toString('latin1', 0, 4) === 'PRI ' ? '/1 but HTTP/2' : ''
}
