import type { LogFields, Logger } from '@heddle/interface'

/** Says once, and not again until something worked, that every endpoint has failed. */
export class Outage {
  readonly #what: string
  readonly #endpoints: { readonly size: number }
  readonly #logger: Logger | undefined
  #failures = 0
  #warned = false
  #lastError: unknown

  /**
   * @param what - the line of the log, such as `no endpoint delivers`
   * @param endpoints - how many there are: as many failures in a row are an outage
   */
  constructor(what: string, endpoints: { readonly size: number }, logger: Logger | undefined) {
    this.#what = what
    this.#endpoints = endpoints
    this.#logger = logger
  }

  /** What failed last; undefined when something worked since. */
  get lastError(): unknown {
    return this.#lastError
  }

  /** Takes note of a failure; warns when as many came in a row as there are endpoints. */
  failed(error: unknown, fields: LogFields): void {
    this.#lastError = error
    this.#failures++
    if (this.#warned || this.#failures < this.#endpoints.size) return
    this.#warned = true
    this.#logger?.warn(this.#what, { failures: this.#failures, ...fields }, error)
  }

  /** Takes note that something worked. */
  worked(): void {
    if (this.#warned) this.#logger?.info(`${this.#what}: no longer`)
    this.#failures = 0
    this.#warned = false
    this.#lastError = undefined
  }
}
