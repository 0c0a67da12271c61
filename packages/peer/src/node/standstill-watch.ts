import { findStandstill, standstillComponents, standstillLimits } from './standstill.ts'
import type {
  Clock,
  ClockTimer,
  Gauge,
  Lifecycle,
  LifecycleState,
  LogFields,
  Logger,
  Metrics,
} from '@heddle/interface'
import type { UnsignedBlock } from '@heddle/orderer'
import type { ReplicaStatus } from '@heddle/pbft'
import type { Standstill } from './standstill.ts'

/** What a {@link StandstillWatch} looks at. */
export interface StandstillWatchDeps {
  readonly replica: { status(): ReplicaStatus }
  readonly ledger: { readonly height: bigint }
  readonly collector: {
    readonly oldestOpen: UnsignedBlock | undefined
    readonly openBlocks: number
  }
  readonly clock: Clock
  readonly logger?: Logger
  readonly metrics?: Metrics
}

/** How long things have taken, for status and metrics. Milliseconds. */
export interface Ages {
  /** Since the last block was stored, or since the start. */
  readonly lastBlockMs: number
  /** Of the oldest request that waits; 0 when none does. */
  readonly oldestRequestMs: number
  /** Of the oldest block that lacks signatures; 0 when none does. */
  readonly oldestUnsignedMs: number
  readonly unsignedBlocks: number
}

/** How often it looks, in milliseconds. */
export const watchIntervalMs = 1000

/** Notices when a validator stands still, and says so: in the log once, in the metrics, and to whoever asks. */
export class StandstillWatch implements Lifecycle {
  readonly #deps: StandstillWatchDeps
  readonly #limits
  readonly #metrics: WatchMetrics | undefined
  #state: LifecycleState = 'idle'
  #timer: ClockTimer | undefined
  /** Where it was when something last changed, and when that was. */
  #height = -1n
  #executed = -1n
  #blockAt = 0
  #changedAt = 0
  #told: Standstill | undefined

  constructor(deps: StandstillWatchDeps, limits = standstillLimits) {
    this.#deps = deps
    this.#limits = limits
    this.#metrics = deps.metrics && watchMetrics(deps.metrics)
  }

  get state(): LifecycleState {
    return this.#state
  }

  /** What holds this validator up now. */
  get standstill(): Standstill | undefined {
    const { replica, ledger, collector, clock } = this.#deps
    this.#notice()
    const quietMs = clock.now() - this.#changedAt
    return findStandstill(
      { height: ledger.height, unsigned: collector.oldestOpen, replica: replica.status(), quietMs },
      this.#limits,
    )
  }

  get ages(): Ages {
    const { replica, collector, clock } = this.#deps
    this.#notice()
    return {
      lastBlockMs: clock.now() - this.#blockAt,
      oldestRequestMs: replica.status().oldestRequestMs,
      oldestUnsignedMs: collector.oldestOpen?.waitingMs ?? 0,
      unsignedBlocks: collector.openBlocks,
    }
  }

  start(): Promise<void> {
    if (this.#state === 'idle') {
      this.#state = 'started'
      this.#look()
    }
    return Promise.resolve()
  }

  stop(): Promise<void> {
    this.#state = 'stopped'
    this.#timer?.cancel()
    return Promise.resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #look(): void {
    const found = this.standstill
    this.#tell(found)
    this.#metrics?.set(this.ages, found)
    this.#timer = this.#deps.clock.schedule(watchIntervalMs, () => this.#look())
  }

  #notice(): void {
    const now = this.#deps.clock.now()
    const { height } = this.#deps.ledger
    const { lastExecuted } = this.#deps.replica.status()
    if (height !== this.#height) this.#blockAt = now
    if (height !== this.#height || lastExecuted !== this.#executed) this.#changedAt = now
    this.#height = height
    this.#executed = lastExecuted
  }

  /** Once for each part that it is noticed at, and once when it is over. */
  #tell(found: Standstill | undefined): void {
    const told = this.#told
    this.#told = found
    if (found === undefined) {
      if (told !== undefined) this.#deps.logger?.info('goes on', lineOf(told))
    } else if (found.component !== told?.component) {
      this.#deps.logger?.warn('stands still', { ...lineOf(found), reason: found.reason })
    }
  }
}

function lineOf({ component, block, forMs, validators }: Standstill): LogFields {
  return { component, block, seconds: Math.floor(forMs / 1000), validators }
}

interface WatchMetrics {
  set(ages: Ages, found: Standstill | undefined): void
}

function watchMetrics(metrics: Metrics): WatchMetrics {
  const gauge = (name: string, help: string): Gauge => metrics.gauge({ name, help })
  const block = gauge(
    'heddle_last_block_age_seconds',
    'Since the last block was stored, or the start.',
  )
  const request = gauge('heddle_oldest_request_age_seconds', 'Of the oldest request that waits.')
  const unsigned = gauge(
    'heddle_oldest_unsigned_block_age_seconds',
    'Of the oldest executed block that lacks signatures of a quorum.',
  )
  const standstill = metrics.gauge({
    name: 'heddle_standstill',
    help: '1 while the validator stands still, by the part that it is noticed at.',
    labelNames: ['component'],
  })
  return {
    set(ages, found) {
      block.set(ages.lastBlockMs / 1000)
      request.set(ages.oldestRequestMs / 1000)
      unsigned.set(ages.oldestUnsignedMs / 1000)
      for (const component of standstillComponents)
        standstill.set(found?.component === component ? 1 : 0, { component })
    },
  }
}
