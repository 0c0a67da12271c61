import type {
  Http2Session,
  IncomingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
} from 'node:http2'
import { constants } from 'node:http2'
import type { Socket } from 'node:net'
import { status } from '@grpc/grpc-js'
import { BoundedMap, Budget } from '@heddle/events'
import type { BudgetLimit } from '@heddle/events'
import type { Clock, ClockTimer } from '@heddle/interface'
import type { Caller } from './caller.ts'

/**
 * Most bytes of the headers of one call, as HTTP/2 counts them: names, values and 32 for each. The largest
 * of our own have a signed envelope with a certificate, of about 3 KiB.
 */
export const maxHeaderBytes = 16 * 1024

/** What one client may cost in a second, and at once, where gRPC does not look. */
export const clientCosts = {
  /** Calls that fail: refused by the transport or a service, unknown, or broken off. */
  failures: { perSecond: 100, burst: 1000 },
  /** Parts in which messages come, each of which costs about 2 µs: usually a part has 16 KiB or a message. */
  parts: { perSecond: 20_000, burst: 100_000 },
  /**
   * Bytes that are neither of messages nor of the headers of calls: PING, SETTINGS, WINDOW_UPDATE and so on,
   * padding, and what TLS adds. grpc-go sends a PING for each round trip in which data comes, some 200,000
   * bytes a second at most (grpc-go v1.81.0 internal/transport/bdp_estimator.go).
   */
  control: { perSecond: 1024 * 1024, burst: 8 * 1024 * 1024 },
} as const

/**
 * What all clients of one organisation may cost together. Beyond it, whoever costs more is treated as if it
 * had exceeded its own limit: one that costs nothing is not held back by the others.
 */
export const organizationCosts: Readonly<Record<ClientCost, BudgetLimit>> = {
  failures: clientCosts.failures,
  parts: { perSecond: 40_000, burst: 200_000 },
  control: { perSecond: 2 * 1024 * 1024, burst: 16 * 1024 * 1024 },
}

/** The name of something that a client may have too much of. */
export type ClientCost = keyof typeof clientCosts

/** Who exceeds a limit has no connection for so many seconds more than it takes to keep it again. */
export const penaltySeconds = 5

const costs = Object.keys(clientCosts) as ClientCost[]

/** How often it is looked at what came, and whether the transport refused calls: it tells nobody. */
export const sweepMs = 1000

/** Bytes that a part of a message, or the headers of a call, may have around it: of HTTP/2 and of TLS. */
const framing = 64

/** Clients, and organisations, of which it is remembered. */
const maxClients = 1000

/** Failures that are nobody's fault, or ours. */
const passing = new Set(['0', String(status.UNAVAILABLE), String(status.ABORTED)])

/** Calls of one connection. */
interface Followed {
  readonly caller: Caller
  readonly socket: Socket
  /** Number of streams that were seen, or counted as refused by the transport. */
  streams: number
  /** Parts of messages that have come since it was looked at last. */
  parts: number
  /** Bytes of the connection that were messages or headers, with {@link framing}. */
  known: number
  /** Other bytes, as far as they are counted. */
  control: number
  /** Whether it was destroyed when it was looked at last. */
  isDying: boolean
}

/**
 * Counts what each client costs below gRPC, where all of it is seen. Also ends what is left of a session
 * that was destroyed: Node leaves its connection open when the client vanished in a write.
 */
export class ClientCosts {
  readonly #clock: Clock
  readonly #onTooMuch: (client: string, cost: ClientCost) => void
  readonly #clients = new Budgets(clientCosts)
  readonly #organizations = new Budgets(organizationCosts)
  readonly #sessions = new Map<Http2Session, Followed>()
  #timer: ClockTimer | undefined

  /** @param onTooMuch - told each time that a client that was heard has exceeded a limit */
  constructor(clock: Clock, onTooMuch: (client: string, cost: ClientCost) => void) {
    this.#clock = clock
    this.#onTooMuch = onTooMuch
  }

  /** Of what the client had too much; undefined unless it has to wait before it is heard again. */
  overdrawn(client: string): ClientCost | undefined {
    const budget = this.#clients.known(client)
    return costs.find((cost) => budget?.isOverdrawn(cost))
  }

  /**
   * A connection of the client has begun.
   * @param socket - the TCP connection
   */
  follow(session: ServerHttp2Session, caller: Caller, socket: Socket): void {
    const came = { streams: 0, parts: 0, known: socket.bytesRead, control: 0 }
    const followed: Followed = { caller, socket, ...came, isDying: false }
    this.#sessions.set(session, followed)
    session.on('stream', (stream, headers) => {
      followed.streams += 1
      followed.known += sizeOf(headers) + framing
      // It has not taken note of our settings, whose acknowledgement HTTP/2 waits for. grpc-js has its turn first.
      if (sizeOf(headers) > maxHeaderBytes)
        setImmediate(() => session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM))
      stream.once('close', () => {
        if (hasFailed(stream)) this.#spend(caller, 'failures', 1)
      })
    })
    session.once('close', () => {
      this.#sessions.delete(session)
      if (this.#sessions.size === 0) this.close()
    })
    this.#sweepLater()
  }

  /** Counts what comes over a call as messages; before the service takes any. */
  countMessages(stream: ServerHttp2Stream): void {
    const followed = stream.session && this.#sessions.get(stream.session)
    if (followed === undefined) return
    stream.on('data', (part: Buffer) => {
      followed.parts += 1
      followed.known += part.length + framing
    })
  }

  /** Leaves no timer behind. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #spend({ client, organization }: Caller, cost: ClientCost, amount: number): void {
    const own = this.#clients.of(client, this.#clock)
    const shared = this.#organizations.of(organization, this.#clock)
    const wasOverdrawn = own.isOverdrawn(cost)
    own.spend(cost, amount)
    shared.spend(cost, amount)
    if (wasOverdrawn) return
    if (!own.isOverdrawn(cost) && shared.isOverdrawn(cost)) own.spend(cost, clientCosts[cost].burst)
    if (!own.isOverdrawn(cost)) return
    own.spend(cost, penaltySeconds * clientCosts[cost].perSecond)
    this.#onTooMuch(client, cost)
  }

  #sweepLater(): void {
    this.#timer ??= this.#clock.schedule(sweepMs, () => {
      this.#timer = undefined
      this.#sweepLater()
      for (const [session, followed] of [...this.#sessions]) this.#sweep(session, followed)
    })
  }

  #sweep(session: Http2Session, followed: Followed): void {
    if (followed.isDying) followed.socket.destroy()
    followed.isDying = session.destroyed
    if (session.destroyed) return
    this.#countRefused(session, followed)
    this.#countBytes(followed)
  }

  /** Calls of which the transport told nobody: for headers that are too large, say. */
  #countRefused(session: Http2Session, followed: Followed): void {
    // Those of a client have odd numbers, in order.
    const begun = Math.ceil((session.state.lastProcStreamID ?? 0) / 2)
    const refused = begun - followed.streams
    if (refused <= 0) return
    followed.streams = begun
    followed.known += refused * maxHeaderBytes
    this.#spend(followed.caller, 'failures', refused)
  }

  #countBytes(followed: Followed): void {
    const { caller, socket, parts, known } = followed
    // What a paused stream has not handed over yet is not known: it counts once.
    const more = socket.bytesRead - known - followed.control
    followed.parts = 0
    followed.control += Math.max(0, more)
    if (parts > 0) this.#spend(caller, 'parts', parts)
    if (more > 0) this.#spend(caller, 'control', more)
  }
}

/** What each of many has left. */
class Budgets {
  readonly #limits: Readonly<Record<ClientCost, BudgetLimit>>
  readonly #byKey = new BoundedMap<Budget<ClientCost>>(maxClients)

  constructor(limits: Readonly<Record<ClientCost, BudgetLimit>>) {
    this.#limits = limits
  }

  known(key: string): Budget<ClientCost> | undefined {
    return this.#byKey.get(key)
  }

  of(key: string, clock: Clock): Budget<ClientCost> {
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const made = new Budget(clock, { limits: this.#limits, maxHeldMs: Infinity })
    this.#byKey.set(key, made)
    return made
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
