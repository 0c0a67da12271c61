export { faultsTolerated, quorumOf, weakQuorumOf } from '@heddle/interface'

/**
 * The replica that assigns sequence numbers in `view`, 0 or more: view mod n.
 *
 * @see PBFT (OSDI '99) §4
 */
export function primaryOf(view: bigint, n: number): number {
  return Number(view % BigInt(n))
}
