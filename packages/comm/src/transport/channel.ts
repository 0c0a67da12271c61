import type { Socket } from 'node:net'
import { checkServerIdentity } from 'node:tls'
import type { PeerCertificate, SecureContext } from 'node:tls'
import { ChannelCredentials, Client } from '@grpc/grpc-js'
import type { CallCredentials, ChannelOptions } from '@grpc/grpc-js'
import { formatEndpoint, parseEndpoint } from './endpoint.ts'
import type { HttpProxy } from '../ports.ts'

// A TLS server name must not be an IP address (RFC 6066 §3); what stands in for one is not checked.
const serverNameOfIp = 'localhost'

type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>
type Target = Parameters<ChannelCredentials['_createSecureConnector']>[0]

/** A channel to one peer, with a TCP connection of its own. */
export interface Channel {
  readonly client: Client
  /** Lets what is written go out; leaves no socket behind that is not connected. Harmless twice. */
  readonly close: () => void
  /** As `close`, and cuts the socket: when the other end is gone it would stay for minutes. */
  readonly destroy: () => void
}

/**
 * Opens a channel; it connects when it is used.
 * @throws {CommError} COMM_INVALID_ENDPOINT
 */
export function openChannel(
  endpoint: string,
  secureContext: SecureContext,
  options: ChannelOptions,
  proxy?: HttpProxy,
): Channel {
  const { host, port, isIp } = parseEndpoint(endpoint)
  const authority = formatEndpoint(host, port)
  const verify = (_name: string, certificate: PeerCertificate): Error | undefined =>
    checkServerIdentity(host, certificate)
  const credentials = new CuttableCredentials(
    ChannelCredentials.createFromSecureContext(
      secureContext,
      isIp ? { checkServerIdentity: verify } : {},
    ),
    proxy && ((socket) => proxy.open(socket, authority)),
  )
  const client = new Client(`dns:///${proxy?.address ?? authority}`, credentials, {
    ...options,
    'grpc.default_authority': authority,
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    // Without a pool of its own a channel would share its TCP connection with another's.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.ssl_target_name_override': isIp ? serverNameOfIp : host,
  })
  const close = (): void => {
    client.close()
    credentials.cut()
  }
  const destroy = (): void => {
    close()
    credentials.cutConnected()
  }
  return { client, close, destroy }
}

/**
 * Credentials that remember the sockets in their TLS handshake: grpc-js 1.14 forgets such a socket
 * when the channel is closed, and it would stay open as long as the other side says nothing.
 */
class CuttableCredentials extends ChannelCredentials {
  readonly #inner: ChannelCredentials
  readonly #before: ((socket: Socket) => Promise<void>) | undefined
  readonly #sockets = new Set<Socket>()
  readonly #connected = new Set<Socket>()
  #isCut = false

  /** @param before - has each socket before TLS begins on it */
  constructor(inner: ChannelCredentials, before?: (socket: Socket) => Promise<void>) {
    super()
    this.#inner = inner
    this.#before = before
  }

  /** Destroys the sockets that are not connected yet, and those that come to be. */
  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
  }

  /** Destroys the sockets that are connected. */
  cutConnected(): void {
    for (const socket of this.#connected) socket.destroy()
  }

  override _isSecure(): boolean {
    return true
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  override _createSecureConnector(
    target: Target,
    options: ChannelOptions,
    callCredentials?: CallCredentials,
  ): Connector {
    const connector = this.#inner._createSecureConnector(target, options, callCredentials)
    return {
      connect: async (socket) => {
        this.#sockets.add(socket)
        if (this.#isCut) this.cut()
        try {
          await this.#before?.(socket)
          const connected = await connector.connect(socket)
          this.#connected.add(socket)
          socket.once('close', () => this.#connected.delete(socket))
          return connected
        } finally {
          this.#sockets.delete(socket)
        }
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    }
  }
}
