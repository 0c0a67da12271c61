import { hold } from './conditions.ts'
import { findStandstill, standstillLimits, standstillNames } from './standstill.ts'
import type { Clock, Gauge, Metrics } from '@heddle/interface'
import type { UnsignedBlock } from '@heddle/orderer'
import type { ReplicaStatus } from '@heddle/pbft'
import type { ConditionDetails, ConditionSink } from './conditions.ts'
import type { Standstill } from './standstill.ts'

/** What a {@link StandstillCheck} looks at. */
export interface StandstillCheckDeps {
  readonly replica: { status(): ReplicaStatus }
  readonly ledger: { readonly height: bigint }
  readonly collector: {
    readonly oldestOpen: UnsignedBlock | undefined
    readonly openBlocks: number
  }
  readonly clock: Clock
  readonly conditions: ConditionSink
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

/** Notices when a validator stands still, and tells how long things have taken. */
export class StandstillCheck {
  readonly #deps: StandstillCheckDeps
  readonly #limits
  readonly #metrics: AgeMetrics | undefined
  /** Where it was when something last changed, and when that was. */
  #height = -1n
  #executed = -1n
  #blockAt = 0
  #changedAt = 0
  #transferAt: number | undefined

  constructor(deps: StandstillCheckDeps, limits = standstillLimits) {
    this.#deps = deps
    this.#limits = limits
    this.#metrics = deps.metrics && ageMetrics(deps.metrics)
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

  /** Says what holds this validator up now: the nearest cause, since the others follow from it. */
  look(): void {
    const { ages } = this
    this.#metrics?.set(ages)
    const found = this.#find()
    for (const name of standstillNames)
      hold(this.#deps.conditions, name, found?.condition === name ? detailsOf(found) : undefined)
  }

  #find(): Standstill | undefined {
    const { replica, ledger, collector, clock } = this.#deps
    const now = clock.now()
    const { height } = ledger
    const quietMs = now - this.#changedAt
    const transferringMs = now - (this.#transferAt ?? now)
    return findStandstill(
      {
        height,
        unsigned: collector.oldestOpen,
        replica: replica.status(),
        quietMs,
        transferringMs,
      },
      this.#limits,
    )
  }

  #notice(): void {
    const now = this.#deps.clock.now()
    const { height } = this.#deps.ledger
    const { lastExecuted, transferring } = this.#deps.replica.status()
    this.#transferAt = transferring ? (this.#transferAt ?? now) : undefined
    if (height !== this.#height) this.#blockAt = now
    if (height !== this.#height || lastExecuted !== this.#executed) this.#changedAt = now
    this.#height = height
    this.#executed = lastExecuted
  }
}

function detailsOf({ reason, block, forMs, validators }: Standstill): ConditionDetails {
  return { reason, fields: { block, seconds: Math.floor(forMs / 1000), validators } }
}

interface AgeMetrics {
  set(ages: Ages): void
}

function ageMetrics(metrics: Metrics): AgeMetrics {
  const gauge = (name: string, help: string): Gauge => metrics.gauge({ name, help })
  const block = gauge(
    'heddle_last_block_age_seconds',
    'Time since the last block was stored, or since the start.',
  )
  const request = gauge('heddle_oldest_request_age_seconds', 'Age of the oldest waiting request.')
  const unsigned = gauge(
    'heddle_oldest_unsigned_block_age_seconds',
    'Age of the oldest executed block that lacks the signatures of a quorum.',
  )
  return {
    set(ages) {
      block.set(ages.lastBlockMs / 1000)
      request.set(ages.oldestRequestMs / 1000)
      unsigned.set(ages.oldestUnsignedMs / 1000)
    },
  }
}
