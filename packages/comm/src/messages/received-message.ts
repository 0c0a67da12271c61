import { create, gossip } from '@heddle/proto'
import type { Received } from '@heddle/proto'
import type { DecodedFrame } from './decoded-frame.ts'
import type { ConnectionInfo, ReceivedMessage } from '../types.ts'

/** The connection of a message, as far as the message needs it. */
export interface Respondent {
  readonly info: ConnectionInfo
  respond(message: gossip.GossipMessage): Promise<void>
}

/** A message with the connection that it came on. */
export class AuthenticatedMessage implements ReceivedMessage {
  readonly message: gossip.GossipMessage
  readonly envelope: Received<gossip.Envelope>
  readonly #connection: Respondent

  constructor(frame: DecodedFrame, connection: Respondent) {
    this.message = frame.message
    this.envelope = frame.envelope
    this.#connection = connection
  }

  get connection(): ConnectionInfo {
    return this.#connection.info
  }

  respond(message: gossip.GossipMessage): Promise<void> {
    return this.#connection.respond(message)
  }

  ack(error?: Error): Promise<void> {
    return this.respond(acknowledgement(this.message.nonce, error))
  }
}

/** The answer to a message with this nonce: no tag, no channel, no signature, as in Fabric. */
export function acknowledgement(nonce: bigint, error?: Error): gossip.GossipMessage {
  const value = create(gossip.AcknowledgementSchema, { error: error?.message ?? '' })
  return create(gossip.GossipMessageSchema, { nonce, content: { case: 'ack', value } })
}
