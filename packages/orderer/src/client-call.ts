import type { ServerInterceptingCall } from '@grpc/grpc-js'

/** Whoever has one TLS certificate, while it has calls. */
export interface Client {
  readonly key: string
  calls: number
  /** Of those: streams of blocks or entries. */
  streams: number
  /** Bytes written for it that it does not have yet. */
  unsent: number
}

/** What tells one client from another: its TLS certificate, or without one its address. */
export function clientKey(
  call: Pick<ServerInterceptingCall, 'getAuthContext' | 'getPeer'>,
): string {
  const certificate = call.getAuthContext().sslPeerCertificate
  return certificate?.fingerprint256 ?? call.getPeer().replace(/:\d+$/, '')
}

/** What is told about a call, and how to end it. */
export interface CallEnds {
  readonly address: string
  /** Such as `/heddle.Query/Entries`. */
  readonly method: string
  /** Ends it without waiting for the client: RESOURCE_EXHAUSTED there. */
  readonly reset: () => void
}

/** One call of a client, counted there from here on. */
export class ClientCall {
  readonly client: Client
  readonly address: string
  readonly method: string
  readonly reset: () => void
  /** Bytes written for it that the client does not have yet. */
  unsent = 0
  /** When the client was last known to read, on the clock's `now`; of interest while something is unsent. */
  waitsSince = 0
  readonly #isHeavy: boolean
  #isOver = false

  constructor(client: Client, isHeavy: boolean, { address, method, reset }: CallEnds) {
    this.client = client
    this.address = address
    this.method = method
    this.reset = reset
    this.#isHeavy = isHeavy
    client.calls += 1
    if (isHeavy) client.streams += 1
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Counts no more. False when it did not before. */
  end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.client.calls -= 1
    if (this.#isHeavy) this.client.streams -= 1
    this.client.unsent -= this.unsent
    return true
  }
}
