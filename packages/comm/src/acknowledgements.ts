import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { Clock } from '@heddle/interface'
import { create, gossip } from '@heddle/proto'
import { PubSub } from '@heddle/pubsub'
import type { Connection } from './connections/connection.ts'
import { within } from './deadline.ts'
import { CommError, reasonOf } from './errors.ts'
import { hexOf } from './hex.ts'
import { encodeMessage } from './messages/message.ts'
import type { EncodedMessage } from './messages/message.ts'
import { AggregatedSendResult } from './send-result.ts'
import type { SendResult } from './send-result.ts'
import type { RemotePeer } from './remote-peer.ts'
import type { SendWithAckOptions } from './types.ts'

/** What {@link Acknowledgements} needs from the comm. */
export interface AcknowledgementsHost {
  readonly clock: Clock
  /** The connection to `peer`, dialled if need be. */
  connection(peer: RemotePeer): Promise<Connection>
}

/** Sends messages that ask for an acknowledgement, and matches those that come. */
export class Acknowledgements {
  readonly #host: AcknowledgementsHost
  readonly #acks: PubSub<gossip.Acknowledgement>

  constructor(host: AcknowledgementsHost) {
    this.#host = host
    this.#acks = new PubSub({ clock: host.clock }, { bufferSize: 1 })
  }

  /** An acknowledgement has come from the peer with this (authenticated) PKI-ID. */
  onAck(pkiId: Uint8Array, nonce: bigint, ack: gossip.Acknowledgement): void {
    try {
      this.#acks.publish(topicOf(nonce, pkiId), ack)
    } catch {
      // Nobody waits for it (any more).
    }
  }

  /** See {@link Comm.sendWithAck}. */
  async send(
    message: gossip.GossipMessage,
    options: SendWithAckOptions,
    peers: readonly RemotePeer[],
  ): Promise<AggregatedSendResult> {
    options.signal?.throwIfAborted()
    if (peers.length === 0) return new AggregatedSendResult([])
    // A random nonce, from a source that repeats for nobody: two equal ones would mix up acks.
    const nonce = randomBytes(8).readBigUInt64BE()
    const encoded = encodeMessage(create(gossip.GossipMessageSchema, { ...message, nonce }))
    const done = new AbortController()
    // Every peer listens to it.
    setMaxListeners(0, done.signal)
    const onAbort = (): void => done.abort(options.signal?.reason)
    options.signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await this.#collect(encoded, nonce, { ...options, signal: done.signal }, peers)
    } finally {
      options.signal?.removeEventListener('abort', onAbort)
      done.abort(new CommError('COMM_NOT_ACKNOWLEDGED', 'enough peers have acknowledged'))
    }
  }

  #collect(
    message: EncodedMessage,
    nonce: bigint,
    options: Attempt,
    peers: readonly RemotePeer[],
  ): Promise<AggregatedSendResult> {
    return new Promise((resolve, reject) => {
      const results: SendResult[] = []
      let acknowledged = 0
      let unsent = peers.length
      const settle = (): void => {
        const enough = acknowledged >= options.minAck && (options.minAck > 0 || unsent === 0)
        if (enough || results.length === peers.length)
          resolve(new AggregatedSendResult([...results]))
      }
      options.signal.addEventListener('abort', () => reject(options.signal.reason as Error), {
        once: true,
      })
      const onSent = (): void => {
        unsent -= 1
        settle()
      }
      for (const peer of peers) {
        const attempt = { message, nonce, options, onSent }
        void this.#sendTo(peer, attempt).then((error) => {
          if (error === undefined) acknowledged += 1
          results.push(error === undefined ? { peer } : { peer, error })
          settle()
        })
      }
    })
  }

  /** @returns what went wrong */
  async #sendTo(
    peer: RemotePeer,
    attempt: { message: EncodedMessage; nonce: bigint; options: Attempt; onSent: () => void },
  ): Promise<string | undefined> {
    const { message, nonce, options, onSent } = attempt
    let sent = false
    try {
      const connection = await this.#host.connection(peer)
      // The topic is that of whoever is really there, and is there before the message is sent.
      const acks = this.#acks.subscribe(topicOf(nonce, connection.info.pkiId), Infinity)
      try {
        await connection.outgoing.push(message.bytes, options.signal)
        sent = true
        onSent()
        const ack = await this.#within(options, (signal) => acks.listen({ signal }))
        return ack.error === '' ? undefined : ack.error
      } finally {
        acks.cancel()
      }
    } catch (error) {
      if (!sent) onSent()
      return reasonOf(error)
    }
  }

  #within<T>(options: Attempt, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const onTimeout = (): CommError => new CommError('COMM_NOT_ACKNOWLEDGED', 'timed out')
    const { timeoutMs, signal } = options
    return within({ clock: this.#host.clock, timeoutMs, signal, onTimeout }, run)
  }
}

type Attempt = SendWithAckOptions & { readonly signal: AbortSignal }

/** As in Fabric: `‹nonce in decimal› ‹PKI-ID in hex›`. */
function topicOf(nonce: bigint, pkiId: Uint8Array): string {
  return `${nonce.toString()} ${hexOf(pkiId)}`
}
