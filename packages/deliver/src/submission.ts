import type { AbortOptions } from '@heddle/interface'
import type { common } from '@heddle/proto'
import type { StatusError } from './errors.ts'
import type { Endpoint } from './ports.ts'

/** The answer to an envelope that was taken. */
export interface BroadcastResult {
  /** SUCCESS; any other final status rejects. */
  readonly status: common.Status
  /** What it said about it, for people; often empty. */
  readonly info: string
  /** Who answered. */
  readonly endpoint: string
}

/** An envelope on its way, from `submit` to its final answer. */
export class Submission {
  readonly bytes: Uint8Array
  readonly result: Promise<BroadcastResult>
  /** `Clock.now()` when it was submitted. */
  readonly since: number
  /** How often it was sent. */
  sends = 0
  /** How often a stream broke while it was the oldest unanswered. */
  breaks = 0
  /** Whom it was given to, and who has not answered yet. */
  readonly holders = new Set<Endpoint>()
  /** Whom it was ever given to. */
  readonly tried = new Set<Endpoint>()
  /** Who refused it finally, with what they said. */
  readonly refusals = new Map<Endpoint, StatusError>()
  /** `Clock.now()` when it was first given to somebody. */
  givenAt: number | undefined
  /** Whether others were given it, too, because nobody answered. */
  spread = false
  #settled = false
  #resolve: (result: BroadcastResult) => void = () => undefined
  #reject: (reason: Error) => void = () => undefined
  readonly #release: () => void

  /** @param options - its signal rejects the result; what was sent already cannot be taken back */
  constructor(bytes: Uint8Array, since: number, { signal }: AbortOptions) {
    this.bytes = bytes
    this.since = since
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    const abort = (): void => this.reject(signal?.reason as Error)
    signal?.addEventListener('abort', abort, { once: true })
    this.#release = () => signal?.removeEventListener('abort', abort)
  }

  /** Whether it has its final answer, or nobody waits for it any more. */
  get settled(): boolean {
    return this.#settled
  }

  /** Gives it its final answer; without effect when it has one. */
  resolve(result: BroadcastResult): void {
    this.#settle()
    this.#resolve(result)
  }

  /** As {@link resolve}, with what went wrong. */
  reject(reason: Error): void {
    this.#settle()
    this.#reject(reason)
  }

  #settle(): void {
    this.#settled = true
    this.#release()
  }
}
