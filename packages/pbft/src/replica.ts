import { InvariantError } from '@heddle/interface'
import type { Replica, ReplicaDependencies, ReplicaOptions } from './types.ts'

/** Makes a replica; nothing runs before {@link Replica.start}. */
export function createReplica(deps: ReplicaDependencies, options: ReplicaOptions): Replica {
  throw new InvariantError(`not there yet ${String(deps)} ${String(options.id)}`)
}
