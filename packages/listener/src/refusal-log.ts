import { systemClock } from '@heddle/events'
import type { Clock, Counter, LogFields, Logger, Metrics } from '@heddle/interface'
import { assertAtLeastOne } from './options.ts'

/** What a {@link RefusalLog} works with. */
export interface RefusalLogDeps {
  /** Default: the system's. */
  readonly clock?: Clock
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
}

/** Whose refusals, and how many of them are written. */
export interface RefusalLogOptions {
  /** What the port is for, such as `gossip`; in each line and as label of the metrics. */
  readonly port: string
  /** Lines in a minute, 1 or more; what is beyond is counted only. Default 100. */
  readonly maxRefusalLinesPerMinute?: number
}

/** Most characters of a text in a line about a refusal: foreigners word some. */
export const maxRefusalText = 1024

const minuteMs = 60_000
const nothing: Counter = { add: () => undefined }

/**
 * Says at level `warn` whom a port refused and why, so many times a minute at most: who floods the
 * port does not fill the disk. All are counted, in `listener_refusals_total`; those without a line
 * also in `listener_refusals_not_logged_total`.
 */
export class RefusalLog {
  readonly #clock: Clock
  readonly #logger: Logger | undefined
  readonly #port: string
  readonly #maxLines: number
  readonly #refusals: Counter
  readonly #notLogged: Counter
  #minuteBegan = Number.NEGATIVE_INFINITY
  #lines = 0

  /** @throws {ListenerError} LISTENER_INVALID_OPTIONS */
  constructor(deps: RefusalLogDeps, options: RefusalLogOptions) {
    const { port, maxRefusalLinesPerMinute = 100 } = options
    assertAtLeastOne({ maxRefusalLinesPerMinute })
    this.#clock = deps.clock ?? systemClock
    this.#logger = deps.logger
    this.#port = port
    this.#maxLines = maxRefusalLinesPerMinute
    const counter = (name: string, help: string): Counter =>
      deps.metrics?.counter({ name, help, labelNames: ['port'] }) ?? nothing
    this.#refusals = counter(
      'listener_refusals_total',
      'Connections, handshakes and calls that a listening port refused',
    )
    this.#notLogged = counter(
      'listener_refusals_not_logged_total',
      'Refusals without a line in the log: there were too many in a minute',
    )
  }

  /**
   * Something was refused.
   *
   * @param event - a fixed lower-case phrase, such as `connection refused`
   * @param fields - whom and why: the remote address, the reason in plain words
   */
  refused(event: string, fields: LogFields): void {
    const port = this.#port
    this.#refusals.add(1, { port })
    const now = this.#clock.now()
    if (now - this.#minuteBegan >= minuteMs) {
      this.#minuteBegan = now
      this.#lines = 0
    }
    if (this.#lines === this.#maxLines) {
      this.#notLogged.add(1, { port })
      return
    }
    this.#lines += 1
    this.#logger?.warn(event, { port, ...bounded(fields) })
    if (this.#lines === this.#maxLines) {
      const forMs = this.#minuteBegan + minuteMs - now
      this.#logger?.warn('further refusals are counted only', { port, forMs })
    }
  }
}

function bounded(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' && value.length > maxRefusalText
        ? `${value.slice(0, maxRefusalText)}… (${value.length - maxRefusalText} characters more)`
        : value,
    ]),
  )
}
