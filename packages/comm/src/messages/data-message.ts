import type { gossip } from '@heddle/proto'
import type { DecodedFrame } from './decoded-frame.ts'

// Field numbers and wire types of gossip/message.proto (fabric v3.1), as tags.
const envelopePayload = 0x0a
const envelopeSignature = 0x12
const gossipNonce = 0x08
const gossipChannel = 0x12
const gossipTag = 0x18
const gossipDataMsg = 0x42
const dataMsgPayload = 0x0a
const payloadSeqNum = 0x08
const payloadData = 0x12

const maxInt32 = 2 ** 31 - 1

/** How many bytes `value` takes as a varint. */
export function varintLength(value: number): number {
  let length = 1
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) length += 1
  return length
}

/** Writes `value` (0 to 2^53−1) as a varint. @returns where the next byte goes */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let next = at
  let rest = value
  while (rest > 0x7f) {
    target[next] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
    next += 1
  }
  target[next] = rest
  return next + 1
}

/**
 * The envelope, unsigned, of a data message, in one allocation: nearly all traffic of a network is
 * blocks and consensus in data messages, and the codec's nested buffers cost as much as sending.
 * Undefined for whatever is not plain, and for what the codec would refuse; test/unit/message.spec.ts
 * holds it against the codec.
 */
export function encodeDataEnvelope(message: gossip.GossipMessage): Buffer | undefined {
  const payload = plainPayload(message)
  if (payload === undefined) return undefined
  const nonce = Number(message.nonce)
  const seqNum = Number(payload.seqNum)
  const channel = message.channel.length
  const data = payload.data.length

  const payloadSize = numberSize(seqNum) + bytesSize(data)
  const dataMsgSize = 1 + varintLength(payloadSize) + payloadSize
  const gossipSize =
    numberSize(nonce) +
    bytesSize(channel) +
    numberSize(message.tag) +
    1 +
    varintLength(dataMsgSize) +
    dataMsgSize
  const bytes = Buffer.allocUnsafe(1 + varintLength(gossipSize) + gossipSize)

  let at = writeHead(bytes, 0, envelopePayload, gossipSize)
  at = writeNumber(bytes, at, gossipNonce, nonce)
  at = writeBytes(bytes, at, gossipChannel, message.channel)
  at = writeNumber(bytes, at, gossipTag, message.tag)
  at = writeHead(bytes, at, gossipDataMsg, dataMsgSize)
  at = writeHead(bytes, at, dataMsgPayload, payloadSize)
  at = writeNumber(bytes, at, payloadSeqNum, seqNum)
  writeBytes(bytes, at, payloadData, payload.data)
  return bytes
}

function plainPayload(message: gossip.GossipMessage): gossip.Payload | undefined {
  const { content, nonce, tag } = message
  if (content.case !== 'dataMsg' || message.$unknown !== undefined) return undefined
  const { payload, $unknown: unknown } = content.value
  if (payload === undefined || unknown !== undefined || payload.$unknown !== undefined)
    return undefined
  if (payload.privateData.length > 0 || !isSmall(nonce) || !isSmall(payload.seqNum))
    return undefined
  return isTag(tag) ? payload : undefined
}

/** Enums are open: a tag that this version does not know is a tag all the same. */
function isTag(value: number): value is gossip.GossipMessage_Tag {
  return Number.isInteger(value) && value >= 0 && value <= maxInt32
}

/** Numbers of 2^53 and more do not happen outside of tests; the codec takes them. */
function isSmall(value: bigint): boolean {
  return value >= 0n && value <= Number.MAX_SAFE_INTEGER
}

function numberSize(value: number): number {
  return value === 0 ? 0 : 1 + varintLength(value)
}

function bytesSize(length: number): number {
  return length === 0 ? 0 : 1 + varintLength(length) + length
}

function writeHead(target: Buffer, at: number, tag: number, value: number): number {
  target[at] = tag
  return writeVarint(target, at + 1, value)
}

function writeNumber(target: Buffer, at: number, tag: number, value: number): number {
  return value === 0 ? at : writeHead(target, at, tag, value)
}

function writeBytes(target: Buffer, at: number, tag: number, value: Uint8Array): number {
  if (value.length === 0) return at
  const next = writeHead(target, at, tag, value.length)
  target.set(value, next)
  return next + value.length
}

/**
 * Decodes the envelope of a data message, as {@link encodeDataEnvelope} encodes it. Undefined for
 * anything else, malformed or not, about which the codec decides.
 */
export function decodeDataEnvelope(bytes: Uint8Array): DecodedFrame | undefined {
  const envelope = new PlainReader(bytes, 0, bytes.length)
  const payload = envelope.bytes(envelopePayload)
  const signature = envelope.bytes(envelopeSignature)
  if (!envelope.done || payload === undefined) return undefined
  const reader = new PlainReader(payload, 0, payload.length)
  const nonce = reader.number(gossipNonce)
  const channel = reader.bytes(gossipChannel)
  const tag = reader.number(gossipTag)
  const dataMsg = reader.message(gossipDataMsg)
  const inner = dataMsg.message(dataMsgPayload)
  const seqNum = inner.number(payloadSeqNum)
  const data = inner.bytes(payloadData)
  if (!reader.done || !dataMsg.done || !inner.done || !isTag(tag)) return undefined
  return {
    envelope: {
      bytes,
      message: { $typeName: 'gossip.Envelope', payload, signature: signature ?? nothing() },
    },
    message: {
      $typeName: 'gossip.GossipMessage',
      nonce: BigInt(nonce),
      channel: channel ?? nothing(),
      tag: tag,
      content: {
        case: 'dataMsg',
        value: {
          $typeName: 'gossip.DataMessage',
          payload: {
            $typeName: 'gossip.Payload',
            seqNum: BigInt(seqNum),
            data: data ?? nothing(),
            privateData: [],
          },
        },
      },
    },
  }
}

function nothing(): Uint8Array {
  return new Uint8Array(0)
}

/** Reads fields in ascending order; `failed` once something is not as plain as expected. */
class PlainReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number
  failed = false

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes
    this.#at = at
    this.#end = end
  }

  /** Whether everything was read and was plain. */
  get done(): boolean {
    return !this.failed && this.#at === this.#end
  }

  /** The number of the field with this tag if it comes next, else 0. */
  number(tag: number): number {
    return this.#next(tag) ? this.#varint() : 0
  }

  /** The bytes of the field with this tag if it comes next, else undefined. */
  bytes(tag: number): Uint8Array | undefined {
    if (!this.#next(tag)) return undefined
    const { start, end } = this.#span()
    return this.#bytes.subarray(start, end)
  }

  /** A reader of the message in the field with this tag, which must come next. */
  message(tag: number): PlainReader {
    if (!this.#next(tag)) this.failed = true
    const { start, end } = this.#span()
    const inner = new PlainReader(this.#bytes, start, end)
    inner.failed = this.failed
    return inner
  }

  #next(tag: number): boolean {
    if (this.failed || this.#at >= this.#end || this.#bytes[this.#at] !== tag) return false
    this.#at += 1
    return true
  }

  /** Reads a length and skips so many bytes. */
  #span(): { start: number; end: number } {
    const length = this.failed ? 0 : this.#varint()
    const start = this.#at
    if (length > this.#end - start) this.failed = true
    if (this.failed) return { start, end: start }
    this.#at = start + length
    return { start, end: this.#at }
  }

  #varint(): number {
    let value = 0
    let scale = 1
    // Seven bytes hold 49 bits; more is left to the codec.
    for (let length = 0; length < 7 && this.#at < this.#end; length += 1) {
      const byte = this.#bytes[this.#at] ?? 0
      this.#at += 1
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    this.failed = true
    return 0
  }
}
