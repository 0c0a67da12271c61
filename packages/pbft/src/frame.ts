import { MalformedError } from './errors.ts'

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

/**
 * The encoded messages of a frame, as views of it. Written by hand so that one bad message costs
 * only itself and none is decoded before its turn.
 *
 * @throws {MalformedError} PBFT_MALFORMED when the frame is not a sequence of at most
 * {@link maxFrameMessages} messages
 */
export function decodeFrame(bytes: Uint8Array): Buffer[] {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const messages: Buffer[] = []
  let at = 0
  while (at < frame.length) {
    if (frame[at++] !== messagesTag) throw new MalformedError('not a frame')
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = frame[at++]
      if (byte === undefined || shift > 28) throw new MalformedError('a frame with a bad length')
      length += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) break
    }
    if (length > frame.length - at) throw new MalformedError('a frame that ends early')
    if (messages.length >= maxFrameMessages)
      throw new MalformedError('a frame of too many messages')
    messages.push(frame.subarray(at, at + length))
    at += length
  }
  return messages
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
