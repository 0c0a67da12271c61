import { constants } from 'node:http2'
import type { ServerHttp2Stream } from 'node:http2'
import { status } from '@grpc/grpc-js'
import type { ServerInterceptingCall, ServerInterceptor } from '@grpc/grpc-js'
import { boundIncoming, UnfinishedMessages } from '@heddle/listener'
import type { Clock, ClockTimer } from '@heddle/interface'
import { ClientBudgets } from './client-budgets.ts'
import { type Client, ClientCall, clientKey } from './client-call.ts'

/** What the clients of a server may hold, see `OrdererServerOptions`. */
export interface ClientBoundsOptions {
  readonly maxCallsPerClient: number
  readonly maxCallsPerSecondPerClient: number
  readonly maxStreamsPerClient: number
  readonly maxUnsentBytesPerClient: number
  readonly maxUnsentBytes: number
  readonly maxUnfinishedBytesPerClient: number
  readonly maxUnfinishedBytes: number
  readonly unreadTimeoutMs: number
}

/** Told of each call that was refused or ended. */
export type RefusalListener = (address: string, method: string, reason: string) => void

/** Who reads at least so much in a second reads. */
const slowestBytesPerSecond = 64 * 1024
/** How often calls are looked at whose client does not read. */
const sweepMs = 1_000

/** Answers are few and small; what a client sends here is held up by the broadcast window. */
const broadcastPath = '/orderer.AtomicBroadcast/Broadcast'

type Call = Parameters<ServerInterceptor>[1]
type Method = Parameters<ServerInterceptor>[0]

/**
 * Bounds what clients hold of a server's memory. Whatever is written for a client and is not with the
 * operating system yet counts for its certificate, and for the server. When the server holds too much,
 * whoever has not read for the longest time gives way. Messages that have begun to come are bounded as
 * well: see `UnfinishedMessages`.
 */
export class ClientBounds {
  readonly #clock: Clock
  readonly #options: ClientBoundsOptions
  readonly #onRefused: RefusalListener
  readonly #unfinished: UnfinishedMessages
  readonly #clients = new Map<string, Client>()
  readonly #paces: ClientBudgets<'calls'>
  /** Calls with something unsent; those that have waited longest come first. */
  readonly #waiting = new Set<ClientCall>()
  #unsent = 0
  #timer: ClockTimer | undefined

  constructor(clock: Clock, options: ClientBoundsOptions, onRefused: RefusalListener) {
    this.#clock = clock
    this.#options = options
    this.#onRefused = onRefused
    this.#paces = new ClientBudgets(clock, 'calls', options.maxCallsPerSecondPerClient)
    this.#unfinished = new UnfinishedMessages({
      maxBytesEach: options.maxUnfinishedBytesPerClient,
      maxBytes: options.maxUnfinishedBytes,
    })
  }

  /** Bytes written for clients that do not have them yet. */
  get unsentBytes(): number {
    return this.#unsent
  }

  /** For the server whose clients these are. Messages reach the call inside as bytes. */
  get interceptor(): ServerInterceptor {
    return (method, call) => {
      this.#admit(method, call)
      // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- grpc-js wants no more than the interface; a real one around the call would cost each message a detour
      return call as ServerInterceptingCall
    }
  }

  /** Leaves no timer behind. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #admit(method: Method, call: Call): void {
    const client = this.#clientOf(call)
    const isHeavy = method.responseStream && method.path !== broadcastPath
    const { maxCallsPerClient, maxStreamsPerClient } = this.#options
    if (client.calls >= maxCallsPerClient) {
      refuse(call, `a client may have at most ${maxCallsPerClient} calls at a time`)
      return
    }
    if (isHeavy && client.streams >= maxStreamsPerClient) {
      refuse(
        call,
        `a client may have at most ${maxStreamsPerClient} streams of blocks or entries at a time`,
      )
      return
    }
    const entry = new ClientCall(client, isHeavy, {
      address: call.getPeer(),
      method: method.path,
      reset: () => streamOf(call)?.close(constants.NGHTTP2_ENHANCE_YOUR_CALM),
    })
    this.#clients.set(client.key, client)
    this.#followEnd(call, entry)
    this.#followMessages(method, call, entry)
    const account = { of: this.#unfinished, sender: client.key }
    boundIncoming(call, { first: account, others: account }, (reason) => {
      this.#ended(entry)
      this.#onRefused(entry.address, entry.method, reason)
    })
  }

  #clientOf(call: Call): Client {
    const key = clientKey(call)
    return this.#clients.get(key) ?? { key, calls: 0, streams: 0, unsent: 0 }
  }

  #followEnd(call: Call, entry: ClientCall): void {
    const start = call.start.bind(call)
    call.start = (listener) =>
      this.#inTurn(call, entry, () =>
        start({
          ...bound(listener),
          onCancel: () => {
            this.#ended(entry)
            listener.onCancel()
          },
        }),
      )
  }

  /** Begins a call, later when its client makes too many: those that wait count among its calls. */
  #inTurn(call: Call, entry: ClientCall, begin: () => void): void {
    const pace = this.#paces.of(entry.client.key)
    pace.spend('calls', 1)
    const { holdMs } = pace.settle() ?? {}
    const stream = streamOf(call)
    if (holdMs === undefined || stream === undefined) {
      begin()
      return
    }
    const leave = (): void => {
      timer.cancel()
      this.#ended(entry)
    }
    const timer = this.#clock.schedule(holdMs, () => {
      stream.off('close', leave)
      begin()
    })
    // Nobody else hears of its end before it has begun.
    stream.once('close', leave)
  }

  #followMessages(method: Method, call: Call, entry: ClientCall): void {
    const send = call.sendMessage.bind(call)
    call.sendMessage = (message: unknown, callback) => {
      const bytes = method.responseSerialize(message)
      if (!this.#reserve(entry, bytes.length)) return
      send(bytes, () => {
        this.#release(entry, bytes.length)
        callback()
      })
    }
  }

  /** False, and the call is ended, when there is no room for so many bytes more. */
  #reserve(entry: ClientCall, bytes: number): boolean {
    if (entry.isOver) return false
    const { maxUnsentBytesPerClient, maxUnsentBytes } = this.#options
    const { client } = entry
    if (client.unsent > 0 && client.unsent + bytes > maxUnsentBytesPerClient) {
      this.#exhaust(entry, `a client may leave at most ${maxUnsentBytesPerClient} bytes unread`)
      return false
    }
    for (const oldest of this.#waiting) {
      if (this.#unsent + bytes <= maxUnsentBytes) break
      this.#exhaust(
        oldest,
        `clients leave ${maxUnsentBytes} bytes unread, this one for the longest time`,
      )
      if (oldest === entry) return false
    }
    if (entry.unsent === 0) entry.waitsSince = this.#clock.now()
    this.#add(entry, bytes)
    this.#sweepLater()
    return true
  }

  #release(entry: ClientCall, bytes: number): void {
    if (entry.isOver) return
    this.#add(entry, -bytes)
    entry.waitsSince = this.#clock.now()
    // It has read: others have waited longer now.
    this.#waiting.delete(entry)
    if (entry.unsent > 0) this.#waiting.add(entry)
  }

  #add(entry: ClientCall, bytes: number): void {
    entry.unsent += bytes
    entry.client.unsent += bytes
    this.#unsent += bytes
    if (bytes > 0) this.#waiting.add(entry)
  }

  #ended(entry: ClientCall): void {
    if (!entry.end()) return
    this.#unsent -= entry.unsent
    this.#waiting.delete(entry)
    if (entry.client.calls === 0) this.#clients.delete(entry.client.key)
  }

  /** Ends a call whose client does not read: a status would wait behind what is unread. */
  #exhaust(entry: ClientCall, reason: string): void {
    this.#ended(entry)
    this.#onRefused(entry.address, entry.method, reason)
    entry.reset()
  }

  #sweepLater(): void {
    this.#timer ??= this.#clock.schedule(sweepMs, () => {
      this.#timer = undefined
      this.#sweep()
      if (this.#waiting.size > 0) this.#sweepLater()
    })
  }

  #sweep(): void {
    const { unreadTimeoutMs } = this.#options
    for (const entry of [...this.#waiting]) {
      const patienceMs = unreadTimeoutMs + (entry.unsent / slowestBytesPerSecond) * 1_000
      if (this.#clock.now() - entry.waitsSince < patienceMs) continue
      this.#exhaust(entry, `nothing was read for ${Math.round(patienceMs)} ms`)
    }
  }
}

function refuse(call: Call, details: string): void {
  call.sendStatus({ code: status.RESOURCE_EXHAUSTED, details })
}

type Listener = Parameters<Call['start']>[0]

/** A copy that works apart from its object. */
function bound(listener: Listener): Listener {
  return {
    onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
    onReceiveMessage: (message) => listener.onReceiveMessage(message),
    onReceiveHalfClose: () => listener.onReceiveHalfClose(),
    onCancel: () => listener.onCancel(),
  }
}

/** Of the innermost call, which grpc-js does not show. */
function streamOf(call: Call): ServerHttp2Stream | undefined {
  return (call as { readonly stream?: ServerHttp2Stream }).stream
}
