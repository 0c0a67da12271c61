// One end of a comm bench: a Comm of one of the two peers.
import { createComm, type Comm, type RemotePeer } from '@heddle/comm'
import { systemClock } from '@heddle/events'
import { createIdentityMapper } from '@heddle/identity'
import {
  createMessageCryptoService,
  loadMsp,
  loadSigningIdentity,
  type GeneratedNode,
  type GeneratedOrganization,
} from '@heddle/msp'
import { create, encode, gossip } from '@heddle/proto'
import { mspId, tlsOf } from './certificates.ts'

export async function startComm(
  organization: GeneratedOrganization,
  node: GeneratedNode,
): Promise<Comm> {
  const localMsp = await loadMsp(organization.mspDir, mspId)
  const signer = await loadSigningIdentity(node.mspDir, mspId)
  const crypto = createMessageCryptoService({ localMsp, signer })
  const mapper = createIdentityMapper(
    { crypto, advisor: crypto, clock: systemClock },
    { selfIdentity: signer.serialized },
  )
  const { certificate, key, root } = tlsOf(node)
  const comm = createComm(
    { mapper },
    {
      listen: { host: '127.0.0.1', port: 0 },
      tls: { certificate, key, roots: [root] },
      identity: signer.serialized,
    },
  )
  await comm.start()
  return comm
}

/** A data message with this payload, as consensus traffic travels. */
function dataMessage(data: Uint8Array): gossip.GossipMessage {
  return create(gossip.GossipMessageSchema, {
    channel: Buffer.from('bench'),
    tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
    content: {
      case: 'dataMsg',
      value: { payload: { seqNum: 1n, data, privateData: [] } },
    },
  })
}

/** The bytes that such a message has on the wire: what the bare stream must carry too. */
export function wireBytes(size: number): number {
  const payload = encode(gossip.GossipMessageSchema, dataMessage(Buffer.alloc(size, 7)))
  return encode(gossip.EnvelopeSchema, create(gossip.EnvelopeSchema, { payload })).length
}

function dataOf(message: gossip.GossipMessage): Uint8Array {
  return message.content.case === 'dataMsg'
    ? (message.content.value.payload?.data ?? new Uint8Array())
    : new Uint8Array()
}

/** Answers an empty message, and in echo mode every one. */
export function answer(comm: Comm, echo: () => boolean): void {
  comm.onMessage(
    () => true,
    (received) => {
      if (!echo() && dataOf(received.message).length > 0) return undefined
      return received.respond(received.message)
    },
  )
}

/** `next` resolves when the next message arrives; `end` stops listening. */
function answers(comm: Comm): { next: () => Promise<void>; end: () => void } {
  let resolve: () => void = () => undefined
  const end = comm.onMessage(
    () => true,
    () => resolve(),
  )
  return { next: () => new Promise<void>((done) => (resolve = done)), end }
}

/** Messages a second, one way, until the last has arrived; each is encoded anew. */
export async function oneWay(
  comm: Comm,
  peer: RemotePeer,
  [size, count]: readonly [number, number],
): Promise<number> {
  const incoming = answers(comm)
  const data = Buffer.alloc(size, 7)
  const start = performance.now()
  for (let sent = 0; sent < count; sent += 1) await comm.push(dataMessage(data), peer)
  const answered = incoming.next()
  await comm.push(dataMessage(Buffer.alloc(0)), peer)
  await answered
  incoming.end()
  return count / ((performance.now() - start) / 1000)
}

/** Round trips a second, one after another. */
export async function pingPong(
  comm: Comm,
  peer: RemotePeer,
  [size, count]: readonly [number, number],
): Promise<number> {
  const incoming = answers(comm)
  const message = dataMessage(Buffer.alloc(size, 7))
  const start = performance.now()
  for (let sent = 0; sent < count; sent += 1) {
    const answered = incoming.next()
    await comm.push(message, peer)
    await answered
  }
  incoming.end()
  return count / ((performance.now() - start) / 1000)
}
