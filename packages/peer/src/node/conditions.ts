import { conditionKinds } from './condition-kinds.ts'
import type { Clock, Gauge, LogFields, Logger, Metrics } from '@heddle/interface'
import type { ConditionName, Severity } from './condition-kinds.ts'

/** What is known of a condition at the moment. */
export interface ConditionDetails {
  /** What is wrong, for people, in the words of this moment. */
  readonly reason: string
  /** Whom or what it is about, of a fixed few, when there can be several at once: `validator3`. */
  readonly subject?: string
  /** Further fields of the line in the log. */
  readonly fields?: LogFields
  /** It is over when it was not raised again for so long, in milliseconds. Without: when it is cleared. */
  readonly lastsMs?: number
}

/** A condition that holds now. */
export interface Condition {
  readonly condition: ConditionName
  readonly severity: Severity
  readonly component: string
  readonly reason: string
  readonly cure: string
  /** Since when, by the clock of this machine: milliseconds since 1970. */
  readonly since: number
}

/** Where the parts of a validator say what is wrong, and when it is over. */
export interface ConditionSink {
  /** It holds from now on; again: it still does, perhaps for another reason. */
  raise(condition: ConditionName, details: ConditionDetails): void
  /** It does not hold; no matter whether it did. */
  clear(condition: ConditionName, subject?: string): void
}

/** Raises a condition when there are details, and clears it when there are none. */
export function hold(
  sink: ConditionSink,
  condition: ConditionName,
  details: ConditionDetails | undefined,
  subject?: string,
): void {
  if (details === undefined) sink.clear(condition, subject)
  else sink.raise(condition, subject === undefined ? details : { ...details, subject })
}

/** What a {@link Conditions} works with. */
export interface ConditionsDeps {
  readonly clock: Clock
  readonly logger?: Logger
  readonly metrics?: Metrics
}

/** A condition that comes and goes begins so often in the log in a minute. */
export const maxLinesPerMinute = 3

interface Held {
  readonly name: ConditionName
  readonly subject: string | undefined
  readonly since: number
  /** Whether the log says that it began. */
  readonly isTold: boolean
  details: ConditionDetails
  raisedAt: number
}

/**
 * What is wrong with a validator, and what it sees of others: the one source of `/healthz`, of the metric
 * `heddle_condition`, of `heddle network status` and of the lines `not well` and `well again` in the log.
 */
export class Conditions implements ConditionSink {
  readonly #deps: ConditionsDeps
  readonly #gauge: Gauge | undefined
  readonly #held = new Map<string, Held>()
  /** When the log said last that it began. */
  readonly #toldAt = new Map<string, readonly number[]>()

  constructor(deps: ConditionsDeps) {
    this.#deps = deps
    this.#gauge = deps.metrics?.gauge({
      name: 'heddle_condition',
      help: 'How often a condition holds now; see the operations guide.',
      labelNames: ['condition', 'severity'],
    })
    for (const name of Object.keys(conditionKinds)) this.#count(name as ConditionName)
  }

  /** Those that hold now: what has failed first, then what has lasted longest. */
  get current(): readonly Condition[] {
    this.settle()
    return [...this.#held.values()]
      .map(({ name, since, details }) => ({
        condition: name,
        ...conditionKinds[name],
        reason: details.reason,
        since,
      }))
      .sort((a, b) => rank(a) - rank(b) || a.since - b.since)
  }

  raise(name: ConditionName, details: ConditionDetails): void {
    const { clock } = this.#deps
    const { subject } = details
    const key = keyOf(name, subject)
    const now = clock.now()
    this.#endIfOver(key)
    const held = this.#held.get(key)
    if (held !== undefined) {
      held.details = details
      held.raisedAt = now
      return
    }
    const lately = (this.#toldAt.get(key) ?? []).filter((at) => now - at < 60_000)
    const isTold = lately.length < maxLinesPerMinute
    const since = clock.wallTime()
    this.#held.set(key, { name, subject, since, isTold, details, raisedAt: now })
    this.#count(name)
    if (!isTold) return
    this.#toldAt.set(key, [...lately, now])
    const { cure } = conditionKinds[name]
    this.#deps.logger?.warn('not well', { ...fieldsOf(name, details), cure })
  }

  clear(name: ConditionName, subject?: string): void {
    const key = keyOf(name, subject)
    const held = this.#held.get(key)
    if (held === undefined) return
    this.#held.delete(key)
    this.#count(name)
    if (held.isTold) this.#deps.logger?.info('well again', fieldsOf(name, held.details))
  }

  /** Ends what was not raised again for as long as it lasts. */
  settle(): void {
    for (const key of [...this.#held.keys()]) this.#endIfOver(key)
  }

  #endIfOver(key: string): void {
    const held = this.#held.get(key)
    if (held !== undefined && isOver(held, this.#deps.clock.now()))
      this.clear(held.name, held.subject)
  }

  #count(name: ConditionName): void {
    const value = [...this.#held.values()].filter((each) => each.name === name).length
    this.#gauge?.set(value, { condition: name, severity: conditionKinds[name].severity })
  }
}

function keyOf(name: ConditionName, subject: string | undefined): string {
  return subject === undefined ? name : `${name} ${subject}`
}

function rank({ severity }: Condition): number {
  return severity === 'failed' ? 0 : 1
}

function isOver({ raisedAt, details }: Held, now: number): boolean {
  return details.lastsMs !== undefined && now - raisedAt >= details.lastsMs
}

function fieldsOf(
  condition: ConditionName,
  { reason, subject, fields }: ConditionDetails,
): LogFields {
  const { severity, component } = conditionKinds[condition]
  const about = subject === undefined ? {} : { about: subject }
  return { condition, severity, component, ...about, ...fields, reason }
}
