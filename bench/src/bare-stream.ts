// The limit of comm: a bare grpc-js bidirectional stream of the same bytes over mutual TLS.
import {
  Client,
  Server,
  ServerCredentials,
  credentials,
  type ClientDuplexStream,
  type ServerDuplexStream,
} from '@grpc/grpc-js'
import type { TlsPair } from './certificates.ts'

const path = '/bench.Bare/Stream'
const raw = { serialize: (bytes: Buffer) => bytes, deserialize: (bytes: Buffer) => bytes }
const maxMessageBytes = 100 * 1024 * 1024
const limits = {
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.max_send_message_length': maxMessageBytes,
}

/** What a one-byte message asks for: an answer when all before it have arrived. */
const askByte = 1

/** Answers a one-byte message, and in echo mode every message; returns the port. */
export async function serveBare(tls: TlsPair, echo: boolean): Promise<number> {
  const server = new Server(limits)
  server.addService(
    {
      stream: {
        path,
        requestStream: true,
        responseStream: true,
        requestSerialize: raw.serialize,
        requestDeserialize: raw.deserialize,
        responseSerialize: raw.serialize,
        responseDeserialize: raw.deserialize,
      },
    },
    {
      stream: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (bytes: Buffer) => {
          if (echo || bytes.length === askByte) call.write(bytes)
        })
        call.on('end', () => call.end())
      },
    },
  )
  const pairs = [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.certificate) }]
  const secure = ServerCredentials.createSsl(Buffer.from(tls.root), pairs, true)
  return await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', secure, (error, port) =>
      error === null ? resolve(port) : reject(error),
    )
  })
}

/** A bare stream to `port`, ready to be written to. */
export function openBare(
  tls: TlsPair,
  port: number,
): { stream: ClientDuplexStream<Buffer, Buffer>; close: () => void } {
  const secure = credentials.createSsl(
    Buffer.from(tls.root),
    Buffer.from(tls.key),
    Buffer.from(tls.certificate),
  )
  const client = new Client(`localhost:${String(port)}`, secure, limits)
  const stream = client.makeBidiStreamRequest(path, raw.serialize, raw.deserialize)
  stream.on('error', () => undefined) // cancelled by `close`
  return {
    stream,
    close: () => {
      stream.cancel()
      client.close()
    },
  }
}

/**
 * Messages a second, one way: `count` of `size` bytes, until the last has arrived. The bytes are made
 * anew for each, as whoever sends has just made them: one buffer sent again and again would spare this
 * side the garbage of every real sender, which at 16 KiB costs as much as the sending.
 */
export async function bareOneWay(
  stream: ClientDuplexStream<Buffer, Buffer>,
  size: number,
  count: number,
): Promise<number> {
  const bytes = Buffer.alloc(size, 7)
  const start = performance.now()
  for (let sent = 0; sent < count; sent += 1) {
    if (!stream.write(Buffer.from(bytes)))
      await new Promise((resolve) => stream.once('drain', resolve))
  }
  const answered = new Promise((resolve) => stream.once('data', resolve))
  stream.write(Buffer.alloc(askByte))
  await answered
  return count / ((performance.now() - start) / 1000)
}

/** Round trips a second, one after another. */
export async function barePingPong(
  stream: ClientDuplexStream<Buffer, Buffer>,
  size: number,
  count: number,
): Promise<number> {
  const bytes = Buffer.alloc(size, 7)
  const start = performance.now()
  for (let sent = 0; sent < count; sent += 1) {
    const answered = new Promise((resolve) => stream.once('data', resolve))
    stream.write(bytes)
    await answered
  }
  return count / ((performance.now() - start) / 1000)
}
