import type { Budget } from '@heddle/events'
import type { Clock, ClockTimer } from '@heddle/interface'
import type { Caller } from '@heddle/listener'
import { Budgets, burstSeconds, organizationBurstSeconds } from './client-budgets.ts'

/** Bounds of {@link ClientWindows}, see `OrdererServerOptions`. */
export interface ClientWindowsOptions {
  readonly broadcastWindowPerClient: number
  readonly broadcastWindowPerOrganization: number
  readonly broadcastWindowBytesPerClient: number
  readonly broadcastWindowBytesPerOrganization: number
  readonly maxRefusalsPerSecondPerClient: number
  readonly maxRefusalsPerSecondPerOrganization: number
}

/** Bounds of one {@link ClientWindow}. */
interface WindowBounds {
  readonly envelopes: number
  readonly bytes: number
  readonly refusals: { readonly perSecond: number; readonly seconds: number }
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
 * Envelopes that the Broadcast streams of one client, or of one organisation, have under way together. When too many of them were
 * refused, nothing more of it is read for a while: each costs about as much as one that is ordered.
 */
export class ClientWindow {
  readonly #bounds: WindowBounds
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
   * @param refusals - those so far, also over streams before
   * @param onIdle - called when there is neither a stream nor an envelope any more
   */
  constructor(
    clock: Clock,
    bounds: WindowBounds,
    { refusals, onIdle }: { readonly refusals: Refusals; readonly onIdle: () => void },
  ) {
    this.#clock = clock
    this.#bounds = bounds
    this.#refusals = refusals
    this.#onIdle = onIdle
  }

  get isFull(): boolean {
    const { envelopes, bytes } = this.#bounds
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

/** The windows of all clients, and of their organisations, that have something under way. */
export class ClientWindows {
  readonly #clients: Windows
  readonly #organizations: Windows

  constructor(clock: Clock, options: ClientWindowsOptions) {
    this.#clients = new Windows(clock, {
      envelopes: options.broadcastWindowPerClient,
      bytes: options.broadcastWindowBytesPerClient,
      refusals: { perSecond: options.maxRefusalsPerSecondPerClient, seconds: burstSeconds },
    })
    this.#organizations = new Windows(clock, {
      envelopes: options.broadcastWindowPerOrganization,
      bytes: options.broadcastWindowBytesPerOrganization,
      refusals: {
        perSecond: options.maxRefusalsPerSecondPerOrganization,
        seconds: organizationBurstSeconds,
      },
    })
  }

  /** What the envelopes of a client have to go through: its own window, and that of its organisation. */
  of({ client, organization }: Caller): readonly ClientWindow[] {
    return [this.#clients.of(client), this.#organizations.of(organization)]
  }
}

/** Windows of one kind. */
class Windows {
  readonly #clock: Clock
  readonly #bounds: WindowBounds
  readonly #byKey = new Map<string, ClientWindow>()
  readonly #refusals: Budgets<'refusals'>

  constructor(clock: Clock, bounds: WindowBounds) {
    this.#clock = clock
    this.#bounds = bounds
    this.#refusals = new Budgets(clock, 'refusals', bounds.refusals)
  }

  of(key: string): ClientWindow {
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const made = new ClientWindow(this.#clock, this.#bounds, {
      refusals: this.#refusals.of(key),
      onIdle: () => this.#byKey.delete(key),
    })
    this.#byKey.set(key, made)
    return made
  }
}
