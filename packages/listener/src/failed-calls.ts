import type {
  Http2Server,
  IncomingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
} from 'node:http2'
import { constants } from 'node:http2'
import { type Server, status } from '@grpc/grpc-js'
import { BoundedMap, Budget } from '@heddle/events'
import type { Clock, ClockTimer } from '@heddle/interface'
import { InvariantError } from '@heddle/interface'

/**
 * Most bytes of the headers of one call, as HTTP/2 counts them: names, values and 32 for each. The largest
 * of our own have a signed envelope with a certificate, of about 3 KiB.
 */
export const maxHeaderBytes = 16 * 1024

/**
 * Calls of one client that may fail in a second, and at once: refused by the transport or a service,
 * unknown, or broken off.
 */
export const failedCalls = { perSecond: 100, burst: 1000 } as const

/** Who exceeds it has no connection until so many more would have been allowed. */
export const failurePenalty = 500

/** How often it is looked at whether the transport refused calls: it tells nobody. */
export const sweepMs = 1000

/** Clients of which it is remembered. */
const maxClients = 1000

/** Failures that are nobody's fault, or ours. */
const passing = new Set(['0', String(status.UNAVAILABLE), String(status.ABORTED)])

/** Calls of one connection. */
interface Followed {
  readonly client: string
  /** Number of streams that were seen, or counted as refused by the transport. */
  streams: number
  /** Ends its TCP connection. */
  readonly cut: () => void
  /** Whether it was destroyed when it was looked at last. */
  isDying: boolean
}

/**
 * Counts the calls of each client that fail, below gRPC, where all of them are seen. Also ends what is left
 * of a session that was destroyed: Node leaves its connection open when the client vanished in a write.
 */
export class FailedCalls {
  readonly #clock: Clock
  readonly #onTooMany: (client: string) => void
  readonly #budgets = new BoundedMap<Budget<'failures'>>(maxClients)
  readonly #sessions = new Map<ServerHttp2Session, Followed>()
  #timer: ClockTimer | undefined

  /** @param onTooMany - told each time that a client that was heard has exceeded its budget */
  constructor(clock: Clock, onTooMany: (client: string) => void) {
    this.#clock = clock
    this.#onTooMany = onTooMany
  }

  /** Whether the client has to wait before it is heard again. */
  isBarred(client: string): boolean {
    return this.#budgets.get(client)?.isOverdrawn('failures') ?? false
  }

  /**
   * A connection of the client has begun.
   * @param cut - ends the TCP connection
   */
  follow(session: ServerHttp2Session, client: string, cut: () => void): void {
    const followed: Followed = { client, streams: 0, cut, isDying: false }
    this.#sessions.set(session, followed)
    session.on('stream', (stream, headers) => {
      followed.streams += 1
      // It has not taken note of our settings, whose acknowledgement HTTP/2 waits for. grpc-js has its turn first.
      if (sizeOf(headers) > maxHeaderBytes)
        setImmediate(() => session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM))
      stream.once('close', () => {
        if (hasFailed(stream)) this.#failed(client, 1)
      })
    })
    session.once('close', () => {
      this.#sessions.delete(session)
      if (this.#sessions.size === 0) this.close()
    })
    this.#sweepLater()
  }

  /** Leaves no timer behind. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #failed(client: string, calls: number): void {
    const known = this.#budgets.get(client)
    const budget =
      known ?? new Budget(this.#clock, { limits: { failures: failedCalls }, maxHeldMs: Infinity })
    if (known === undefined) this.#budgets.set(client, budget)
    const wasBarred = budget.isOverdrawn('failures')
    budget.spend('failures', calls)
    if (wasBarred || !budget.isOverdrawn('failures')) return
    budget.spend('failures', failurePenalty)
    this.#onTooMany(client)
  }

  #sweepLater(): void {
    this.#timer ??= this.#clock.schedule(sweepMs, () => {
      this.#timer = undefined
      this.#sweepLater()
      for (const [session, followed] of [...this.#sessions]) this.#sweep(session, followed)
    })
  }

  #sweep(session: ServerHttp2Session, followed: Followed): void {
    if (followed.isDying) followed.cut()
    followed.isDying = session.destroyed
    if (session.destroyed) return
    // Those of a client have odd numbers, in order.
    const begun = Math.ceil((session.state.lastProcStreamID ?? 0) / 2)
    const refused = begun - followed.streams
    if (refused <= 0) return
    followed.streams = begun
    this.#failed(followed.client, refused)
  }
}

function sizeOf(headers: IncomingHttpHeaders): number {
  let bytes = 0
  for (const [name, values] of Object.entries(headers))
    for (const value of [values ?? ''].flat()) bytes += name.length + value.length + 32
  return bytes
}

function hasFailed(stream: ServerHttp2Stream): boolean {
  if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) return true
  const { 'grpc-status': answer } = { ...stream.sentHeaders, ...stream.sentTrailers }
  return !passing.has(String(answer))
}

/** The HTTP/2 server inside, which has what grpc-js has no options for. To be asked for when it has one. */
export function http2ServerOf(grpc: Server): Http2Server {
  const { http2Servers } = grpc as unknown as { http2Servers?: ReadonlyMap<Http2Server, unknown> }
  const [server] = http2Servers?.keys() ?? []
  if (server === undefined) throw new InvariantError('grpc-js shows no HTTP/2 server')
  return server
}
