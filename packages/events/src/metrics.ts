import type { Counter, Gauge, Metrics } from '@heddle/interface'

const help = {
  handled: 'Events given to the receiver',
  refused: 'Events refused because the queue was full',
  waited: 'Producers that had to wait for room',
  failed: 'Events for which the receiver threw',
  dropped: 'Queued events thrown away by stop',
}
type Count = keyof typeof help

/** What a manager counts: plain numbers, told to the metrics once a batch and not once an event. */
export class ManagerCounts implements Record<Count, number> {
  readonly manager: string
  handled = 0
  refused = 0
  waited = 0
  failed = 0
  dropped = 0
  readonly #counters: { readonly name: Count; readonly counter: Counter; published: number }[] = []
  readonly #queued: Gauge | undefined

  /** Registers the metrics; each has the label `manager`. */
  constructor(manager: string, metrics: Metrics | undefined) {
    this.manager = manager
    if (metrics === undefined) return
    const labelNames = ['manager']
    for (const name of Object.keys(help) as Count[]) {
      const options = { name: `events_${name}_total`, help: help[name], labelNames }
      this.#counters.push({ name, counter: metrics.counter(options), published: 0 })
    }
    this.#queued = metrics.gauge({ name: 'events_queued', help: 'Events in the queue', labelNames })
  }

  /** Tells the metrics what has been counted since the last call, and how many are queued. */
  publish(queued: number): void {
    if (this.#queued === undefined) return
    const labels = { manager: this.manager }
    this.#queued.set(queued, labels)
    for (const entry of this.#counters) {
      const value = this[entry.name]
      if (value > entry.published) entry.counter.add(value - entry.published, labels)
      entry.published = value
    }
  }
}
