import type { Clock } from '@heddle/interface'
import type { Config } from '../config/settings.ts'
import type { Logging } from '../logging/logger.ts'
import type { PrometheusMetrics } from '../operations/metrics.ts'
import type { Version } from '../package-root.ts'
import type { Material } from './material.ts'

/** What a validator is made of, apart from its disk. */
export interface CompositionDeps {
  readonly config: Config
  readonly material: Material
  readonly clock: Clock
  readonly logging: Logging
  readonly metrics: PrometheusMetrics
  readonly version: Version
  /** See `ReplicaOptions.acceptLoss`. */
  readonly acceptLostBlocks: boolean
}
