import { CommError } from '../errors.ts'
import { hexOf } from '../hex.ts'
import type { PeerMapper } from '../ports.ts'
import type { RemotePeer } from '../remote-peer.ts'
import type { RepeatedLines } from '../repeated-lines.ts'
import type { ConnectionInfo } from '../types.ts'

/** What {@link ExpectedPeer} needs from the comm. */
export interface ExpectedPeerHost {
  readonly mapper: Pick<PeerMapper, 'organizationOf'>
  readonly lines: RepeatedLines
  /** The peer that was expected has another identity now. */
  onIdentitySwitch(expected: Uint8Array): void
}

/** Judges whether the peer that was found is the one that was dialled. */
export class ExpectedPeer {
  readonly #host: ExpectedPeerHost

  constructor(host: ExpectedPeerHost) {
    this.#host = host
  }

  /**
   * For a connection: another one passes when it is of the same organisation, or when the caller accepts it.
   *
   * @throws {CommError} COMM_UNEXPECTED_PEER
   * @see fabric v3.1 gossip/comm/comm_impl.go createConnection (FAB-10970, FAB-16651)
   */
  check({ pkiId: expected, endpoint, accepts }: RemotePeer, info: ConnectionInfo): void {
    const { pkiId: actual, identity } = info
    if (expected === undefined || expected.length === 0 || equal(expected, actual)) return
    if (accepts?.(identity) === true) return
    const fields = { endpoint, expected: hexOf(expected), actual: hexOf(actual) }
    if (!this.#sameOrganization(expected, actual)) {
      const line = { event: 'unexpected peer', about: endpoint, most: 1 }
      this.#host.lines.write('warn', { ...line, fields })
      throw new CommError('COMM_UNEXPECTED_PEER', 'authentication failure')
    }
    const line = { event: 'peer has changed its identity', about: endpoint, most: 1 }
    this.#host.lines.write('info', { ...line, fields })
    this.#host.onIdentitySwitch(Uint8Array.prototype.slice.call(expected))
  }

  /** For a handshake alone. @throws {CommError} COMM_UNEXPECTED_PEER when it is any other */
  checkExactly({ pkiId: expected, accepts }: RemotePeer, info: ConnectionInfo): void {
    if (expected === undefined || equal(expected, info.pkiId)) return
    if (accepts?.(info.identity) === true) return
    throw new CommError(
      'COMM_UNEXPECTED_PEER',
      "PKI-ID of remote peer doesn't match expected PKI-ID",
    )
  }

  #sameOrganization(one: Uint8Array, other: Uint8Array): boolean {
    const { mapper } = this.#host
    const [first, second] = [mapper.organizationOf(one), mapper.organizationOf(other)]
    return first !== undefined && second !== undefined && equal(first, second)
  }
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
