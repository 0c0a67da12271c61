import { InvariantError } from '@heddle/interface'
import type { Comm, CommDeps, CommOptions } from './types.ts'

export function createComm(deps: CommDeps, options: CommOptions): Comm {
  throw new InvariantError(`not there yet: ${String(deps)} ${String(options)}`)
}
