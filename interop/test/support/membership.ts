import { gossip, create, decode, encode } from '@heddle/proto'
import type { CommNode } from './comm-node.ts'

// As much of Fabric's membership protocol as it takes to be answered by a peer. (fabric v3.1.5
// gossip/discovery)

const { GossipMessage_Tag: Tag } = gossip

/** What a node says of itself, signed. */
export function aliveEnvelope({ comm, signer }: CommNode): gossip.Envelope {
  const alive = create(gossip.GossipMessageSchema, {
    tag: Tag.EMPTY,
    content: {
      case: 'aliveMsg',
      value: {
        membership: { endpoint: comm.address, pkiId: comm.pkiId },
        timestamp: { incNum: BigInt(Date.now()) * 1_000_000n, seqNum: 1n },
        identity: signer.serialized,
      },
    },
  })
  const payload = encode(gossip.GossipMessageSchema, alive)
  return create(gossip.EnvelopeSchema, { payload, signature: signer.sign(payload) })
}

/** Asks a peer for the members that it knows. */
export function membershipRequest(node: CommNode, nonce: bigint): gossip.GossipMessage {
  return create(gossip.GossipMessageSchema, {
    nonce,
    tag: Tag.EMPTY,
    content: { case: 'memReq', value: { selfInformation: aliveEnvelope(node) } },
  })
}

/** Answers a membership request with this node alone. */
export function membershipResponse(node: CommNode, nonce: bigint): gossip.GossipMessage {
  return create(gossip.GossipMessageSchema, {
    nonce,
    tag: Tag.EMPTY,
    content: { case: 'memRes', value: { alive: [aliveEnvelope(node)], dead: [] } },
  })
}

/** Endpoint and PKI-ID in an alive message. */
export function memberOf(envelope: gossip.Envelope | undefined): gossip.Member | undefined {
  const { content } = decode(gossip.GossipMessageSchema, envelope?.payload ?? new Uint8Array())
  return content.case === 'aliveMsg' ? content.value.membership : undefined
}
