/**
 * Decides when a batch of work runs: in a microtask, at once after the code that caused it, until
 * `batchSize` events have been handled; then the event loop gets a turn first. So a burst costs one
 * microtask, a flood one `setImmediate` for each `batchSize` events, and neither starves timers and
 * sockets, also when each event causes the next.
 */
export class Turns {
  readonly #batchSize: number
  readonly #run: () => boolean
  #immediate: NodeJS.Immediate | undefined
  /** True when `schedule` has to be called: after `open`, while no batch is due or under way. */
  isIdle = false
  /** Events that may still be handled before the event loop must turn. */
  left: number

  /** @param run - handles a batch, must not throw; true when there is more to do */
  constructor(batchSize: number, run: () => boolean) {
    this.#batchSize = batchSize
    this.#run = run
    this.left = batchSize
  }

  /** Allows batches to run; until then `isIdle` is false. */
  open(): void {
    this.isIdle = true
  }

  /** Makes a batch run soon. Only when `isIdle`. */
  schedule(): void {
    this.isIdle = false
    if (this.left > 0) queueMicrotask(this.#go)
    else this.#immediate = setImmediate(this.#goAfterTurn)
  }

  /** No batch runs afterwards, except the one under way. */
  close(): void {
    this.isIdle = false
    clearImmediate(this.#immediate)
  }

  readonly #go = (): void => {
    const isMore = this.#run()
    if (isMore) this.schedule()
    else this.isIdle = true
  }

  readonly #goAfterTurn = (): void => {
    this.left = this.#batchSize
    this.#go()
  }
}
