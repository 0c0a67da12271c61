import { readFile } from 'node:fs/promises'
import { createComm } from '@heddle/comm'
import type { Comm, ReceivedMessage } from '@heddle/comm'
import { systemClock } from '@heddle/events'
import { createIdentityMapper } from '@heddle/identity'
import type { Mapper } from '@heddle/identity'
import { createMessageCryptoService, loadMsp, loadSigningIdentity, pkiIdOf } from '@heddle/msp'
import type { Msp, SigningIdentity } from '@heddle/msp'
import { create, gossip } from '@heddle/proto'
import type { Member, ReplicaFiles } from './messages.ts'

/** What a message is about: we write it into the channel of a gossip message. */
type Topic = 'consensus' | 'ask' | 'batches'

/** Mutual TLS, then Fabric's handshake, then messages between replicas that know each other by number. */
export class Transport {
  readonly msp: Msp
  readonly signer: SigningIdentity
  readonly #mapper: Mapper
  readonly #comm: Comm
  #peers: { readonly endpoint: string; readonly pkiId: Uint8Array }[] = []

  private constructor(msp: Msp, signer: SigningIdentity, parts: { mapper: Mapper; comm: Comm }) {
    this.msp = msp
    this.signer = signer
    this.#mapper = parts.mapper
    this.#comm = parts.comm
  }

  static async open({ port, mspId, mspDir, tls }: ReplicaFiles): Promise<Transport> {
    // Who we are, and whom we believe: the members of our organisation.
    const msp = await loadMsp(mspDir, mspId)
    const signer = await loadSigningIdentity(mspDir, mspId)
    const crypto = createMessageCryptoService({ localMsp: msp, signer })
    const mapper = createIdentityMapper(
      { crypto, advisor: crypto, clock: systemClock },
      { selfIdentity: signer.serialized },
    )
    const [certificate, key, roots] = await Promise.all(
      [tls.certificate, tls.key, tls.roots].map((path) => readFile(path, 'utf8')),
    )
    const listen = { host: '127.0.0.1', port }
    const files = { certificate: certificate!, key: key!, roots: [roots!] }
    const comm = createComm({ mapper }, { listen, tls: files, identity: signer.serialized })
    await mapper.start()
    await comm.start()
    return new Transport(msp, signer, { mapper, comm })
  }

  get address(): string {
    return this.#comm.address
  }

  /** From now on the replicas are these, by number. */
  meet(members: readonly Member[]): void {
    this.#peers = members.map(({ address, identity }) => ({
      endpoint: address,
      pkiId: pkiIdOf(Buffer.from(identity, 'hex')) ?? new Uint8Array(),
    }))
  }

  /** Waits for room in the queue to replica `to`; does not wait until it arrived. */
  async send(to: number, topic: Topic, data: Uint8Array): Promise<void> {
    await this.#comm.push(messageOf(topic, data), this.#peers[to]!)
  }

  /** Calls `handler` with what replicas say to each other. */
  listen(handler: (from: number, data: Uint8Array) => void): void {
    this.#comm.onMessage(this.#isAbout('consensus'), (received) =>
      handler(this.#senderOf(received), dataOf(received)),
    )
  }

  /** Sends back what `answer` makes of a question; one that throws is logged and gets no answer. */
  answer(answer: (question: Uint8Array) => Uint8Array): void {
    this.#comm.onMessage(this.#isAbout('ask'), (received) =>
      received.respond(messageOf('batches', answer(dataOf(received)))),
    )
  }

  /** Asks replica `to` and waits for its answer, 5 seconds at most. */
  async ask(to: number, question: Uint8Array, stopped?: AbortSignal): Promise<Uint8Array> {
    const timeout = AbortSignal.timeout(5000)
    const signal = stopped === undefined ? timeout : AbortSignal.any([timeout, stopped])
    const answers = this.#comm.accept(this.#isAbout('batches', to), { signal })
    await this.send(to, 'ask', question)
    for await (const answer of answers) return dataOf(answer)
    return new Uint8Array()
  }

  async close(): Promise<void> {
    await this.#comm.stop()
    await this.#mapper.stop()
  }

  /** Other members of the organisation may connect, but only replicas are heard. */
  #isAbout(topic: Topic, from?: number): (received: ReceivedMessage) => boolean {
    return (received) => {
      const sender = this.#senderOf(received)
      const isTopic = Buffer.from(received.message.channel).toString() === topic
      return isTopic && (from === undefined ? sender >= 0 : sender === from)
    }
  }

  #senderOf({ connection }: ReceivedMessage): number {
    return this.#peers.findIndex(({ pkiId }) => Buffer.compare(pkiId, connection.pkiId) === 0)
  }
}

function messageOf(topic: Topic, data: Uint8Array): gossip.GossipMessage {
  return create(gossip.GossipMessageSchema, {
    channel: Buffer.from(topic),
    tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
    content: { case: 'dataMsg', value: { payload: { data } } },
  })
}

function dataOf({ message: { content } }: ReceivedMessage): Uint8Array {
  return (content.case === 'dataMsg' ? content.value.payload?.data : undefined) ?? new Uint8Array()
}
