export { CodedError, InvariantError, isCodedError, messageOf } from './errors.ts'
export { nearestName, unknownOption } from './names.ts'
export { faultsTolerated, quorumOf, weakQuorumOf } from './quorum.ts'
export type { Clock, ClockTimer } from './clock.ts'
export type { AbortOptions, Lifecycle, LifecycleState } from './lifecycle.ts'
export type { LogFields, Logger } from './logger.ts'
export type {
  Counter,
  Gauge,
  Histogram,
  HistogramOptions,
  MetricLabels,
  MetricOptions,
  Metrics,
} from './metrics.ts'
