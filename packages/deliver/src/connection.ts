import { X509Certificate, createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { type PeerCertificate, checkServerIdentity } from 'node:tls'
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js'
import type { Clock } from '@heddle/interface'
import { grpcService, orderer } from '@heddle/proto'
import { DeliverError } from './errors.ts'
import type { ClientTls, Endpoint } from './ports.ts'

/** Settings of a connection, all resolved. */
export interface ConnectionOptions {
  readonly tls: ClientTls | undefined
  readonly connectTimeoutMs: number
  readonly maxMessageBytes: number
}

/** A stream of the AtomicBroadcast service; both directions are encoded messages. */
export type ByteStream = ClientDuplexStream<Uint8Array, Buffer>

/** A stream and what ends it. */
export interface OpenStream {
  readonly call: ByteStream
  /** Cancels the call and closes its connection. Harmless twice. */
  close(): void
}

/**
 * Opens one stream on a connection of its own.
 *
 * @returns when the connection is up
 * @throws {DeliverError} DELIVER_UNREACHABLE with gRPC's reason; `signal.reason` on abort
 */
export async function openStream(
  endpoint: Endpoint,
  method: 'broadcast' | 'deliver',
  options: ConnectionOptions & { readonly signal: AbortSignal; readonly clock: Clock },
): Promise<OpenStream> {
  options.signal.throwIfAborted()
  const client = createClient(endpoint, options)
  const bytes = (value: Uint8Array): Buffer =>
    Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const { path } = grpcService(orderer.AtomicBroadcast)[method]
  const call = client.makeBidiStreamRequest(path, bytes, (value: Buffer) => value)
  const close = (): void => {
    call.cancel()
    client.close()
  }
  call.on('error', () => undefined) // whoever reads or writes learns of it by its own listener
  try {
    await connected(client, call, { endpoint, ...options })
    return { call, close }
  } catch (error) {
    close()
    throw error
  }
}

// A TLS server name must not be an IP address (RFC 6066 §3); what stands in for one is not checked.
const serverNameOfIp = 'localhost'

/** The IP address in `host:port`; undefined when the host is a name. */
function ipIn(address: string): string | undefined {
  const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return isIP(host) === 0 ? undefined : host
}

function createClient(endpoint: Endpoint, { tls, maxMessageBytes }: ConnectionOptions): Client {
  const { roots, serverName } = endpoint
  const ip = serverName === undefined ? ipIn(endpoint.address) : undefined
  const verify = (_name: string, certificate: PeerCertificate): Error | undefined =>
    checkServerIdentity(ip ?? '', certificate)
  const secure = credentials.createSsl(
    roots.length > 0 ? Buffer.concat(roots.map((pem) => Buffer.from(pem))) : null,
    tls ? Buffer.from(tls.key) : null,
    tls ? Buffer.from(tls.certificate) : null,
    ip === undefined ? {} : { checkServerIdentity: verify },
  )
  return new Client(endpoint.address, secure, {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.keepalive_time_ms': 60_000, // Fabric's servers refuse to be pinged more often
    'grpc.keepalive_timeout_ms': 20_000,
    'grpc.enable_retries': 0, // a retried call would keep all that was ever written to it
    'grpc.use_local_subchannel_pool': 1,
    ...(ip !== undefined && { 'grpc.ssl_target_name_override': serverNameOfIp }),
    ...(serverName !== undefined && {
      'grpc.ssl_target_name_override': serverName,
      'grpc.default_authority': serverName,
    }),
  })
}

async function connected(
  client: Client,
  call: ByteStream,
  options: {
    readonly endpoint: Endpoint
    readonly connectTimeoutMs: number
    readonly signal: AbortSignal
    readonly clock: Clock
  },
): Promise<void> {
  const { endpoint, connectTimeoutMs, signal, clock } = options
  await new Promise<void>((resolve, reject) => {
    const fail = (cause: unknown): void => {
      settle()
      const why = cause instanceof Error ? cause.message : `not within ${connectTimeoutMs} ms`
      const message = `cannot connect to ${endpoint.address}: ${why}`
      reject(
        new DeliverError('DELIVER_UNREACHABLE', message, { cause, endpoint: endpoint.address }),
      )
    }
    const abort = (): void => {
      settle()
      reject(signal.reason as Error)
    }
    const timer = clock.schedule(connectTimeoutMs, () => fail(undefined))
    const settle = (): void => {
      timer.cancel()
      call.off('error', fail)
      signal.removeEventListener('abort', abort)
    }
    call.once('error', fail)
    signal.addEventListener('abort', abort, { once: true })
    client.waitForReady(Infinity, (error) => {
      settle()
      if (error) fail(error)
      else resolve()
    })
  })
}

/**
 * What `tls_cert_hash` must be for a client certificate: SHA-256 of its DER, 32 bytes.
 *
 * @throws what Node throws when the certificate is no PEM
 */
export function tlsCertificateHash(tls: ClientTls): Uint8Array {
  return createHash('sha256').update(new X509Certificate(tls.certificate).raw).digest()
}
