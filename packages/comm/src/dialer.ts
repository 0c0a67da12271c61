import { createSecureContext } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { connectivityState } from '@grpc/grpc-js'
import type { Client, ServiceError } from '@grpc/grpc-js'
import type { Clock } from '@heddle/interface'
import { authenticate } from './authenticate.ts'
import { openChannel } from './channel.ts'
import type { Channel } from './channel.ts'
import { abortable, within } from './deadline.ts'
import type { ResolvedCommDeps } from './deps.ts'
import { CommError } from './errors.ts'
import { GossipStream } from './gossip-stream.ts'
import { pemCertificateHash } from './handshake.ts'
import type { Introduced } from './handshake.ts'
import type { ResolvedCommOptions } from './options.ts'
import type { PeerMapper } from './ports.ts'
import { emptyMessage, gossipService, transportOptions } from './wire.ts'

/** An authenticated stream to a peer that was dialled. */
export interface Dialled extends Introduced {
  readonly stream: GossipStream
}

/** Opens connections: TLS, ping, stream, handshake. Each has a channel of its own. */
export class Dialer {
  readonly #options: ResolvedCommOptions
  readonly #mapper: PeerMapper
  readonly #clock: Clock
  readonly #pkiId: Uint8Array
  readonly #tlsCertHash: Uint8Array
  readonly #secureContext: SecureContext
  readonly #proxyFor: ResolvedCommDeps['proxyFor']

  constructor(
    deps: Pick<ResolvedCommDeps, 'mapper' | 'clock' | 'proxyFor'>,
    options: ResolvedCommOptions,
    pkiId: Uint8Array,
  ) {
    this.#mapper = deps.mapper
    this.#clock = deps.clock
    this.#proxyFor = deps.proxyFor
    this.#options = options
    this.#pkiId = pkiId
    const { clientCertificate, clientKey, roots } = options.tls
    this.#tlsCertHash = pemCertificateHash(clientCertificate)
    const tls = { ca: [...roots], cert: clientCertificate, key: clientKey }
    this.#secureContext = createSecureContext(tls)
  }

  /** Connects and pings, and closes again. */
  async probe(endpoint: string, signal: AbortSignal): Promise<void> {
    const channel = this.#channel(endpoint)
    try {
      await this.#reach(channel.client, endpoint, signal)
    } finally {
      channel.close()
    }
  }

  /**
   * Opens an authenticated stream.
   * @param probe - tells the other side that this is only to learn who it is
   * @throws {CommError} COMM_UNREACHABLE, or a handshake code
   */
  async open(endpoint: string, probe: boolean, signal: AbortSignal): Promise<Dialled> {
    const channel = this.#channel(endpoint)
    let stream: GossipStream | undefined
    try {
      await this.#reach(channel.client, endpoint, signal)
      stream = this.#openStream(channel)
      const introduced = await this.#authenticate(stream, probe, signal)
      return { ...introduced, stream }
    } catch (error) {
      stream?.abort()
      channel.close()
      throw error
    }
  }

  #openStream({ client, close }: Channel): GossipStream {
    const { path, requestSerialize, responseDeserialize } = gossipService.gossipStream
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    return GossipStream.dialled(call, close)
  }

  async #authenticate(
    stream: GossipStream,
    probe: boolean,
    signal: AbortSignal,
  ): Promise<Introduced> {
    const introduction = {
      pkiId: this.#pkiId,
      identity: this.#options.identity,
      tlsCertHash: this.#tlsCertHash,
      probe,
    }
    const introduced = await authenticate({
      stream,
      introduction,
      mapper: this.#mapper,
      clock: this.#clock,
      timeoutMs: this.#options.connTimeoutMs,
      signal,
    })
    // Only who opens a stream may probe.
    if (introduced.probe) throw new CommError('COMM_UNEXPECTED_PROBE', 'probe')
    return introduced
  }

  async #reach(client: Client, endpoint: string, signal: AbortSignal): Promise<void> {
    const { dialTimeoutMs, connTimeoutMs } = this.#options
    const slow = (what: string, ms: number) => (): CommError =>
      new CommError('COMM_UNREACHABLE', `${endpoint}: no ${what} within ${ms} ms`)
    const clock = this.#clock
    await within(
      { clock, timeoutMs: dialTimeoutMs, signal, onTimeout: slow('connection', dialTimeoutMs) },
      (timely) => settled(client, timely),
    )
    await within(
      {
        clock,
        timeoutMs: connTimeoutMs,
        signal,
        onTimeout: slow('answer to a ping', connTimeoutMs),
      },
      (timely) => ping(client, endpoint, timely),
    )
  }

  #channel(endpoint: string): Channel {
    const proxy = this.#proxyFor?.(endpoint)
    return openChannel(endpoint, this.#secureContext, transportOptions(this.#options), proxy)
  }
}

/** Resolves when the channel is connected, or failed to: the ping then tells why. */
function settled(client: Client, signal: AbortSignal): Promise<void> {
  const channel = client.getChannel()
  return abortable(signal, (resolve) => {
    const check = (): void => {
      if (signal.aborted) return
      const state = channel.getConnectivityState(true)
      const { READY, TRANSIENT_FAILURE, SHUTDOWN } = connectivityState
      if (state === READY || state === TRANSIENT_FAILURE || state === SHUTDOWN) resolve()
      else channel.watchConnectivityState(state, Infinity, check)
    }
    check()
  })
}

function ping(client: Client, endpoint: string, signal: AbortSignal): Promise<void> {
  const { path, requestSerialize, responseDeserialize } = gossipService.ping
  return abortable(signal, (resolve, reject) => {
    const answered = (error: ServiceError | null): void => {
      if (error === null) resolve()
      else reject(new CommError('COMM_UNREACHABLE', `${endpoint}: ${error.details}`))
    }
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      emptyMessage,
      answered,
    )
    signal.addEventListener('abort', () => call.cancel(), { once: true })
  })
}
