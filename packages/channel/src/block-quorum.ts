import { quorumOf } from '@heddle/interface'

/**
 * How many of `consenters`, 1 or more, must sign a block: any two such sets share a correct consenter.
 *
 * @see fabric v3.0.0 common/policies/bft.go
 */
export function blockQuorum(consenters: number): number {
  return quorumOf(consenters)
}
