import { Client, Metadata, credentials, status } from '@grpc/grpc-js'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ClientDuplexStream } from '@grpc/grpc-js'
import type { Socket } from 'node:net'

/** What an intruder presents to TLS, PEM. */
export interface Credentials {
  readonly certificate: string | Buffer
  readonly key: string | Buffer
}

/** Name in the TLS certificates of validators. */
const serverName = 'localhost'

/** Bytes that are the same in each run and look like nothing: a linear congruential generator. */
export function garbage(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

function portOf(address: string): { readonly host: string; readonly port: number } {
  const [host = '', port = ''] = address.split(':')
  return { host, port: Number(port) }
}

/** Resolves when the other side has closed, with what it said before. */
async function untilClosed(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => undefined)
  await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return Buffer.concat(chunks).toString('latin1')
}

/** Sends bytes over TCP and waits until the other side closes. @returns its answer */
export async function sendTcp(address: string, bytes: Uint8Array): Promise<string> {
  const socket = connectTcp(portOf(address))
  socket.on('connect', () => socket.write(bytes))
  return untilClosed(socket)
}

/** Sends bytes over TLS, with or without a certificate, and waits until the other side closes. */
export async function sendTls(
  address: string,
  who: Credentials | undefined,
  bytes: Uint8Array,
): Promise<void> {
  const socket = connectTls({
    ...portOf(address),
    cert: who?.certificate,
    key: who?.key,
    ALPNProtocols: ['h2'],
    servername: serverName,
    rejectUnauthorized: false,
  })
  socket.on('secureConnect', () => socket.write(bytes))
  await untilClosed(socket)
}

/** Headers of a gRPC call, as HTTP/2 carries them. */
function grpcHeaders(path: string, metadata = new Metadata()): Record<string, string> {
  const own = { ':method': 'POST', ':path': path, te: 'trailers' }
  const shown = metadata.toHttp2Headers() as Record<string, string>
  return { ...own, ...shown, 'content-type': 'application/grpc' }
}

/**
 * Calls a gRPC method and announces a message of `length` bytes, of which it sends only the first.
 * @returns the gRPC status that comes back
 */
export async function announceMessage(
  address: string,
  { certificate, key }: Credentials,
  call: { readonly path: string; readonly length: number; readonly metadata?: Metadata },
): Promise<number> {
  const session = connectHttp2(`https://${address}`, {
    cert: certificate,
    key,
    servername: serverName,
    rejectUnauthorized: false,
  })
  session.on('error', () => undefined)
  const stream = session.request(grpcHeaders(call.path, call.metadata))
  stream.on('error', () => undefined)
  const prefix = Buffer.alloc(6)
  prefix.writeUInt32BE(call.length, 1)
  stream.write(prefix)
  stream.resume()
  const code = await new Promise<number>((resolve) => {
    const take = (headers: Record<string, unknown>): void => {
      if (headers['grpc-status'] !== undefined) resolve(Number(headers['grpc-status']))
    }
    stream.on('response', take)
    stream.on('trailers', take)
    stream.on('close', () => resolve(Number.NaN))
  })
  session.destroy()
  return code
}

/** How a gRPC stream ended. */
export interface StreamEnd {
  readonly code: number
  readonly details: string
}

const asIs = (bytes: Buffer): Buffer => bytes

/** A gRPC stream of bytes, with whatever credentials. */
export class RawStream {
  readonly received: Buffer[] = []
  /** Resolves when the other side has ended it. */
  readonly ended: Promise<StreamEnd>
  readonly #client: Client
  readonly #call: ClientDuplexStream<Buffer, Buffer>
  readonly #wakers = new Set<() => void>()

  constructor(
    address: string,
    path: string,
    { certificate, key, roots }: Credentials & { readonly roots: Buffer },
    metadata = new Metadata(),
  ) {
    const pem = (text: string | Buffer): Buffer => Buffer.from(text)
    this.#client = new Client(address, credentials.createSsl(roots, pem(key), pem(certificate)), {
      'grpc.ssl_target_name_override': serverName,
      'grpc.default_authority': serverName,
      'grpc.enable_retries': 0,
      'grpc.use_local_subchannel_pool': 1,
    })
    this.#call = this.#client.makeBidiStreamRequest(path, asIs, asIs, metadata)
    this.#call.on('data', (bytes: Buffer) => {
      this.received.push(bytes)
      for (const wake of this.#wakers) wake()
    })
    this.#call.on('error', () => undefined)
    this.ended = new Promise((resolve) => {
      this.#call.on('status', (end: StreamEnd) => {
        this.#client.close()
        resolve(end)
      })
    })
  }

  write(bytes: Uint8Array): void {
    this.#call.write(Buffer.from(bytes))
  }

  /** Says that no more comes. */
  end(): void {
    this.#call.end()
  }

  /** Resolves with the next message that comes, or rejects when none will. */
  async next(): Promise<Buffer> {
    const count = this.received.length
    await Promise.race([
      new Promise<void>((resolve) => this.#wakers.add(resolve)),
      this.ended.then(({ code, details }) =>
        Promise.reject(new TypeError(`ended with ${status[code] ?? code}: ${details}`)),
      ),
    ])
    return this.received[count]!
  }

  cancel(): void {
    this.#call.cancel()
  }
}
