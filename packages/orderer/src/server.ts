import {
  Server,
  type ServerDuplexStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import type {
  AbortOptions,
  Clock,
  Lifecycle,
  LifecycleState,
  Logger,
  Metrics,
} from '@heddle/interface'
import { GrpcPort, RefusalLog } from '@heddle/listener'
import { grpcService, orderer } from '@heddle/proto'
import { BroadcastStream } from './broadcast.ts'
import { ClientBudgets } from './client-budgets.ts'
import { ClientBounds } from './client-bounds.ts'
import { ClientWindows } from './client-window.ts'
import { DeliverStream } from './deliver.ts'
import { OrdererError } from './errors.ts'
import { serviceMetrics } from './metrics.ts'
import type { ChainLookup } from './ports.ts'
import { ReaderCalls } from './reader-calls.ts'
import {
  type OrdererServerOptions,
  type ResolvedServerOptions,
  resolveServerOptions,
} from './server-options.ts'
import type { ServiceContext } from './service-context.ts'

/** A further service for the same port: a definition and its handlers, as grpc-js takes them. */
export interface ExtraService {
  readonly definition: ServiceDefinition
  readonly handlers: UntypedServiceImplementation
  /**
   * The channel whose policy for readers a caller must satisfy, see `readerMetadataKey`. Without it
   * any client with a TLS certificate may call.
   */
  readonly readersOf?: string
}

/** What an {@link OrdererServer} works with. */
export interface OrdererServerDeps {
  readonly chains: ChainLookup
  readonly clock: Clock
  /** Services of the composition that share the port. */
  readonly services?: readonly ExtraService[]
  readonly logger?: Logger
  readonly metrics?: Metrics
}

/** A listener with the AtomicBroadcast service; see {@link createOrdererServer}. */
export interface OrdererServer extends Lifecycle {
  /** `host:port` once started, with the port that was taken; undefined otherwise. */
  readonly address: string | undefined
}

/**
 * Makes a gRPC server with Fabric's `orderer.AtomicBroadcast` over mutual TLS.
 *
 * @throws {OrdererError} ORDERER_INVALID_OPTIONS
 */
export function createOrdererServer(
  deps: OrdererServerDeps,
  options: OrdererServerOptions,
): OrdererServer {
  return new GrpcOrdererServer(deps, resolveServerOptions(options))
}

/** What both kinds of stream have in common. */
interface OpenStream {
  serve(onClose: () => void): void
  finish(): void
}

type Call = ServerDuplexStream<Buffer, Buffer>

class GrpcOrdererServer implements OrdererServer {
  readonly #deps: OrdererServerDeps
  readonly #options: ResolvedServerOptions
  readonly #context: ServiceContext
  readonly #streams = new Set<OpenStream>()
  readonly #port: GrpcPort
  readonly #bounds: ClientBounds
  readonly #readers: ReaderCalls
  readonly #windows: ClientWindows
  readonly #reads: ClientBudgets<'bytes'>
  #server: Server | undefined
  #state: LifecycleState = 'idle'
  #address: string | undefined
  #starting: Promise<void> | undefined
  #stopped: Promise<void> | undefined

  constructor(deps: OrdererServerDeps, options: ResolvedServerOptions) {
    this.#deps = deps
    this.#options = options
    const { clock, logger, metrics } = deps
    const { maxRefusalLinesPerMinute } = options
    const refusals = new RefusalLog(
      { clock, logger, metrics },
      { port: 'orderer', maxRefusalLinesPerMinute },
    )
    this.#port = portOf(deps, options, refusals)
    const callerOf: ServiceContext['callerOf'] = (call) => this.#port.callerAt(call.getPeer())
    this.#reads = new ClientBudgets(clock, 'bytes', {
      perClient: options.maxBlockBytesPerSecondPerClient,
      perOrganization: options.maxBlockBytesPerSecondPerOrganization,
    })
    this.#bounds = new ClientBounds(clock, options, {
      callerOf,
      reads: this.#reads,
      onRefused: (address, method, reason) =>
        this.#port.refused(address, 'call ended', { method, code: 'RESOURCE_EXHAUSTED', reason }),
    })
    this.#context = {
      callerOf,
      chains: deps.chains,
      clock,
      options,
      logger,
      refusals,
      metrics: metrics && serviceMetrics(metrics),
    }
    this.#readers = new ReaderCalls(this.#context)
    this.#windows = new ClientWindows(clock, options)
  }

  get state(): LifecycleState {
    return this.#state
  }

  get address(): string | undefined {
    return this.#address
  }

  start(options: AbortOptions = {}): Promise<void> {
    if (this.#state === 'stopping' || this.#state === 'stopped') {
      return Promise.reject(new OrdererError('ORDERER_STOPPED', 'the server was stopped'))
    }
    this.#starting ??= this.#start(options).catch((error: unknown) => {
      this.#starting = undefined
      this.#state = 'idle'
      throw error
    })
    return this.#starting
  }

  stop(options: AbortOptions = {}): Promise<void> {
    this.#stopped ??= this.#stop(options)
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #start({ signal }: AbortOptions): Promise<void> {
    signal?.throwIfAborted()
    this.#state = 'starting'
    const server = this.#createServer()
    try {
      this.#address = await this.#bind(server)
      signal?.throwIfAborted()
    } catch (error) {
      server.forceShutdown()
      await this.#port.cut()
      this.#address = undefined
      throw error
    }
    this.#server = server
    this.#state = 'started'
    this.#deps.logger?.info('serving AtomicBroadcast', { address: this.#address })
  }

  #createServer(): Server {
    const { maxMessageBytes, maxConcurrentStreams } = this.#options
    const server = new Server({
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.max_send_message_length': maxMessageBytes,
      'grpc.max_concurrent_streams': maxConcurrentStreams,
      'grpc.keepalive_time_ms': 60_000, // finds clients that vanished
      'grpc.keepalive_timeout_ms': 20_000,
      interceptors: [
        this.#port.interceptor,
        this.#bounds.interceptor,
        this.#readers.interceptor(readersOnly(this.#deps.services)),
      ],
    })
    server.addService(atomicBroadcast(), {
      broadcast: (call: Call) => {
        const windows = this.#windows.of(this.#context.callerOf(call))
        this.#serve(call, new BroadcastStream(call, this.#context, windows))
      },
      deliver: (call: Call) => {
        const reads = this.#reads.of(this.#context.callerOf(call))
        this.#serve(call, new DeliverStream(call, this.#context, reads))
      },
    })
    for (const { definition, handlers } of this.#deps.services ?? []) {
      server.addService(takingBytes(definition), handlers)
    }
    return server
  }

  async #bind(server: Server): Promise<string> {
    const { host, port } = this.#options.listen
    try {
      const bound = await this.#port.start(server)
      return `${host}:${bound}`
    } catch (error) {
      throw new OrdererError(
        'ORDERER_LISTEN_FAILED',
        `cannot listen on ${host}:${port}; is the port taken?`,
        { cause: error },
      )
    }
  }

  #serve(call: Call, stream: OpenStream): void {
    this.#streams.add(stream)
    call.on('cancelled', () => {
      this.#deps.logger?.debug('stream broken off', { address: call.getPeer() })
    })
    stream.serve(() => this.#streams.delete(stream))
    if (this.#state === 'stopping') stream.finish()
  }

  async #stop({ signal }: AbortOptions): Promise<void> {
    await this.#starting?.catch(() => undefined)
    const server = this.#server
    this.#state = 'stopping'
    this.#port.refuseNew()
    if (server) {
      for (const stream of this.#streams) stream.finish()
      await this.#drain(server, signal)
      server.forceShutdown()
    }
    await this.#port.cut()
    this.#bounds.close()
    this.#address = undefined
    this.#state = 'stopped'
  }

  /**
   * Waits until all calls have ended, for `drainTimeoutMs` at most or until `signal` aborts. From
   * Node 24 on grpc-js takes a session that is closing for one that has closed: the connections tell.
   */
  async #drain(server: Server, signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        timer.cancel()
        signal?.removeEventListener('abort', settle)
        resolve()
      }
      const timer = this.#deps.clock.schedule(this.#options.drainTimeoutMs, settle)
      signal?.addEventListener('abort', settle, { once: true })
      server.tryShutdown(() => void this.#port.whenEmpty().then(settle))
      if (signal?.aborted) settle()
    })
  }
}

/** The port is not opened yet. */
function portOf(
  { clock, logger }: OrdererServerDeps,
  options: ResolvedServerOptions,
  refusals: RefusalLog,
): GrpcPort {
  const { listen, tls, setupTimeoutMs } = options
  const { maxPendingConnections, maxConnectionsPerCertificate } = options
  const { maxConnectionsPerOrganization } = options
  return new GrpcPort(
    { clock, logger, refusals },
    {
      ...{ listen, tls, setupTimeoutMs, maxPendingConnections, maxConnectionsPerCertificate },
      maxConnectionsPerOrganization,
      clientCertificate: tls.requireClientCertificate ? 'required' : 'unchecked',
      settled: 'HTTP/2',
    },
  )
}

/** By the path of a method: the channel that its callers must be readers of. */
function readersOnly(services: readonly ExtraService[] = []): ReadonlyMap<string, string> {
  return new Map(
    services.flatMap(({ definition, readersOf }) =>
      readersOf === undefined
        ? []
        : Object.values(definition).map(({ path }) => [path, readersOf] as const),
    ),
  )
}

/** The service for answers that were encoded before, to see how long they are. */
function takingBytes(definition: ServiceDefinition): ServiceDefinition {
  return Object.fromEntries(
    Object.entries(definition).map(([name, method]) => {
      const { responseSerialize: serialize } = method
      const responseSerialize = (answer: unknown): Buffer =>
        Buffer.isBuffer(answer) ? answer : serialize(answer)
      return [name, { ...method, responseSerialize }]
    }),
  )
}

/** The service with requests and responses as bytes: the streams decode and encode themselves. */
function atomicBroadcast(): ServiceDefinition {
  const { broadcast, deliver } = grpcService(orderer.AtomicBroadcast)
  const bytes = (value: Buffer): Buffer => value
  const asBytes = { requestDeserialize: bytes, responseSerialize: bytes }
  return { broadcast: { ...broadcast, ...asBytes }, deliver: { ...deliver, ...asBytes } }
}
