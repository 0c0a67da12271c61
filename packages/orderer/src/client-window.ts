/** Bounds of a {@link ClientWindow}, see `OrdererServerOptions`. */
export interface ClientWindowOptions {
  readonly broadcastWindowPerClient: number
  readonly broadcastWindowBytesPerClient: number
}

/** A stream that takes envelopes. */
export interface WindowStream {
  /** Reads no more. */
  pause(): void
  /** Reads again, if nothing of its own speaks against it. */
  readOn(): void
}

/** Envelopes that the Broadcast streams of one client have under way together. */
export class ClientWindow {
  readonly #options: ClientWindowOptions
  readonly #onIdle: () => void
  readonly #streams = new Set<WindowStream>()
  /** Of those: such as wait for room. */
  readonly #waiting = new Set<WindowStream>()
  #envelopes = 0
  #bytes = 0

  /** @param onIdle - called when there is neither a stream nor an envelope any more */
  constructor(options: ClientWindowOptions, onIdle: () => void) {
    this.#options = options
    this.#onIdle = onIdle
  }

  get isFull(): boolean {
    const { broadcastWindowPerClient: envelopes, broadcastWindowBytesPerClient: bytes } =
      this.#options
    return this.#envelopes >= envelopes || this.#bytes >= bytes
  }

  /** A stream begins. While the window is full it waits. */
  open(stream: WindowStream): void {
    this.#streams.add(stream)
    if (!this.isFull) return
    stream.pause()
    this.await(stream)
  }

  /** It has ended. */
  close(stream: WindowStream): void {
    this.#streams.delete(stream)
    this.#waiting.delete(stream)
    this.#settle()
  }

  /** An envelope came. While the window is full, all streams of the client wait. */
  take(bytes: number): void {
    this.#envelopes += 1
    this.#bytes += bytes
    if (!this.isFull) return
    for (const stream of this.#streams) {
      stream.pause()
      this.await(stream)
    }
  }

  /** It is answered, or nobody waits for its answer and the chain has let go of it. */
  release(bytes: number): void {
    this.#envelopes -= 1
    this.#bytes -= bytes
    this.#settle()
  }

  /** Lets a stream read on once there is room. */
  await(stream: WindowStream): void {
    this.#waiting.add(stream)
  }

  #settle(): void {
    for (const stream of [...this.#waiting]) {
      if (this.isFull) break
      this.#waiting.delete(stream)
      stream.readOn()
    }
    if (this.#streams.size === 0 && this.#envelopes === 0) this.#onIdle()
  }
}

/** The windows of all clients that have something under way. */
export class ClientWindows {
  readonly #options: ClientWindowOptions
  readonly #byClient = new Map<string, ClientWindow>()

  constructor(options: ClientWindowOptions) {
    this.#options = options
  }

  /** @param client - see `clientKey` */
  of(client: string): ClientWindow {
    const known = this.#byClient.get(client)
    if (known !== undefined) return known
    const made = new ClientWindow(this.#options, () => this.#byClient.delete(client))
    this.#byClient.set(client, made)
    return made
  }
}
