import type { ReplicaOptions } from '@heddle/pbft'
import type { Config } from '../config/settings.ts'

/** What a configuration says about the consensus; `who` is the place of this replica in it. */
export function replicaOptions(
  config: Config,
  who: Pick<ReplicaOptions, 'id' | 'n' | 'acceptLoss'>,
): ReplicaOptions {
  return {
    ...who,
    batchSize: config['pbft.general.batchsize'],
    maxBatchBytes: config['pbft.general.maxBatchBytes'],
    preferredBatchBytes: config['pbft.general.preferredBatchBytes'],
    batchTimeoutMs: config['pbft.general.timeout.batch'],
    checkpointPeriod: config['pbft.general.k'],
    logMultiplier: config['pbft.general.logmultiplier'],
    requestTimeoutMs: config['pbft.general.timeout.request'],
    viewChangeTimeoutMs: config['pbft.general.timeout.viewchange'],
    maxRequestBytes: config['general.maxEnvelopeBytes'],
  }
}
