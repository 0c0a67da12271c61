import { createHash, X509Certificate } from 'node:crypto'
import { Client, credentials } from '@grpc/grpc-js'
import type { ClientDuplexStream, status } from '@grpc/grpc-js'
import type { SigningIdentity } from '@heddle/msp'
import type { TlsMaterial } from '@heddle/msp/testing'
import { create, decode, encode, gossip } from '@heddle/proto'
import type { MessageInitShape } from '@heddle/proto'
import { organizations } from './nodes.ts'

const asIs = (bytes: Buffer): Buffer => bytes

/** A gossip client made by hand, which does whatever a test wants: the malicious peer. */
export class RawPeer {
  readonly call: ClientDuplexStream<Buffer, Buffer>
  readonly frames: Buffer[] = []
  readonly status: Promise<{ code: status; details: string }>
  readonly client: Client
  readonly #waiting = new Set<() => void>()

  private constructor(client: Client) {
    this.client = client
    this.call = client.makeBidiStreamRequest('/gossip.Gossip/GossipStream', asIs, asIs)
    this.call.on('data', (frame: Buffer) => {
      this.frames.push(frame)
      for (const resolve of this.#waiting) resolve()
    })
    this.call.on('error', () => undefined)
    this.status = new Promise((resolve) =>
      this.call.on('status', ({ code, details }) => resolve({ code, details })),
    )
  }

  static async connect(endpoint: string, tls?: Partial<TlsMaterial>): Promise<RawPeer> {
    const { a, b } = await organizations()
    const roots = Buffer.from(a.tlsCa.certificate + b.tlsCa.certificate)
    const pair =
      tls?.certificate === undefined || tls.key === undefined
        ? credentials.createSsl(roots)
        : credentials.createSsl(roots, Buffer.from(tls.key), Buffer.from(tls.certificate))
    return new RawPeer(
      new Client(endpoint, pair, {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.enable_retries': 0,
        'grpc.max_send_message_length': -1,
      }),
    )
  }

  write(frame: Buffer): void {
    this.call.write(frame)
  }

  /** The frame with this index. */
  async frame(index: number): Promise<gossip.GossipMessage> {
    while (this.frames[index] === undefined) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
    const envelope = decode(gossip.EnvelopeSchema, this.frames[index])
    return decode(gossip.GossipMessageSchema, envelope.payload)
  }

  close(): void {
    this.call.cancel()
    this.client.close()
  }
}

/** SHA-256 of the DER form of a certificate in PEM form. */
export function hashOf(pem: string): Buffer {
  return createHash('sha256').update(new X509Certificate(pem).raw).digest()
}

/** What a connection message may be made to say. */
export interface ConnectionMessageParts {
  readonly signer: SigningIdentity
  readonly tls: Pick<TlsMaterial, 'certificate'>
  readonly conn?: MessageInitShape<typeof gossip.ConnEstablishSchema>
  readonly message?: MessageInitShape<typeof gossip.GossipMessageSchema>
  readonly signature?: (right: Uint8Array) => Uint8Array
}

/** A connection message that is right apart from the parts given; made without our own code. */
export function connectionMessage(parts: ConnectionMessageParts): Buffer {
  const { signer, tls } = parts
  const conn = create(gossip.ConnEstablishSchema, {
    pkiId: signer.pkiId,
    identity: signer.serialized,
    tlsCertHash: hashOf(tls.certificate),
    ...parts.conn,
  })
  const message = create(gossip.GossipMessageSchema, {
    tag: gossip.GossipMessage_Tag.EMPTY,
    content: { case: 'conn', value: conn },
    ...parts.message,
  })
  const payload = encode(gossip.GossipMessageSchema, message)
  const signature = (parts.signature ?? ((right) => right))(signer.sign(payload))
  return encode(gossip.EnvelopeSchema, create(gossip.EnvelopeSchema, { payload, signature }))
}

/** An unsigned envelope; made without our own code. */
export function envelope(message: gossip.GossipMessage): Buffer {
  const payload = encode(gossip.GossipMessageSchema, message)
  return encode(gossip.EnvelopeSchema, create(gossip.EnvelopeSchema, { payload }))
}
