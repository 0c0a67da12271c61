import type { Socket } from 'node:net'
import type { Clock, ClockTimer } from '@heddle/interface'

interface Pending {
  readonly socket: Socket
  readonly timer: ClockTimer
}

/**
 * The TCP connections to us over which nobody has authenticated: each has so much time, and there
 * are so many at most; the oldest gives way. A connection comes back when its stream has ended.
 */
export class PendingSockets {
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #capacity: number
  readonly #onExpired: (address: string, reason: 'timeout' | 'crowded out') => void
  // By remote address and port, which is how a call knows its socket; in the order of arrival.
  readonly #pending = new Map<string, Pending>()
  readonly #authenticated = new Map<string, { readonly socket: Socket; streams: number }>()

  constructor(
    clock: Clock,
    options: { readonly timeoutMs: number; readonly capacity: number },
    onExpired: (address: string, reason: 'timeout' | 'crowded out') => void,
  ) {
    this.#clock = clock
    this.#timeoutMs = options.timeoutMs
    this.#capacity = options.capacity
    this.#onExpired = onExpired
  }

  /** How many there are. */
  get size(): number {
    return this.#pending.size
  }

  /** A TCP connection has come in. */
  add(socket: Socket): void {
    const address = addressOf(socket)
    socket.once('close', () => this.#forget(address, socket))
    this.#watch(address, socket)
  }

  /** Someone has authenticated over the connection from `address`: it may stay. */
  settle(address: string): void {
    const authenticated = this.#authenticated.get(address)
    if (authenticated !== undefined) authenticated.streams += 1
    const pending = this.#pending.get(address)
    if (pending === undefined) return
    pending.timer.cancel()
    this.#pending.delete(address)
    this.#authenticated.set(address, { socket: pending.socket, streams: 1 })
  }

  /** Such a stream has ended; after the last one the time starts again. */
  unsettle(address: string): void {
    const authenticated = this.#authenticated.get(address)
    if (authenticated === undefined) return
    authenticated.streams -= 1
    if (authenticated.streams > 0) return
    this.#authenticated.delete(address)
    this.#watch(address, authenticated.socket)
  }

  /** Cuts every connection, also the authenticated ones. */
  destroyAll(): void {
    for (const { socket, timer } of this.#pending.values()) {
      timer.cancel()
      socket.destroy()
    }
    for (const { socket } of this.#authenticated.values()) socket.destroy()
    this.#pending.clear()
    this.#authenticated.clear()
  }

  #watch(address: string, socket: Socket): void {
    for (const oldest of this.#pending.keys()) {
      if (this.#pending.size < this.#capacity) break
      this.#expire(oldest, 'crowded out')
    }
    const timer = this.#clock.schedule(this.#timeoutMs, () => this.#expire(address, 'timeout'))
    this.#pending.set(address, { socket, timer })
  }

  #expire(address: string, reason: 'timeout' | 'crowded out'): void {
    const pending = this.#pending.get(address)
    if (pending === undefined) return
    this.#pending.delete(address)
    pending.timer.cancel()
    pending.socket.destroy()
    this.#onExpired(address, reason)
  }

  #forget(address: string, socket: Socket): void {
    const pending = this.#pending.get(address)
    if (pending?.socket === socket) {
      pending.timer.cancel()
      this.#pending.delete(address)
    }
    if (this.#authenticated.get(address)?.socket === socket) this.#authenticated.delete(address)
  }
}

/** `address:port` of the other end, as grpc-js writes it. */
export function addressOf(socket: Socket): string {
  return `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`
}
