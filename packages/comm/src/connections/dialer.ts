import type { SecureContext } from 'node:tls'
import { connectivityState } from '@grpc/grpc-js'
import type { Client, ServiceError } from '@grpc/grpc-js'
import type { Clock } from '@heddle/interface'
import { withClock } from '@heddle/msp'
import { hearIntroduction, introduce } from '../handshake/authenticate.ts'
import { openChannel } from '../transport/channel.ts'
import type { Channel } from '../transport/channel.ts'
import { abortable, within } from '../deadline.ts'
import type { ResolvedCommDeps } from '../deps.ts'
import { CommError } from '../errors.ts'
import { GossipStream } from '../transport/gossip-stream.ts'
import type { Introduced } from '../handshake/handshake.ts'
import type { ResolvedCommOptions } from '../options.ts'
import type { PeerMapper } from '../ports.ts'
import type { ConnectionInfo } from '../types.ts'
import { emptyMessage, gossipService, transportOptions } from '../transport/wire.ts'

/** A stream to a peer that has said who it is, and does not know yet who we are. */
export interface Dialled {
  readonly stream: GossipStream
  readonly info: ConnectionInfo
  /** Introduces this node: there is a connection. */
  readonly accept: () => void
  /** Says that this was a probe, which disturbs no connection at the other side, and ends the stream. */
  readonly decline: () => void
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
    this.#tlsCertHash = options.tls.client.certificateHash
    this.#secureContext = options.tls.client.context
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
   * Opens a stream and hears who is there; the caller accepts or declines.
   * @throws {CommError} COMM_UNREACHABLE, or a handshake code
   */
  async open(endpoint: string, signal: AbortSignal): Promise<Dialled> {
    const channel = this.#channel(endpoint)
    let stream: GossipStream | undefined
    try {
      await this.#reach(channel.client, endpoint, signal)
      const opened = this.#openStream(channel, endpoint)
      stream = opened
      const { info, probe } = await this.#hear(opened, signal)
      // Only who opens a stream may probe.
      if (probe) throw new CommError('COMM_UNEXPECTED_PROBE', 'probe')
      return {
        stream: opened,
        info,
        accept: () => this.#introduce(opened, false),
        decline: () => this.#decline(opened, signal),
      }
    } catch (error) {
      stream?.abort()
      channel.close()
      throw error
    }
  }

  #openStream({ client, close, destroy }: Channel, endpoint: string): GossipStream {
    const { path, requestSerialize, responseDeserialize } = gossipService.gossipStream
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    const pinging = (signal: AbortSignal): Promise<void> =>
      ping({ client, endpoint, now: this.#clock.wallTime() }, signal)
    return GossipStream.dialled(call, { ping: pinging, close, destroy })
  }

  #hear(stream: GossipStream, signal: AbortSignal): Promise<Introduced> {
    return hearIntroduction({
      stream,
      mapper: this.#mapper,
      clock: this.#clock,
      timeoutMs: this.#options.connTimeoutMs,
      signal,
    })
  }

  #introduce(stream: GossipStream, probe: boolean): void {
    const { identity } = this.#options
    const own = { pkiId: this.#pkiId, identity, tlsCertHash: this.#tlsCertHash, probe }
    introduce(stream, own, this.#mapper)
  }

  /** The other side ends the stream when it has read the introduction; failing that, we do. */
  #decline(stream: GossipStream, signal: AbortSignal): void {
    if (signal.aborted) {
      stream.abort()
      return
    }
    this.#introduce(stream, true)
    const cut = (): void => stream.abort()
    const timer = this.#clock.schedule(this.#options.connTimeoutMs, cut)
    signal.addEventListener('abort', cut, { once: true })
    const onOver = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', cut)
    }
    stream.attach({ onFrame: nothing, onDrain: nothing, onRemoteDone: nothing, onOver })
    stream.resume()
    stream.finish()
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
      (timely) => ping({ client, endpoint, now: clock.wallTime() }, timely),
    )
  }

  #channel(endpoint: string): Channel {
    const proxy = this.#proxyFor?.(endpoint)
    return openChannel(endpoint, this.#secureContext, transportOptions(this.#options), proxy)
  }
}

function nothing(): void {
  // of no interest any more
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

function ping(
  { client, endpoint, now }: { client: Client; endpoint: string; now: number },
  signal: AbortSignal,
): Promise<void> {
  const { path, requestSerialize, responseDeserialize } = gossipService.ping
  return abortable(signal, (resolve, reject) => {
    const answered = (error: ServiceError | null): void => {
      if (error === null) resolve()
      else
        reject(new CommError('COMM_UNREACHABLE', `${endpoint}: ${withClock(error.details, now)}`))
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
