import type { gossip, Received } from '@heddle/proto'

/** A frame of a gossip stream, taken apart. */
export interface DecodedFrame {
  readonly envelope: Received<gossip.Envelope>
  readonly message: gossip.GossipMessage
}
