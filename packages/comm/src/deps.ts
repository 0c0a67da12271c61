import type { Clock, Logger } from '@heddle/interface'
import type { RefusalLog } from '@heddle/listener'
import type { CommMetrics } from './metrics.ts'
import type { HttpProxy, PeerMapper } from './ports.ts'

/** {@link CommDeps} with what is absent filled in. */
export interface ResolvedCommDeps {
  readonly mapper: PeerMapper
  readonly clock: Clock
  readonly logger: Logger | undefined
  readonly metrics: CommMetrics
  readonly refusals: RefusalLog
  readonly proxyFor: ((endpoint: string) => HttpProxy | undefined) | undefined
}
