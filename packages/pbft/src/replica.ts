import { checkPorts } from './check-ports.ts'
import { PbftReplica } from './pbft-replica.ts'
import { resolveReplicaOptions } from './options.ts'
import type { Replica, ReplicaDependencies, ReplicaOptions } from './types.ts'

/**
 * Makes a replica; nothing runs before {@link Replica.start}.
 *
 * @throws {InvalidOptionsError} PBFT_INVALID_OPTIONS, naming the option, or the port and its method
 */
export function createReplica(deps: ReplicaDependencies, options: ReplicaOptions): Replica {
  checkPorts(deps)
  return new PbftReplica(deps, resolveReplicaOptions(options))
}
