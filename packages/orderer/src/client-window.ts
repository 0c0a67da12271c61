import type { Budget } from '@heddle/events'
import type { Clock, ClockTimer } from '@heddle/interface'
import { ClientBudgets } from './client-budgets.ts'

/** Bounds of a {@link ClientWindow}, see `OrdererServerOptions`. */
export interface ClientWindowOptions {
  readonly broadcastWindowPerClient: number
  readonly broadcastWindowBytesPerClient: number
  readonly maxRefusalsPerSecondPerClient: number
}

type Refusals = Budget<'refusals'>

/** A stream that takes envelopes. */
export interface WindowStream {
  /** Reads no more. */
  pause(): void
  /** Reads again, if nothing of its own speaks against it. */
  readOn(): void
}

/**
 * Envelopes that the Broadcast streams of one client have under way together. When too many of them were
 * refused, nothing more of it is read for a while: each costs about as much as one that is ordered.
 */
export class ClientWindow {
  readonly #options: ClientWindowOptions
  readonly #onIdle: () => void
  readonly #clock: Clock
  readonly #refusals: Refusals
  /** Runs while nothing is read because of refusals. */
  #hold: ClockTimer | undefined
  readonly #streams = new Set<WindowStream>()
  /** Of those: such as wait for room. */
  readonly #waiting = new Set<WindowStream>()
  #envelopes = 0
  #bytes = 0

  /**
   * @param refusals - those of the client, also over streams before
   * @param onIdle - called when there is neither a stream nor an envelope any more
   */
  constructor(
    clock: Clock,
    options: ClientWindowOptions,
    { refusals, onIdle }: { readonly refusals: Refusals; readonly onIdle: () => void },
  ) {
    this.#clock = clock
    this.#options = options
    this.#refusals = refusals
    this.#onIdle = onIdle
  }

  get isFull(): boolean {
    const { broadcastWindowPerClient: envelopes, broadcastWindowBytesPerClient: bytes } =
      this.#options
    return this.#hold !== undefined || this.#envelopes >= envelopes || this.#bytes >= bytes
  }

  /** A stream begins. While the window is full it waits. */
  open(stream: WindowStream): void {
    this.#streams.add(stream)
    this.#holdBack()
    if (!this.isFull) return
    stream.pause()
    this.await(stream)
  }

  /** It has ended. */
  close(stream: WindowStream): void {
    this.#streams.delete(stream)
    this.#waiting.delete(stream)
    if (this.#streams.size === 0) this.#readAgain()
    this.#settle()
  }

  /** An envelope came. While the window is full, all streams of the client wait. */
  take(bytes: number): void {
    this.#envelopes += 1
    this.#bytes += bytes
    if (this.isFull) this.#pauseAll()
  }

  /** An envelope was refused, for another reason than that the chain is busy. */
  refused(): void {
    this.#refusals.spend('refusals', 1)
    this.#holdBack()
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

  #holdBack(): void {
    if (this.#hold !== undefined || this.#streams.size === 0) return
    const overdraft = this.#refusals.settle()
    if (overdraft === undefined) return
    this.#hold = this.#clock.schedule(overdraft.holdMs, () => {
      this.#readAgain()
      this.#holdBack()
      this.#settle()
    })
    this.#pauseAll()
  }

  #readAgain(): void {
    this.#hold?.cancel()
    this.#hold = undefined
  }

  #pauseAll(): void {
    for (const stream of this.#streams) {
      stream.pause()
      this.await(stream)
    }
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
  readonly #clock: Clock
  readonly #options: ClientWindowOptions
  readonly #byClient = new Map<string, ClientWindow>()
  readonly #refusals: ClientBudgets<'refusals'>

  constructor(clock: Clock, options: ClientWindowOptions) {
    this.#clock = clock
    this.#options = options
    const { maxRefusalsPerSecondPerClient: perSecond } = options
    this.#refusals = new ClientBudgets(clock, 'refusals', perSecond)
  }

  /** @param client - see `clientKey` */
  of(client: string): ClientWindow {
    const known = this.#byClient.get(client)
    if (known !== undefined) return known
    const made = new ClientWindow(this.#clock, this.#options, {
      refusals: this.#refusals.of(client),
      onIdle: () => this.#byClient.delete(client),
    })
    this.#byClient.set(client, made)
    return made
  }
}
