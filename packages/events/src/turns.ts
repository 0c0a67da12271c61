/**
 * Decides when a batch of work runs: in a microtask, at once after the code that caused it, until
 * `batchSize` events have been handled; then the event loop gets a turn first. So a burst costs one
 * microtask, a flood one `setImmediate` for each `batchSize` events, and neither starves timers and
 * sockets, also when each event causes the next.
 */
export class Turns {
  readonly #batchSize: number
  readonly #run: () => boolean
  #isScheduled = false
  #immediate: NodeJS.Immediate | undefined
  /** Events that may still be handled before the event loop must turn. */
  left: number

  /** @param run - handles a batch, must not throw; true when there is more to do */
  constructor(batchSize: number, run: () => boolean) {
    this.#batchSize = batchSize
    this.#run = run
    this.left = batchSize
  }

  /** Makes sure that `run` is called; nothing happens when it is to be called already. */
  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    if (this.left > 0) queueMicrotask(this.#go)
    else this.#immediate = setImmediate(this.#goAfterTurn)
  }

  /** Forgets a call that waits for the event loop. */
  cancel(): void {
    clearImmediate(this.#immediate)
  }

  readonly #go = (): void => {
    const isMore = this.#run()
    this.#isScheduled = false
    if (isMore) this.schedule()
  }

  readonly #goAfterTurn = (): void => {
    this.#immediate = undefined
    this.left = this.#batchSize
    this.#go()
  }
}
