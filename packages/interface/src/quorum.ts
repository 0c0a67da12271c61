/**
 * f: the most faulty members of `n`, 1 or more, that do no harm: ⌊(n - 1) / 3⌋.
 *
 * @see PBFT (OSDI '99) §3
 */
export function faultsTolerated(n: number): number {
  return Math.floor((n - 1) / 3)
}

/**
 * ⌈(n + f + 1) / 2⌉: any two quorums share a correct member, and the correct ones alone are one.
 * 2f + 1 when n = 3f + 1, the case of the paper.
 *
 * @see fabric v3.0.0 common/policies/bft.go
 */
export function quorumOf(n: number): number {
  return Math.ceil((n + faultsTolerated(n) + 1) / 2)
}

/** f + 1: among so many members, one is correct (the paper's weak certificate). */
export function weakQuorumOf(n: number): number {
  return faultsTolerated(n) + 1
}
