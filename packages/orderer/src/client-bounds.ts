import { constants } from 'node:http2'
import type { ServerHttp2Stream } from 'node:http2'
import { status } from '@grpc/grpc-js'
import type { ServerInterceptingCall, ServerInterceptor } from '@grpc/grpc-js'
import { boundIncoming, UnfinishedMessages } from '@heddle/listener'
import type { Clock, ClockTimer } from '@heddle/interface'
import type { Caller } from '@heddle/listener'
import { type ClientBudget, ClientBudgets } from './client-budgets.ts'
import { ClientCall, type Callers, Holders } from './client-call.ts'
import { readCost } from './deliver.ts'

/** What the clients of a server may hold, see `OrdererServerOptions`. */
export interface ClientBoundsOptions {
  readonly maxCallsPerClient: number
  readonly maxCallsPerOrganization: number
  readonly maxCallsPerSecondPerClient: number
  readonly maxCallsPerSecondPerOrganization: number
  readonly maxStreamsPerClient: number
  readonly maxStreamsPerOrganization: number
  readonly maxUnsentBytesPerClient: number
  readonly maxUnsentBytesPerOrganization: number
  readonly maxUnsentBytes: number
  readonly maxUnfinishedBytesPerClient: number
  readonly maxUnfinishedBytes: number
  readonly unreadTimeoutMs: number
}

/** Told of each call that was refused or ended. */
export type RefusalListener = (address: string, method: string, reason: string) => void

/** What {@link ClientBounds} need. */
export interface ClientBoundsDeps {
  /** Who makes a call. */
  readonly callerOf: (call: Call) => Caller
  readonly onRefused: RefusalListener
  /** Bytes of blocks that may be read for a client, and of what other services stream to it. */
  readonly reads: ClientBudgets<'bytes'>
}

/** What waits for its turn, and what that costs. */
interface Turn<Name extends string> {
  readonly budgets: ClientBudget<Name>
  readonly name: Name
  readonly amount: number
}

/** Who reads at least so much in a second reads. */
const slowestBytesPerSecond = 64 * 1024
/** How often calls are looked at whose client does not read. */
const sweepMs = 1_000

/** Answers are few and small; what a client sends here is held up by the broadcast window. */
const broadcastPath = '/orderer.AtomicBroadcast/Broadcast'
/** These pace themselves: Deliver counts what it reads before it does. */
const ownPaths = new Set([broadcastPath, '/orderer.AtomicBroadcast/Deliver'])

type Call = Parameters<ServerInterceptor>[1]
type Method = Parameters<ServerInterceptor>[0]

/**
 * Bounds what clients hold of a server's memory. Whatever is written for a client and is not with the
 * operating system yet counts for its certificate, its organisation, and the server. When the server holds too much,
 * whoever has not read for the longest time gives way. Messages that have begun to come are bounded as
 * well: see `UnfinishedMessages`.
 */
export class ClientBounds {
  readonly #clock: Clock
  readonly #options: ClientBoundsOptions
  readonly #onRefused: RefusalListener
  readonly #unfinished: UnfinishedMessages
  readonly #callerOf: (call: Call) => Caller
  readonly #clients = new Holders()
  readonly #organizations = new Holders()
  readonly #paces: ClientBudgets<'calls'>
  readonly #reads: ClientBudgets<'bytes'>
  /** Calls with something unsent; those that have waited longest come first. */
  readonly #waiting = new Set<ClientCall>()
  #unsent = 0
  #timer: ClockTimer | undefined

  constructor(
    clock: Clock,
    options: ClientBoundsOptions,
    { callerOf, onRefused, reads }: ClientBoundsDeps,
  ) {
    this.#clock = clock
    this.#options = options
    this.#callerOf = callerOf
    this.#onRefused = onRefused
    this.#reads = reads
    this.#paces = new ClientBudgets(clock, 'calls', {
      perClient: options.maxCallsPerSecondPerClient,
      perOrganization: options.maxCallsPerSecondPerOrganization,
    })
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
    const caller = this.#callerOf(call)
    const callers = {
      client: this.#clients.of(caller.client),
      organization: this.#organizations.of(caller.organization),
    }
    const isHeavy = method.responseStream && method.path !== broadcastPath
    const refusal = this.#refusal(callers, isHeavy)
    if (refusal !== undefined) {
      call.sendStatus({ code: status.RESOURCE_EXHAUSTED, details: refusal })
      return
    }
    const entry = new ClientCall(callers, isHeavy, {
      address: call.getPeer(),
      method: method.path,
      reset: () => streamOf(call)?.close(constants.NGHTTP2_ENHANCE_YOUR_CALM),
    })
    this.#keep(entry)
    this.#followEnd(call, entry)
    this.#followMessages(method, call, entry)
    const account = { of: this.#unfinished, sender: caller.client }
    boundIncoming(call, { first: account, others: account }, (reason) => {
      this.#ended(entry)
      this.#onRefused(entry.address, entry.method, reason)
    })
  }

  /** Why another call is refused. */
  #refusal({ client, organization }: Callers, isHeavy: boolean): string | undefined {
    const { maxCallsPerClient, maxCallsPerOrganization } = this.#options
    const { maxStreamsPerClient, maxStreamsPerOrganization } = this.#options
    const calls = 'calls at a time'
    if (client.calls >= maxCallsPerClient) return mayHave('a client', maxCallsPerClient, calls)
    if (organization.calls >= maxCallsPerOrganization)
      return mayHave(allOfOne, maxCallsPerOrganization, calls)
    if (!isHeavy) return undefined
    const streams = 'streams of blocks or entries at a time'
    if (client.streams >= maxStreamsPerClient)
      return mayHave('a client', maxStreamsPerClient, streams)
    if (organization.streams >= maxStreamsPerOrganization)
      return mayHave(allOfOne, maxStreamsPerOrganization, streams)
    return undefined
  }

  #keep({ client, organization }: Callers): void {
    this.#clients.keep(client)
    this.#organizations.keep(organization)
  }

  #followEnd(call: Call, entry: ClientCall): void {
    const start = call.start.bind(call)
    call.start = (listener) => {
      const budgets = this.#paces.of(entry.caller)
      this.#inTurn(call, entry, { budgets, name: 'calls', amount: 1 }, () =>
        start({
          ...bound(listener),
          onCancel: () => {
            this.#ended(entry)
            listener.onCancel()
          },
        }),
      )
    }
  }

  /**
   * Goes on with a call, later when its client, and then when its organisation has had too much. One that
   * waits counts among its client's calls.
   */
  #inTurn<Name extends string>(
    call: Call,
    entry: ClientCall,
    { budgets: [budget, ...budgets], name, amount }: Turn<Name>,
    goOn: () => void,
  ): void {
    if (budget === undefined) {
      goOn()
      return
    }
    const begin = (): void => this.#inTurn(call, entry, { budgets, name, amount }, goOn)
    budget.spend(name, amount)
    const { holdMs } = budget.settle() ?? {}
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
    // Before it has begun nobody else hears of its end.
    stream.once('close', leave)
  }

  #followMessages(method: Method, call: Call, entry: ClientCall): void {
    const send = call.sendMessage.bind(call)
    call.sendMessage = (message: unknown, callback) => {
      const bytes = method.responseSerialize(message)
      if (!this.#reserve(entry, bytes.length)) return
      send(bytes, () => {
        this.#release(entry, bytes.length)
        if (entry.isOver || !method.responseStream || ownPaths.has(method.path)) callback()
        else this.#inTurn(call, entry, this.#readOf(entry, bytes), callback)
      })
    }
  }

  #readOf({ caller }: ClientCall, { length }: Buffer): Turn<'bytes'> {
    return { budgets: this.#reads.of(caller), name: 'bytes', amount: length + readCost }
  }

  /** False, and the call is ended, when so many more bytes would exceed a bound. */
  #reserve(entry: ClientCall, bytes: number): boolean {
    if (entry.isOver) return false
    const { maxUnsentBytesPerClient, maxUnsentBytesPerOrganization, maxUnsentBytes } = this.#options
    const { client, organization } = entry
    const isTooMuch = (unsent: number, most: number): boolean => unsent > 0 && unsent + bytes > most
    if (isTooMuch(client.unsent, maxUnsentBytesPerClient)) {
      this.#exhaust(entry, `a client may leave at most ${maxUnsentBytesPerClient} bytes unread`)
      return false
    }
    if (isTooMuch(organization.unsent, maxUnsentBytesPerOrganization)) {
      const most = `at most ${maxUnsentBytesPerOrganization} bytes`
      this.#exhaust(entry, `${allOfOne} may leave ${most} unread`)
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
    entry.addUnsent(bytes)
    this.#unsent += bytes
    if (bytes > 0) this.#waiting.add(entry)
  }

  #ended(entry: ClientCall): void {
    if (!entry.end()) return
    this.#unsent -= entry.unsent
    this.#waiting.delete(entry)
    this.#keep(entry)
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

/** Who has one bound together. */
const allOfOne = 'the clients of an organisation'

function mayHave(who: string, most: number, what: string): string {
  return `${who} may have at most ${most} ${what}`
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
