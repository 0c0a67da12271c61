import { createHash } from 'node:crypto'
import { create, gossip } from '@heddle/proto'
import { CommError, reasonOf } from '../errors.ts'
import { decodeFrame, signMessage, verifyEnvelope } from '../messages/message.ts'
import type { EncodedMessage } from '../messages/message.ts'
import type { PeerMapper } from '../ports.ts'
import type { ConnectionInfo } from '../types.ts'

/** What a node says about itself in a handshake. */
export interface Introduction {
  readonly pkiId: Uint8Array
  readonly identity: Uint8Array
  /** SHA-256 of the certificate that it presents on this TLS connection. */
  readonly tlsCertHash: Uint8Array
  /** The connection is only to find out who answers; it will not carry messages. */
  readonly probe: boolean
}

/** SHA-256 of a certificate in DER form: what binds a handshake to its TLS connection. */
export function certificateHash(der: Uint8Array): Buffer {
  return createHash('sha256').update(der).digest()
}

/**
 * The first message of both sides of a stream: a signed ConnEstablish.
 * @see fabric v3.1 gossip/comm/comm_impl.go createConnectionMsg; fixtures gossip.json
 */
export function connectionMessage(
  introduction: Introduction,
  sign: (payload: Uint8Array) => Uint8Array,
): EncodedMessage {
  const conn = create(gossip.ConnEstablishSchema, { ...introduction })
  const message = create(gossip.GossipMessageSchema, {
    tag: gossip.GossipMessage_Tag.EMPTY,
    content: { case: 'conn', value: conn },
  })
  return signMessage(message, sign)
}

/** How the remote side of a stream is known before it says who it is. */
export interface RemoteSide {
  /** Address of its socket. */
  readonly address: string
  /** Hash of the certificate that it presented to TLS. */
  readonly certificateHash: Uint8Array
}

/** Who introduced itself. */
export interface Introduced {
  readonly info: ConnectionInfo
  readonly probe: boolean
}

/**
 * Judges the first frame of a stream. Its tag, nonce and channel do not matter (nor do they in
 * Fabric). The TLS binding is compared before the mapper sees the identity, so that nobody can put
 * another's identity into it; the signature is checked over the bytes received.
 *
 * @throws {CommError} a {@link HandshakeErrorCode}; the message is what Fabric would answer
 * @see fabric v3.1 gossip/comm/comm_impl.go authenticateRemotePeer
 */
export function checkConnectionMessage(
  frame: Uint8Array,
  remote: RemoteSide,
  mapper: PeerMapper,
): Introduced {
  const { envelope, message } = decodeFrame(frame)
  if (message.content.case !== 'conn') throw new CommError('COMM_WRONG_MESSAGE_TYPE', 'wrong type')
  const conn = message.content.value
  if (conn.pkiId.length === 0) throw new CommError('COMM_NO_PKI_ID', 'no PKI-ID')
  checkBinding(remote.certificateHash, conn.tlsCertHash)
  // Kept as long as the connection, so apart from the buffer they came in.
  const pkiId = copyOf(conn.pkiId)
  const identity = copyOf(conn.identity)
  attempt('COMM_IDENTITY_REFUSED', () => mapper.put(pkiId, identity))
  attempt('COMM_BAD_SIGNATURE', () =>
    verifyEnvelope(envelope.message, (signature, payload) =>
      mapper.verify(pkiId, signature, payload),
    ),
  )
  const auth = {
    signedData: copyOf(envelope.message.payload),
    signature: copyOf(envelope.message.signature),
  }
  return { info: { pkiId, identity, endpoint: remote.address, auth }, probe: conn.probe }
}

function checkBinding(expected: Uint8Array, got: Uint8Array): void {
  if (Buffer.compare(expected, got) === 0) return
  throw new CommError(
    'COMM_TLS_BINDING_MISMATCH',
    `Expected [${expected.join(' ')}] in remote hash of TLS cert, but got [${got.subarray(0, 64).join(' ')}]`,
  )
}

function attempt(code: 'COMM_IDENTITY_REFUSED' | 'COMM_BAD_SIGNATURE', check: () => void): void {
  try {
    check()
  } catch (cause) {
    throw new CommError(code, reasonOf(cause), { cause })
  }
}

function copyOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes)
}
