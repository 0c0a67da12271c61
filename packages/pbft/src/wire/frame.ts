import { MalformedError } from '../errors.ts'

/** Tag of `Frame.messages`: field 1, length-delimited. */
const messagesTag = 0x0a

/** Most messages of one frame: a message costs its receiver something however short it is. */
export const maxFrameMessages = 4_096

/**
 * Puts an encoded message into a `heddle.pbft.Frame` of its own. Frames put together make one frame:
 * protobuf concatenates repeated fields.
 */
export function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(1 + varintLength(message.length) + message.length)
  frame[0] = messagesTag
  frame.set(message, writeVarint(frame, 1, message.length))
  return frame
}

/** What a frame adds to the content of a message, at most: two tags and two lengths. */
export const framingBytes = 12

/** Most bytes of a frame of several messages; a single larger message still makes one. */
export const maxJoinedBytes = 1024 * 1024

/** Most bytes of a frame that a correct replica sends, whose largest message has so many. */
export function largestFrame(messageBytes: number): number {
  return Math.max(maxJoinedBytes, messageBytes + framingBytes)
}

/**
 * The encoded messages of a frame, one after the other, as views of it. Written by hand so that no
 * message is looked at before its turn: whoever finds a bad one need not read on.
 *
 * @throws {MalformedError} PBFT_MALFORMED, from `next`, where the frame is no longer a sequence of at
 * most {@link maxFrameMessages} messages
 */
export function* messagesOf(bytes: Uint8Array): Generator<Buffer, void> {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  for (let messages = 0; at < frame.length; messages++) {
    if (messages >= maxFrameMessages) throw new MalformedError('a frame of too many messages')
    if (frame[at++] !== messagesTag) throw new MalformedError('not a frame')
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = frame[at++]
      if (byte === undefined || shift > 28) throw new MalformedError('a frame with a bad length')
      length += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) break
    }
    if (length > frame.length - at) throw new MalformedError('a frame that ends early')
    yield frame.subarray(at, at + length)
    at += length
  }
}

/** All of them. @throws as {@link messagesOf} */
export function decodeFrame(bytes: Uint8Array): Buffer[] {
  return [...messagesOf(bytes)]
}

function varintLength(value: number): number {
  let length = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++
  return length
}

function writeVarint(target: Buffer, start: number, value: number): number {
  let at = start
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[at++] = (rest % 0x80) | 0x80
  target[at++] = rest
  return at
}
