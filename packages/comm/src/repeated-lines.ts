import { BoundedMap } from '@heddle/events'
import type { Clock, LogFields, Logger } from '@heddle/interface'

const minuteMs = 60_000
/** Lines whose repetition is watched; the oldest is forgotten, and may be written once more. */
export const maxWatchedLines = 1000

interface Watched {
  readonly began: number
  lines: number
  held: number
}

/**
 * Writes lines that may come again and again so many times a minute at most, for each event and
 * whoever it is about; the first after that says how many were `notLogged`. So nobody fills the log
 * by being unreachable, or by coming and going.
 */
export class RepeatedLines {
  readonly #clock: Clock
  readonly #logger: Logger | undefined
  readonly #watched = new BoundedMap<Watched>(maxWatchedLines)

  constructor(clock: Clock, logger: Logger | undefined) {
    this.#clock = clock
    this.#logger = logger
  }

  /**
   * @param about - a peer or endpoint: its lines count together
   * @param most - lines in a minute
   */
  write(
    level: 'info' | 'warn' | 'error',
    line: { event: string; about: string; most: number; fields: LogFields; error?: unknown },
  ): void {
    const watched = this.#watch(`${line.event} ${line.about}`)
    if (watched.lines >= line.most) {
      watched.held += 1
      return
    }
    watched.lines += 1
    const { held } = watched
    watched.held = 0
    const fields = held === 0 ? line.fields : { ...line.fields, notLogged: held }
    this.#logger?.[level](line.event, fields, line.error)
  }

  #watch(key: string): Watched {
    const known = this.#watched.get(key)
    const now = this.#clock.now()
    if (known !== undefined && now - known.began < minuteMs) return known
    const fresh = { began: now, lines: 0, held: known?.held ?? 0 }
    this.#watched.set(key, fresh)
    return fresh
  }
}
