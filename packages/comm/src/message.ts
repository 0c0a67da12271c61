/** An envelope ready for the wire: encoded once, sent to many. Made by {@link encodeMessage}. */
export class EncodedMessage {
  /** The whole `gossip.Envelope`. */
  readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }
}
