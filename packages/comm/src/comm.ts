import { systemClock } from '@heddle/events'
import { RefusalLog } from '@heddle/listener'
import { CommError } from './errors.ts'
import { GrpcComm } from './grpc-comm.ts'
import { commMetrics } from './metrics.ts'
import { resolveCommOptions } from './options.ts'
import type { Comm, CommDeps, CommOptions } from './types.ts'

/**
 * Makes the gossip communication layer of a node over gRPC and mutual TLS. Nothing happens before
 * `start()`.
 *
 * @throws {CommError} COMM_INVALID_OPTIONS
 */
export function createComm(deps: CommDeps, options: CommOptions): Comm {
  const resolved = resolveCommOptions(options)
  const { mapper, clock = systemClock, proxyFor } = deps
  const pkiId = mapper.pkiIdOf(resolved.identity)
  if (pkiId === undefined) {
    throw new CommError('COMM_INVALID_OPTIONS', 'identity is not a serialized identity')
  }
  const logger = deps.logger?.child('gossip.comm')
  const { maxRefusalLinesPerMinute } = resolved
  const refusals = new RefusalLog(
    { clock, logger, metrics: deps.metrics },
    { port: 'gossip', maxRefusalLinesPerMinute },
  )
  const metrics = commMetrics(deps.metrics)
  return new GrpcComm({ mapper, clock, logger, metrics, refusals, proxyFor }, resolved, pkiId)
}
