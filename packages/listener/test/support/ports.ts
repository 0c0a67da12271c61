import { Client, credentials, Server, status } from '@grpc/grpc-js'
import type { ServiceError } from '@grpc/grpc-js'
import type { sendUnaryData, ServerDuplexStream, ServerInterceptor } from '@grpc/grpc-js'
import type { Clock } from '@heddle/interface'
import { RecordingLogger, RecordingMetrics } from '@heddle/interface/testing'
import type { LogLine } from '@heddle/interface/testing'
import { createTestOrganization } from '@heddle/msp/testing'
import type { TestOrganization, TlsMaterial } from '@heddle/msp/testing'
import { GrpcPort, RefusalLog } from '../../src/index.ts'
import type { GrpcPortOptions } from '../../src/index.ts'

/** Answers at once, with nothing. */
export const answerPath = '/test.Test/Answer'
/** Takes messages, says nothing, and ends when the client does. */
export const streamPath = '/test.Test/Stream'

const asIs = (bytes: Buffer): Buffer => bytes
const bytes = {
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
}
const service = {
  answer: { path: answerPath, requestStream: false, responseStream: false, ...bytes },
  stream: { path: streamPath, requestStream: true, responseStream: true, ...bytes },
}

/** The authority of the clients, and one that nobody trusts; made once, because certificates take time. */
let made: Promise<{ ours: TestOrganization; foreign: TestOrganization }> | undefined

export function organizations(): Promise<{ ours: TestOrganization; foreign: TestOrganization }> {
  made ??= (async () => ({
    ours: await createTestOrganization({ mspId: 'Ours' }),
    foreign: await createTestOrganization({ mspId: 'Foreign' }),
  }))()
  return made
}

/** What a test may say of an {@link OpenPort}. */
export interface OpenPortOptions extends Partial<Omit<GrpcPortOptions, 'listen' | 'tls'>> {
  readonly clock?: Clock
  readonly maxRefusalLinesPerMinute?: number
  readonly maxMessageBytes?: number
  readonly interceptors?: (port: GrpcPort) => ServerInterceptor[]
}

/** A port under test, with a service behind it. */
export interface OpenPort {
  readonly port: GrpcPort
  readonly grpc: Server
  /** The TCP port that it has. */
  readonly number: number
  readonly logger: RecordingLogger
  readonly metrics: RecordingMetrics
  /** The streams that clients have opened. */
  readonly streams: readonly ServerDuplexStream<Buffer, Buffer>[]
  /** The lines about refusals that say this. */
  refusals(reason: string | RegExp): LogLine[]
}

const open = new Set<OpenPort>()

export async function openPort(options: OpenPortOptions = {}): Promise<OpenPort> {
  const { clock, maxRefusalLinesPerMinute = 100, maxMessageBytes = 10_000, ...rest } = options
  const { interceptors, ...ofPort } = rest
  const { ours } = await organizations()
  const { certificate, key } = await ours.tls('server')
  const [logger, metrics] = [new RecordingLogger(), new RecordingMetrics()]
  const deps = { logger, ...(clock && { clock }) }
  const refusals = new RefusalLog({ ...deps, metrics }, { port: 'test', maxRefusalLinesPerMinute })
  const port = new GrpcPort(
    { ...deps, refusals },
    {
      listen: { host: 'localhost', port: 0 },
      tls: { certificate, key, roots: [ours.tlsCa.certificate] },
      clientCertificate: 'optional',
      // On the real clock nothing may hang on how busy the machine is.
      ...(clock === undefined && { setupTimeoutMs: 60_000 }),
      ...ofPort,
    },
  )
  const streams: ServerDuplexStream<Buffer, Buffer>[] = []
  const grpc = new Server({
    'grpc.max_receive_message_length': maxMessageBytes,
    interceptors: [port.interceptor, ...(interceptors?.(port) ?? [])],
  })
  grpc.addService(service, {
    answer: (_call: unknown, answer: sendUnaryData<Buffer>) => answer(null, Buffer.alloc(0)),
    stream: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on('error', () => undefined).on('end', () => call.end())
      call.resume()
      streams.push(call)
    },
  })
  const said = ({ fields }: LogLine): string => String(fields['reason'])
  const refused = (reason: string | RegExp): LogLine[] =>
    logger.lines.filter(
      (line) =>
        line.level === 'warn' &&
        (typeof reason === 'string' ? said(line) === reason : reason.test(said(line))),
    )
  const number = await port.start(grpc)
  const opened = { port, grpc, number, logger, metrics, streams, refusals: refused }
  open.add(opened)
  return opened
}

/** Closes every port that a test has opened; call it in `afterEach`. */
export async function closePorts(): Promise<void> {
  for (const { grpc } of open) grpc.forceShutdown()
  await Promise.all([...open].map(({ port }) => port.cut()))
  open.clear()
}

/** A client of a port, with a certificate of this name of ours; without a name with none. */
export async function clientOf({ number }: OpenPort, name?: string): Promise<Client> {
  const { ours } = await organizations()
  return clientWith(number, name === undefined ? undefined : await ours.tls(name))
}

/** A client with this certificate. */
export async function clientWith(number: number, tls?: TlsMaterial): Promise<Client> {
  const { ours } = await organizations()
  const roots = Buffer.from(ours.tlsCa.certificate)
  const pair = tls && ([Buffer.from(tls.key), Buffer.from(tls.certificate)] as const)
  return new Client(
    `localhost:${number}`,
    pair ? credentials.createSsl(roots, ...pair) : credentials.createSsl(roots),
    { 'grpc.use_local_subchannel_pool': 1, 'grpc.enable_retries': 0 },
  )
}

/** How a call of `Answer` ends. */
export function call(client: Client): Promise<status> {
  return new Promise((resolve) =>
    client.makeUnaryRequest(answerPath, asIs, asIs, Buffer.alloc(0), (error: ServiceError | null) =>
      resolve(error?.code ?? status.OK),
    ),
  )
}

/** Resolves when `condition` holds; checks after each turn of the event loop. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
