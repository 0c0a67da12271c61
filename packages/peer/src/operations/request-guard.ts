import { systemCode } from '../errors.ts'
import type { RefusalLog } from '@heddle/comm'
import type { Clock, ClockTimer } from '@heddle/interface'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'

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

/** Keeps off an HTTP server what is no request, and says once for each connection whom and why. */
export class RequestGuard {
  readonly #clock: Clock
  readonly #refusals: RefusalLog
  readonly #options: RequestGuardOptions
  readonly #refused = new WeakSet<Socket>()
  /** Of every connection; the first request of a connection cancels its. */
  readonly #deadlines = new Map<Socket, ClockTimer>()

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
    server.on('request', ({ socket }) => this.#deadlines.get(socket)?.cancel())
    server.on('clientError', (error, socket) => {
      const refusal = refusalOf(error)
      if (refusal === undefined) socket.destroy()
      else this.#refuse(socket as Socket, refusal)
    })
    server.on('connect', (_request, socket) => {
      const reason = 'CONNECT: this port is no proxy'
      this.#refuse(socket as Socket, { reason, status: '405 Method Not Allowed' })
    })
    server.on('drop', (dropped) => {
      const address = `${dropped?.remoteAddress ?? 'unknown'}:${dropped?.remotePort ?? 0}`
      const reason = `${maxConnections} connections are open already`
      this.#refusals.refused('connection refused', { address, reason })
    })
  }

  /** A request that came whole is refused all the same. */
  refused(socket: Socket, reason: string): void {
    this.#refusals.refused('request refused', { address: addressOf(socket), reason })
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#deadlines.keys()) socket.destroy()
  }

  #await(socket: Socket): void {
    const { setupTimeoutMs } = this.#options
    const reason = `no request within ${setupTimeoutMs} ms`
    this.#within(socket, setupTimeoutMs, () =>
      this.#refuse(socket, { reason, status: '408 Request Timeout' }),
    )
    socket.once('close', () => {
      this.#deadlines.get(socket)?.cancel()
      this.#deadlines.delete(socket)
    })
  }

  /** Replaces the time limit of the connection. */
  #within(socket: Socket, timeoutMs: number, over: () => void): void {
    this.#deadlines.get(socket)?.cancel()
    if (!socket.destroyed) this.#deadlines.set(socket, this.#clock.schedule(timeoutMs, over))
  }

  #refuse(socket: Socket, { reason, status }: Refusal): void {
    if (this.#refused.has(socket)) return
    this.#refused.add(socket)
    this.refused(socket, reason)
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`)
    // Closed at once, with bytes unread, TCP would take the answer back.
    socket.resume()
    this.#within(socket, lingerMs, () => socket.destroy())
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

function addressOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress ?? 'unknown'}:${remotePort ?? 0}`
}
