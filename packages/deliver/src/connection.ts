import { type PeerCertificate, checkServerIdentity } from 'node:tls'
import { ChannelCredentials, Client, type ClientDuplexStream } from '@grpc/grpc-js'
import type { Clock } from '@heddle/interface'
import { withClock } from '@heddle/msp'
import { grpcService, orderer } from '@heddle/proto'
import { ipIn, splitAddress } from './address.ts'
import type { TlsChoice } from './endpoint-tls.ts'
import { DeliverError } from './errors.ts'
import { guardSockets } from './guard-sockets.ts'
import type { Endpoint } from './ports.ts'
import type { HttpProxy, ProxyChoice } from './proxy.ts'

/** Settings of a connection, all resolved. */
export interface ConnectionOptions {
  readonly tlsFor: TlsChoice
  readonly proxyFor: ProxyChoice
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
  const proxy = options.proxyFor(endpoint.address)
  const connection = connectionTo(endpoint, proxy, options)
  const { client } = connection
  const bytes = (value: Uint8Array): Buffer =>
    Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const { path } = grpcService(orderer.AtomicBroadcast)[method]
  const call = client.makeBidiStreamRequest(path, bytes, (value: Buffer) => value)
  const close = (): void => {
    call.cancel()
    connection.close()
  }
  call.on('error', () => undefined) // whoever reads or writes learns of it by its own listener
  try {
    const where = proxy
      ? `${endpoint.address} through the proxy ${proxy.address} (${proxy.variable})`
      : endpoint.address
    await connected(client, call, { endpoint, where, ...options })
    return { call, close }
  } catch (error) {
    close()
    throw error
  }
}

// A TLS server name must not be an IP address (RFC 6066 §3); what stands in for one is not checked.
const serverNameOfIp = 'localhost'

/** A client and its connection, once there is one. */
interface Connection {
  readonly client: Client
  /** Leaves no socket behind. Harmless twice. */
  close(): void
}

function connectionTo(
  endpoint: Endpoint,
  proxy: HttpProxy | undefined,
  { tlsFor, maxMessageBytes }: ConnectionOptions,
): Connection {
  const { address, serverName } = endpoint
  const ip = serverName === undefined ? ipIn(address) : undefined
  const verify = (_name: string, certificate: PeerCertificate): Error | undefined =>
    checkServerIdentity(ip ?? '', certificate)
  const secure = ChannelCredentials.createFromSecureContext(
    tlsFor(endpoint).context,
    ip === undefined ? {} : { checkServerIdentity: verify },
  )
  const cut = guardSockets(secure, proxy && ((socket) => proxy.open(socket, address)))
  const named = serverName ?? splitAddress(address).host
  const client = new Client(proxy ? `dns:///${proxy.address}` : address, secure, {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.keepalive_time_ms': 60_000, // Fabric's servers refuse to be pinged more often
    'grpc.keepalive_timeout_ms': 20_000,
    'grpc.enable_retries': 0, // a retried call would keep all that was ever written to it
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0, // grpc-js would send loopback to it as well
    'grpc.ssl_target_name_override': ip === undefined ? named : serverNameOfIp,
    'grpc.default_authority': serverName ?? address,
  })
  const close = (): void => {
    client.close()
    cut()
  }
  return { client, close }
}

async function connected(
  client: Client,
  call: ByteStream,
  options: {
    readonly endpoint: Endpoint
    /** The endpoint and the way to it, for people. */
    readonly where: string
    readonly connectTimeoutMs: number
    readonly signal: AbortSignal
    readonly clock: Clock
  },
): Promise<void> {
  const { endpoint, where, connectTimeoutMs, signal, clock } = options
  await new Promise<void>((resolve, reject) => {
    const fail = (cause: unknown): void => {
      settle()
      const why =
        cause instanceof Error
          ? withClock(reasonIn(cause), clock.wallTime())
          : `not within ${connectTimeoutMs} ms`
      const message = `cannot connect to ${where}: ${why}`
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

/** What went wrong, without what grpc-js puts around it. */
function reasonIn({ message }: Error): string {
  const last = /Last error: (?:\w*Error(?: \[\w+\])?: )?(.+)\. Resolution note:/s.exec(message)?.[1]
  if (last?.startsWith('Failed to connect (') !== true) return last ?? message
  return 'it hung up after the TLS handshake; it probably wants a client certificate from an authority that it trusts'
}
