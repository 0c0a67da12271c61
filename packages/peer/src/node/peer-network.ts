import { encodeMessage } from '@heddle/comm'
import { Budget, Holds, systemClock } from '@heddle/events'
import { create, decode, encode, gossip, heddle } from '@heddle/proto'
import { messageOf } from '../errors.ts'
import type {
  Comm,
  ConnectionInfo,
  EncodedMessage,
  ReceivedMessage,
  RemotePeer,
} from '@heddle/comm'
import type { Clock, Counter, Logger, Metrics } from '@heddle/interface'
import type { SignatureNetwork } from '@heddle/orderer'
import type { Network } from '@heddle/pbft'

/** Messages beside those of the consensus that a validator may send in a second, and at once. */
export const otherMessages = { perSecond: 1_000, burst: 5_000 } as const

/** Block signatures that do not verify, by a validator in a second, and at once: more than come of other results. */
export const wrongSignatures = { perSecond: 100, burst: 2_000 } as const

/** A validator that was held back for so many milliseconds, and goes on, is barred. */
const maxHeldMs = 5_000

/** What a validator may cost beside the consensus, which has budgets of its own. */
const limits = { messages: otherMessages, signatures: wrongSignatures }

const tooMuch = {
  messages: 'too many messages beside those of the consensus',
  signatures: 'too many wrong block signatures',
}

/** Another validator, and where it is. */
export interface PeerAddress {
  /** Its number in the consensus, from 0 on. */
  readonly replica: number
  /** `host:port` of its gossip service. */
  readonly endpoint: string
  /** `pkiIdOf` the identity that the genesis block gives it: what a connection has to prove. */
  readonly pkiId: Uint8Array
  /** Whether another identity is this validator's as well: a certificate that was renewed. Default: none is. */
  readonly isRenewal?: (identity: Uint8Array) => boolean
}

/** Who takes what arrives. A handler that throws loses that message, which is counted as refused. */
export interface PeerMessageHandlers {
  /** A replica, from 0 on, has sent something, whatever it is. */
  heard?(from: number): void
  /**
   * `Replica.receive` of `@heddle/pbft`: `from` is a replica, from 0 on. Nothing more of it is read
   * before what is returned has resolved.
   */
  consensus(from: number, bytes: Uint8Array): PromiseLike<void> | undefined
  /**
   * `BlockSignatureCollector.receive` of `@heddle/orderer`: `from` is a consenter, from 1 on. Without
   * it, block signatures are refused.
   */
  blockSignature?(from: number, bytes: Uint8Array): void
  /** An encoded `heddle.WallTime` of a replica, from 0 on. Without it, they are refused. */
  wallTime?(from: number, bytes: Uint8Array): void
  /** An encoded `heddle.SignedHeader` of a replica, from 0 on. Without it, they are refused. */
  signedHeader?(from: number, bytes: Uint8Array): void
  /**
   * A replica is barred: beside its messages of the consensus it sent too much, or too much that is wrong.
   * Told before the connection is closed.
   */
  flooding?(from: number, what: 'messages' | 'rejections'): void
  /** An encoded `heddle.SignedRulesOffer` of a replica, from 0 on. Without it, offers are refused. */
  rulesOffer?(from: number, bytes: Uint8Array): void
}

/** What a {@link PeerNetwork} works with. */
export interface PeerNetworkDeps {
  /** Started and stopped by whoever made it. */
  readonly comm: Comm
  /** Messages of other channels are left alone. */
  readonly channelId: string
  /** All validators but this one. */
  readonly peers: readonly PeerAddress[]
  /** Default: the system's. */
  readonly clock?: Clock
  readonly logger?: Logger
  readonly metrics?: Metrics
}

/** Members that are no validators of which it is remembered. */
export const maxStrangers = 1000

type Body = 'consensus' | 'blockSignature' | 'rulesOffer' | 'wallTime' | 'signedHeader'

/** Encodes a message once, however many validators it is sent to one after the other. */
class Wrapper {
  readonly #channel: Uint8Array
  #last:
    | { readonly body: Body; readonly bytes: Uint8Array; readonly encoded: EncodedMessage }
    | undefined

  constructor(channelId: string) {
    this.#channel = Buffer.from(channelId)
  }

  wrap(body: Body, value: Uint8Array): EncodedMessage {
    if (this.#last?.bytes === value && this.#last.body === body) return this.#last.encoded
    const message = create(heddle.PeerMessageSchema, { body: { case: body, value } })
    const encoded = encodeMessage(
      create(gossip.GossipMessageSchema, {
        channel: this.#channel,
        tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
        content: {
          case: 'dataMsg',
          value: { payload: { data: encode(heddle.PeerMessageSchema, message) } },
        },
      }),
    )
    this.#last = { body, bytes: value, encoded }
    return encoded
  }
}

/**
 * `@heddle/comm` as the network of `@heddle/pbft` and of the block signatures of `@heddle/orderer`:
 * what a validator of one's own needs to take part among those of `heddle`. Messages travel as gossip
 * data messages of the channel with a `heddle.PeerMessage` inside. Who sent one is what the
 * connection has proved: a PKI-ID that the genesis block names; those of others are counted and
 * dropped.
 */
export class PeerNetwork {
  /**
   * For the consensus: `send` waits for room in the queue of the other validator, and rejects with a
   * `CommError` when it cannot be reached. For a replica that is not among the peers it does nothing.
   */
  readonly consensus: Network
  /**
   * For the signature collector: drops when the queue is full, the collector asks again. A validator that
   * sends too many wrong signatures is held back, and then barred.
   */
  readonly blockSignatures: SignatureNetwork
  /** Tells all others, or one, what the clock of this validator says: drops when a queue is full. */
  readonly tellTime: (wallTime: Uint8Array, to?: number) => void
  /** Tells all others a block of this validator as it was signed: drops when a queue is full. */
  readonly tellBlock: (signedHeader: Uint8Array) => void
  /** Sends an offer of rules to all others: drops when a queue is full, it is repeated. */
  readonly offerRules: (offer: Uint8Array) => void
  readonly #deps: PeerNetworkDeps
  readonly #byReplica: Map<number, RemotePeer>
  /** Whom a PKI-ID stands for: as configured, and of each validator the last that was renewed. */
  readonly #byPkiId: Map<string, number>
  readonly #renewed = new Map<number, string>()
  /** Members that are no validators: looking at a certificate takes time. */
  readonly #strangers = new Set<string>()
  readonly #refused: Counter | undefined
  readonly #budgets: ReadonlyMap<number, Budget<keyof typeof limits>>
  readonly #holds: Holds
  #unsubscribe: (() => void) | undefined

  constructor(deps: PeerNetworkDeps) {
    this.#deps = deps
    const { clock = systemClock } = deps
    this.#holds = new Holds(clock)
    this.#budgets = new Map(
      deps.peers.map(({ replica }) => [replica, new Budget(clock, { limits, maxHeldMs })]),
    )
    this.#byReplica = new Map(
      deps.peers.map(({ replica, endpoint, pkiId, isRenewal: accepts }) => [
        replica,
        { endpoint, pkiId, accepts },
      ]),
    )
    this.#byPkiId = new Map(deps.peers.map((each) => [hex(each.pkiId), each.replica]))
    this.#refused = deps.metrics?.counter({
      name: 'heddle_peer_messages_refused_total',
      help: 'Messages of connected peers that were refused: not of a validator of this channel, or not known here.',
    })
    const wrapper = new Wrapper(deps.channelId)
    this.consensus = { send: (to, bytes) => this.#push(to, wrapper.wrap('consensus', bytes)) }
    const send = (body: Body, bytes: Uint8Array, to: number): void => {
      const peer = this.#byReplica.get(to)
      if (peer !== undefined) deps.comm.send(wrapper.wrap(body, bytes), peer)
    }
    const broadcast = (body: Body, bytes: Uint8Array): void =>
      deps.comm.send(wrapper.wrap(body, bytes), ...this.#byReplica.values())
    this.offerRules = (offer) => broadcast('rulesOffer', offer)
    this.tellTime = (wallTime, to) =>
      to === undefined ? broadcast('wallTime', wallTime) : send('wallTime', wallTime, to)
    this.tellBlock = (signedHeader) => broadcast('signedHeader', signedHeader)
    this.blockSignatures = {
      broadcast: (bytes) => broadcast('blockSignature', bytes),
      send: (to, bytes) => send('blockSignature', bytes, to - 1),
      refused: (from) => this.#budgets.get(from - 1)?.spend('signatures', 1),
    }
  }

  /** Validators connected now, this one not counted. */
  get connected(): number {
    return this.connectedReplicas.length
  }

  /** The replicas of those. */
  get connectedReplicas(): number[] {
    return this.#deps.comm.connections().flatMap((pkiId) => this.#byPkiId.get(hex(pkiId)) ?? [])
  }

  /** Begins to hand over what arrives; once. What arrived before is lost. */
  listen(handlers: PeerMessageHandlers): void {
    const channel = Buffer.from(this.#deps.channelId)
    this.#unsubscribe = this.#deps.comm.onMessage(
      ({ message }) => Buffer.compare(message.channel, channel) === 0,
      (received) => this.#receive(received, handlers),
    )
  }

  /** Hands over nothing any more. */
  close(): void {
    this.#unsubscribe?.()
    this.#holds.release()
  }

  /**
   * Closes the connection with a validator that costs too much, and lets it have none for a while, with
   * whichever of its certificates it comes.
   */
  bar(replica: number, reason: string): void {
    for (const peer of this.#knownAs(replica)) this.#deps.comm.bar(peer, reason)
  }

  /** A validator under each PKI-ID that it has shown, or has in the genesis block. */
  #knownAs(replica: number): RemotePeer[] {
    const endpoint = this.#byReplica.get(replica)?.endpoint ?? ''
    return [...this.#byPkiId]
      .filter(([, other]) => other === replica)
      .map(([key]) => ({ endpoint, pkiId: Buffer.from(key, 'hex') }))
  }

  /** Whether it has come back with another certificate than that with which it was barred. */
  #isBarred(replica: number): boolean {
    if (!this.#renewed.has(replica)) return false
    return this.#knownAs(replica).some((peer) => this.#deps.comm.isBarred(peer))
  }

  async #push(to: number, message: EncodedMessage): Promise<void> {
    const peer = this.#byReplica.get(to)
    if (peer !== undefined) await this.#deps.comm.push(message, peer)
  }

  #receive(
    { message, connection }: ReceivedMessage,
    handlers: PeerMessageHandlers,
  ): PromiseLike<void> | undefined {
    const from = this.#senderOf(connection)
    const content = message.content
    if (from === undefined || content.case !== 'dataMsg') {
      this.#refuse(
        connection.endpoint,
        from === undefined ? 'not a validator' : 'not a data message',
      )
      return undefined
    }
    handlers.heard?.(from)
    try {
      const { body } = decode(
        heddle.PeerMessageSchema,
        content.value.payload?.data ?? new Uint8Array(),
      )
      if (body.case === 'consensus') return handlers.consensus(from, body.value)
      if (!handOver(from, body, handlers))
        this.#refuse(connection.endpoint, `no handler for ${body.case ?? 'this unknown message'}`)
    } catch (error) {
      this.#refuse(connection.endpoint, messageOf(error))
    }
    return this.#settle(from, handlers)
  }

  /** A validator that is not barred. */
  #senderOf(connection: ConnectionInfo): number | undefined {
    const from = this.#byPkiId.get(hex(connection.pkiId)) ?? this.#renewal(connection)
    if (from === undefined || !this.#isBarred(from)) return from
    this.bar(from, 'it is barred under another certificate')
    return undefined
  }

  /** After a message that is none of the consensus, which has budgets of its own. */
  #settle(from: number, handlers: PeerMessageHandlers): Promise<void> | undefined {
    const budget = this.#budgets.get(from)
    budget?.spend('messages', 1)
    const overdraft = budget?.settle()
    if (overdraft === undefined) return undefined
    if (overdraft.isExceeded) {
      handlers.flooding?.(from, overdraft.name === 'signatures' ? 'rejections' : 'messages')
      this.bar(from, tooMuch[overdraft.name])
    }
    return this.#holds.hold(overdraft.holdMs)
  }

  /** A validator whose certificate was renewed: from now on it is known by this one, too. */
  #renewal({ pkiId, identity, endpoint }: ConnectionInfo): number | undefined {
    const key = hex(pkiId)
    if (this.#strangers.has(key)) return undefined
    const peer = this.#deps.peers.find(({ isRenewal }) => isRenewal?.(identity) === true)
    if (peer === undefined) {
      if (this.#strangers.size >= maxStrangers) this.#strangers.clear()
      this.#strangers.add(key)
      return undefined
    }
    const { replica } = peer
    const last = this.#renewed.get(replica)
    if (last !== undefined) this.#byPkiId.delete(last)
    this.#renewed.set(replica, key)
    this.#byPkiId.set(key, replica)
    const now = { endpoint: peer.endpoint, pkiId: Uint8Array.prototype.slice.call(pkiId) }
    this.#byReplica.set(replica, { ...now, accepts: peer.isRenewal })
    const validator = `validator${replica}`
    this.#deps.logger?.info('the certificate of a validator was renewed', { validator, endpoint })
    return replica
  }

  #refuse(endpoint: string, reason: string): void {
    this.#refused?.add(1)
    this.#deps.logger?.debug('peer message refused', { endpoint, reason })
  }
}

/** Whether there is a handler. A message of a later version has no case. */
function handOver(
  from: number,
  body: heddle.PeerMessage['body'],
  handlers: PeerMessageHandlers,
): boolean {
  switch (body.case) {
    case 'blockSignature':
      handlers.blockSignature?.(from + 1, body.value)
      return handlers.blockSignature !== undefined
    case 'rulesOffer':
      handlers.rulesOffer?.(from, body.value)
      return handlers.rulesOffer !== undefined
    case 'signedHeader':
      handlers.signedHeader?.(from, body.value)
      return handlers.signedHeader !== undefined
    case 'wallTime':
      handlers.wallTime?.(from, body.value)
      return handlers.wallTime !== undefined
    default:
      return false
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}
