import { systemCode } from '../errors.ts'
import type { RefusalLog } from '@heddle/comm'
import type { Clock, ClockTimer } from '@heddle/interface'
import type { Server } from 'node:http'
import type { DropArgument, Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** Bounds of the connections of an operations server. */
export interface RequestGuardOptions {
  /** How long a connection may take for its first request, in milliseconds. */
  readonly setupTimeoutMs: number
  /** Connections at a time; further ones are refused. */
  readonly maxConnections: number
}

/** Why something is refused, and what it is told. */
interface Refusal {
  readonly reason: string
  readonly status: string
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
}

/** Where a connection comes from, and its time limit; its first request cancels that. */
interface Watched {
  readonly address: string
  readonly timer: ClockTimer
}

/** Keeps off an HTTP server what is no request, and says once for each connection whom and why. */
export class RequestGuard {
  readonly #clock: Clock
  readonly #refusals: RefusalLog
  readonly #options: RequestGuardOptions
  readonly #connections = new Map<Duplex, Watched>()
  readonly #refused = new WeakSet<Duplex>()

  constructor(clock: Clock, refusals: RefusalLog, options: RequestGuardOptions) {
    this.#clock = clock
    this.#refusals = refusals
    this.#options = options
  }

  /** Watches a server that does not listen yet. */
  watch(server: Server): void {
    const { maxConnections } = this.#options
    server.maxConnections = maxConnections
    server.on('connection', (socket) => this.#await(socket))
    server.on('request', ({ socket }) => this.#connections.get(socket)?.timer.cancel())
    server.on('clientError', (error, socket) => {
      const refusal = refusalOf(error)
      if (refusal === undefined) socket.destroy()
      else this.#refuse(socket, refusal)
    })
    server.on('connect', (_request, socket) => {
      const reason = 'CONNECT: this port is no proxy'
      this.#refuse(socket, { reason, status: '405 Method Not Allowed' })
    })
    server.on('drop', (dropped?: DropArgument) => {
      const reason = `${maxConnections} connections are open already`
      this.#refusals.refused('connection refused', { address: addressOf(dropped), reason })
    })
  }

  /** A request that came whole is refused all the same. */
  refused(address: string, reason: string): void {
    this.#refusals.refused('request refused', { address, reason })
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#connections.keys()) socket.destroy()
  }

  #await(socket: Socket): void {
    const { setupTimeoutMs } = this.#options
    const reason = `no request within ${setupTimeoutMs} ms`
    const expire = (): void => this.#refuse(socket, { reason, status: '408 Request Timeout' })
    const timer = this.#clock.schedule(setupTimeoutMs, expire)
    this.#connections.set(socket, { address: addressOf(socket), timer })
    socket.once('close', () => {
      this.#connections.get(socket)?.timer.cancel()
      this.#connections.delete(socket)
    })
  }

  #refuse(socket: Duplex, { reason, status }: Refusal): void {
    if (this.#refused.has(socket)) return
    this.#refused.add(socket)
    const watched = this.#connections.get(socket)
    this.refused(watched?.address ?? addressOf(undefined), reason)
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`)
    // Closed at once, with bytes unread, TCP would take the answer back.
    socket.resume()
    if (watched === undefined) return // it has closed meanwhile
    watched.timer.cancel()
    const timer = this.#clock.schedule(lingerMs, () => socket.destroy())
    this.#connections.set(socket, { ...watched, timer })
  }
}

/** Why what came is no request; undefined when the other end has only left. */
function refusalOf(error: Error): Refusal | undefined {
  const code = systemCode(error) ?? ''
  if (/^E[A-Z0-9]+$/.test(code)) return undefined
  return (
    knownRefusals[code] ?? { reason: `what came is not HTTP${sort(error)}`, status: badRequest }
  )
}

/** What it looks like: Node gives the bytes with the error. */
function sort(error: Error): string {
  const bytes =
    'rawPacket' in error && Buffer.isBuffer(error.rawPacket) ? error.rawPacket : undefined
  if (bytes?.[0] === 0x16) return ' but TLS: this port speaks without'
  return bytes?.toString('latin1', 0, 4) === 'PRI ' ? '/1 but HTTP/2' : ''
}

/** `address:port` of the other end. */
export function addressOf(end: Socket | DropArgument | undefined): string {
  return `${end?.remoteAddress ?? 'unknown'}:${end?.remotePort ?? 0}`
}
