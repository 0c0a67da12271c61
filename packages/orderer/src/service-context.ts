import type { ServerInterceptingCall } from '@grpc/grpc-js'
import type { Caller, RefusalLog } from '@heddle/listener'
import type { Clock, Logger } from '@heddle/interface'
import type { ServiceMetrics } from './metrics.ts'
import type { ChainLookup } from './ports.ts'
import type { ResolvedServerOptions } from './server-options.ts'

/** What every stream of the services works with. */
export interface ServiceContext {
  readonly chains: ChainLookup
  readonly clock: Clock
  readonly options: ResolvedServerOptions
  readonly logger: Logger | undefined
  /** Tells of requests that were finally refused, so many a minute at most. */
  readonly refusals: RefusalLog
  /** Who makes a call. */
  readonly callerOf: (call: Pick<ServerInterceptingCall, 'getPeer'>) => Caller
  readonly metrics: ServiceMetrics | undefined
}
