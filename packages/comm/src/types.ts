import type { AbortOptions, Clock, Lifecycle, Logger, Metrics } from '@heddle/interface'
import type { gossip, Received } from '@heddle/proto'
import type { EncodedMessage } from './messages/message.ts'
import type { HttpProxy, PeerMapper } from './ports.ts'
import type { RemotePeer } from './remote-peer.ts'
import type { AggregatedSendResult } from './send-result.ts'

/** Who is at the other end of a connection. Proven by the handshake; never changes. */
export interface ConnectionInfo {
  /** SHA-256 over MSP id and certificate, 32 bytes. */
  readonly pkiId: Uint8Array
  /** Serialized identity (`msp.SerializedIdentity`) as the peer sent it. */
  readonly identity: Uint8Array
  /** Address of the remote socket; for an accepted connection not the one that the peer listens on. */
  readonly endpoint: string
  /** What the peer signed in the handshake, for those who want to keep the proof. */
  readonly auth: { readonly signedData: Uint8Array; readonly signature: Uint8Array }
}

/** A message that an authenticated peer sent. */
export interface ReceivedMessage {
  /** Decoded from the payload of `envelope`. */
  readonly message: gossip.GossipMessage
  /** The envelope with the bytes it arrived in. Copy what is kept: they belong to a larger buffer. */
  readonly envelope: Received<gossip.Envelope>
  readonly connection: ConnectionInfo
  /**
   * Sends `message` back on the connection it came from, unsigned; waits for room in its queue.
   * @throws CodedError `COMM_CLOSED` when that connection is gone
   */
  respond(message: gossip.GossipMessage): Promise<void>
  /** Answers a {@link Comm.sendWithAck}: done, or refused with the error's message. */
  ack(error?: Error): Promise<void>
}

/** Decides which messages a subscriber gets. If it throws, that counts as no. */
export type MessagePredicate = (message: ReceivedMessage) => boolean

/**
 * Takes a message. Returning a promise holds back the next message of the same connection until it
 * settles, and so in the end the sender; returning nothing holds back nobody. What it throws or
 * rejects with is logged and counted, and reaches nobody else.
 */
export type MessageHandler = (message: ReceivedMessage) => void | PromiseLike<void>

/** Ends a subscription; harmless when it has ended. */
export type Unsubscribe = () => void

/** How {@link Comm.accept} buffers. */
export interface AcceptOptions extends AbortOptions {
  /** Messages kept for a slow reader, 1 or more. Default 100. */
  readonly capacity?: number
  /** Bytes that these may have together, 1 or more; one message may always. Default 100 MiB. */
  readonly maxBytes?: number
  /**
   * What happens to a message when the buffer is full. `drop` (default): it is dropped for this
   * subscriber and counted. `wait`: the connection that it came from waits, and so its sender.
   */
  readonly whenFull?: 'drop' | 'wait'
}

/** Options of {@link Comm.sendWithAck}. */
export interface SendWithAckOptions extends AbortOptions {
  /** How long to wait for an acknowledgement of each peer, in milliseconds, after it was sent. */
  readonly timeoutMs: number
  /** Return as soon as so many peers acknowledged; 0 returns when all were sent to. */
  readonly minAck: number
}

/** What can be sent: a message, sent unsigned, or one encoded (and perhaps signed) beforehand. */
export type Outgoing = gossip.GossipMessage | EncodedMessage

/**
 * The gossip communication layer of one node: it listens, dials, authenticates, and carries
 * messages between this node and its peers over at most one live connection to each.
 *
 * @see fabric v3.1 gossip/comm/comm.go (Comm)
 */
export interface Comm extends Lifecycle {
  /** Own PKI-ID: SHA-256 over MSP id and certificate. */
  readonly pkiId: Uint8Array
  /** `host:port` it listens on; the empty string before `start`. */
  readonly address: string

  /**
   * Sends to each peer without waiting, dialling where there is no connection. Messages to one peer
   * keep their order. A message is dropped, and counted, when the peer's queue is full or the peer
   * cannot be reached; see {@link presumedDead}. Does nothing once stopped.
   */
  send(message: Outgoing, ...peers: readonly RemotePeer[]): void

  /**
   * As {@link send}, to one peer, waiting for room in its queue. Resolves when the message is in the
   * queue, which does not mean that it arrived.
   *
   * @throws CodedError `COMM_UNREACHABLE`, the codes of the handshake,
   *   `COMM_CLOSED`, `COMM_STOPPED`, `COMM_QUEUE_FULL`, `COMM_MESSAGE_TOO_LARGE`
   */
  push(message: Outgoing, peer: RemotePeer, options?: AbortOptions): Promise<void>

  /**
   * Sends to all peers and collects their acknowledgements. Never rejects because of a peer: what
   * went wrong with it is its result. The message gets a random nonce and no signature.
   */
  sendWithAck(
    message: gossip.GossipMessage,
    options: SendWithAckOptions,
    ...peers: readonly RemotePeer[]
  ): Promise<AggregatedSendResult>

  /**
   * Resolves when something that speaks gossip answers a ping there; says nothing about who.
   * @throws CodedError `COMM_UNREACHABLE`, `COMM_INVALID_ENDPOINT`, `COMM_STOPPED`
   */
  probe(peer: RemotePeer, options?: AbortOptions): Promise<void>

  /**
   * Authenticates the peer over a connection of its own, which is closed again.
   * @returns its serialized identity
   * @throws CodedError as {@link push}, and `COMM_UNEXPECTED_PEER` when `peer.pkiId` is another
   */
  handshake(peer: RemotePeer, options?: AbortOptions): Promise<Uint8Array>

  /** Messages for which `predicate` says yes, from now on. `return()` unsubscribes. One consumer. */
  accept(predicate: MessagePredicate, options?: AcceptOptions): MessageStream<ReceivedMessage>

  /** As {@link accept} without a queue in between: the cheapest way, and the one with back-pressure. */
  onMessage(predicate: MessagePredicate, handler: MessageHandler): Unsubscribe

  /**
   * PKI-IDs of peers that could not be reached or whose connection broke: once for each loss, that
   * is, not again before there was a connection. Every call has its own buffer of 100; the oldest give way, counted. One consumer for each.
   */
  presumedDead(): MessageStream<Uint8Array>

  /** PKI-IDs under which a peer was expected that turned out to be another of its organisation. */
  identitySwitch(): MessageStream<Uint8Array>

  /** Closes and forgets the connection to `peer.pkiId`, if there is one. No presumed-dead event. */
  closeConn(peer: RemotePeer): void

  /**
   * Closes the connection to `peer.pkiId`, and lets it have none for `barMs`, whoever dials: for a peer
   * that costs more than it may. One line in the log. No presumed-dead event.
   */
  bar(peer: RemotePeer, reason: string): void

  /** Whether `peer.pkiId` gets no connection now: see {@link bar}; or it sent too many frames. */
  isBarred(peer: RemotePeer): boolean

  /** PKI-IDs of the peers that are connected now. */
  connections(): Uint8Array[]
}

/** A stream with a bounded buffer; `break` and `return()` release it. */
export type MessageStream<T> = AsyncIterableIterator<T, undefined>

/** What a {@link Comm} needs from others. */
export interface CommDeps {
  readonly mapper: PeerMapper
  /** Default: the system's. */
  readonly clock?: Clock
  readonly logger?: Logger
  readonly metrics?: Metrics
  /**
   * Which HTTP proxy leads to an endpoint. Default: none, whatever the environment says; to heed it,
   * give `proxyFor` of `@heddle/deliver`.
   */
  readonly proxyFor?: (endpoint: string) => HttpProxy | undefined
}

/** TLS material of a node, PEM texts. */
export interface CommTlsOptions {
  /** Server certificate, leaf first, and its key. */
  readonly certificate: string
  readonly key: string
  /** CA certificates of the peers, one or more each. Both directions are checked against them. */
  readonly roots: readonly string[]
  /** What this node presents when it dials. Default: the server pair. */
  readonly clientCertificate?: string
  readonly clientKey?: string
}

/** Settings of a {@link Comm}: integers from 1 on; milliseconds, bytes, and messages for queues. */
export interface CommOptions {
  /** Port 0 takes a free one, up to 65535. */
  readonly listen: { readonly host: string; readonly port: number }
  readonly tls: CommTlsOptions
  /** Own serialized identity, sent in every handshake. */
  readonly identity: Uint8Array
  /** For TCP and TLS. Default 3000. */
  readonly dialTimeoutMs?: number
  /** For the ping, and for the other's connection message. Default 2000. */
  readonly connTimeoutMs?: number
  /** For a TCP connection to us until its peer has authenticated. Default 10000. */
  readonly setupTimeoutMs?: number
  /** No new dial to a peer so soon after one that failed; 0: at once, always. Default 100. */
  readonly redialDelayMs?: number
  /** That delay doubles with each failure in a row, up to this. Default 5000, or the delay if more. */
  readonly maxRedialDelayMs?: number
  /** Messages received and not yet handed on, for each connection. Default 20. */
  readonly recvBufferSize?: number
  /** Messages waiting to be written, for each connection. Default 20. */
  readonly sendBufferSize?: number
  /** Largest envelope, both ways; also the bytes that one such buffer holds. Default 100 MiB. */
  readonly maxMessageBytes?: number
  /** Bytes of messages that wait for room in one queue, or for a dial; one may always. Default 100 MiB. */
  readonly maxWaitingBytes?: number
  /** Authenticated connections. Default 1000. */
  readonly maxConnections?: number
  /** TCP connections to us that have not authenticated; the oldest gives way. Default 256. */
  readonly maxPendingConnections?: number
  /** TCP connections to us with one TLS certificate. Default 16. */
  readonly maxConnectionsPerCertificate?: number
  /** A peer that has sent nothing for so long is pinged. Default 10000. */
  readonly pingAfterMs?: number
  /** A peer that does not answer a ping for so long has vanished. Default 10000. */
  readonly pingTimeoutMs?: number
  /** Frames of one peer in a second, and five times as many at once; beyond, it is not read. Default 100,000. */
  readonly maxFramesPerSecond?: number
  /** A peer that was not read for so long, and goes on, is barred; see {@link Comm.bar}. Default 5000. */
  readonly maxHeldMs?: number
  /** How long a barred peer gets no connection. Default 60000. */
  readonly barMs?: number
  /** Lines in the log about who was refused, in a minute; what is beyond is counted. Default 100. */
  readonly maxRefusalLinesPerMinute?: number
}
