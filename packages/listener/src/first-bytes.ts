import type { Socket } from 'node:net'

/** What the first bytes of a connection tell: to wait for more, that all is well, or what is wrong. */
export type Verdict = 'more' | 'good' | { readonly reason: string }

/** How every HTTP/2 connection begins: RFC 9113 §3.4. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

const frameHeaderLength = 9
const settings = { type: 4, ack: 1, entry: 6, longest: 16_384 }

const handshakeRecord = 0x16

/** Judges what should be a TLS handshake: RFC 8446 §5.1, record type 22. */
export function judgeTls(bytes: Buffer): Verdict {
  if (bytes[0] === handshakeRecord) return 'good'
  if (beginsLikePreface(bytes)) return { reason: 'HTTP/2 without TLS: this port wants TLS' }
  if (isHttp1(bytes)) return { reason: 'HTTP/1 without TLS: this port wants TLS and HTTP/2' }
  return { reason: 'what came is not TLS' }
}

/** Judges what should be the beginning of HTTP/2: the preface, then a SETTINGS frame. */
export function judgeHttp2(bytes: Buffer): Verdict {
  const expected = preface.subarray(0, bytes.length)
  if (!bytes.subarray(0, preface.length).equals(expected)) {
    if (isHttp1(bytes)) return { reason: 'HTTP/1 inside TLS: this port wants HTTP/2' }
    return { reason: 'what came inside TLS is not HTTP/2' }
  }
  const header = bytes.subarray(preface.length, preface.length + frameHeaderLength)
  if (header.length < frameHeaderLength) return 'more'
  return isSettings(header)
    ? 'good'
    : { reason: 'the HTTP/2 inside TLS does not begin with its settings' }
}

/**
 * Looks at the first bytes of a connection and leaves them where they were.
 *
 * @param judge - gets all that has come so far, 1 byte or more
 * @param done - called once with the last verdict, in the same turn of the event loop as the bytes
 *   are back in `socket`; also when the connection ends after too few of them, never when it
 *   ends without a byte
 */
export function peek(
  socket: Socket,
  judge: (bytes: Buffer) => Verdict,
  done: (verdict: Exclude<Verdict, 'more'>) => void,
): void {
  let seen = Buffer.alloc(0)
  const cutShort = (): void => {
    if (seen.length > 0) done({ reason: 'the connection ended in the middle of its first bytes' })
  }
  const look = (): void => {
    const chunk = socket.read() as Buffer | null
    if (chunk === null) return
    seen = Buffer.concat([seen, chunk])
    const verdict = judge(seen)
    if (verdict === 'more') return
    socket.off('readable', look)
    socket.off('close', cutShort)
    socket.unshift(seen)
    done(verdict)
  }
  socket.on('readable', look)
  socket.once('close', cutShort)
}

function beginsLikePreface(bytes: Buffer): boolean {
  return bytes.subarray(0, 4).equals(preface.subarray(0, 4))
}

function isHttp1(bytes: Buffer): boolean {
  return !beginsLikePreface(bytes) && /^[A-Z]{3,7} [/*h]/.test(bytes.toString('latin1', 0, 10))
}

function isSettings(header: Buffer): boolean {
  const length = header.readUIntBE(0, 3)
  const isAck = (header.readUInt8(4) & settings.ack) !== 0
  const stream = header.readUInt32BE(5)
  if (header.readUInt8(3) !== settings.type || isAck || stream !== 0) return false
  return length <= settings.longest && length % settings.entry === 0
}
