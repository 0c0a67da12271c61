/** What a part of a message costs beside its bytes: HTTP/2 may bring each byte in a frame of its own. */
export const partBytes = 256

/** The compression flag and the length, in front of each message of gRPC. */
const prefixBytes = 5

/** Finds the ends of gRPC's messages in what comes over a call. */
export class MessageMeter {
  readonly #prefix = Buffer.alloc(prefixBytes)
  /** Bytes of the prefix that are there. */
  #prefixed = 0
  /** Bytes that the message lacks beside its prefix. */
  #lacking = 0
  #held = 0
  #messages = 0

  /** Messages that came whole. */
  get messages(): number {
    return this.#messages
  }

  /** Bytes of the message that is not whole, {@link partBytes} for each of its parts among them. */
  get held(): number {
    return this.#held
  }

  /** Takes the next part of what comes. */
  take(part: Buffer): void {
    for (let at = 0; at < part.length;) {
      const begin = at
      at = this.#takeContent(part, this.#takePrefix(part, at))
      this.#held += at - begin
      if (this.#prefixed < prefixBytes || this.#lacking > 0) continue
      this.#messages++
      this.#prefixed = 0
      this.#held = 0
    }
    if (this.#held > 0) this.#held += partBytes
  }

  #takePrefix(part: Buffer, from: number): number {
    if (this.#prefixed === prefixBytes) return from
    const taken = part.copy(this.#prefix, this.#prefixed, from)
    this.#prefixed += taken
    if (this.#prefixed === prefixBytes) this.#lacking = this.#prefix.readUInt32BE(1)
    return from + taken
  }

  #takeContent(part: Buffer, from: number): number {
    const taken = Math.min(this.#lacking, part.length - from)
    this.#lacking -= taken
    return from + taken
  }
}
