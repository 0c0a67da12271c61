/**
 * How many of `consenters` must sign a block: ⌈(N + F + 1) / 2⌉ with F = ⌊(N − 1) / 3⌋, so that any
 * two such sets share a correct consenter.
 *
 * @param consenters - N, 1 or more
 * @see fabric v3.0.0 common/policies/bft.go
 */
export function blockQuorum(consenters: number): number {
  const faulty = Math.floor((consenters - 1) / 3)
  return Math.ceil((consenters + faulty + 1) / 2)
}
