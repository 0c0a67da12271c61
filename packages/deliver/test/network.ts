import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
} from '@grpc/grpc-js'
import { createGenesisBlock } from '@heddle/channel'
import { systemClock } from '@heddle/events'
import type { SigningIdentity } from '@heddle/msp'
import {
  type TestOrganization,
  type TlsMaterial,
  createTestOrganization,
} from '@heddle/msp/testing'
import { createOrdererServer } from '@heddle/orderer'
import type { OrdererServer, OrdererServerOptions } from '@heddle/orderer'
import { MemoryChain, type MemoryChainOptions } from '@heddle/orderer/testing'
import { common, create, decode, encode, grpcService, orderer } from '@heddle/proto'
import type { Endpoint } from '../src/index.ts'

/** The channel of all tests. */
export const channelId = 'ch1'

/** A channel with four consenters: its members and its genesis block. */
export interface Channel {
  readonly org: TestOrganization
  readonly client: SigningIdentity
  readonly clientTls: TlsMaterial
  readonly serverTls: TlsMaterial
  readonly genesis: Uint8Array
  /** A quorum of the consenters, by id. */
  readonly signers: ReadonlyMap<number, SigningIdentity>
}

let shared: Promise<Channel> | undefined
/** One channel for all tests: making certificates takes a while. */
export function channel(): Promise<Channel> {
  shared ??= createChannel()
  return shared
}

async function createChannel(): Promise<Channel> {
  const org = await createTestOrganization({ mspId: 'Org1MSP' })
  const ids = [1, 2, 3, 4]
  const consenters = await Promise.all(ids.map((id) => org.identity(`orderer${id}`, 'orderer')))
  const genesis = createGenesisBlock({
    channelId,
    timestamp: new Date(0),
    nonce: Buffer.alloc(24, 1),
    ordererOrgs: [
      { name: 'Org1', mspId: org.mspId, msp: org.msp.toConfig(), endpoints: ['localhost:1'] },
    ],
    applicationOrgs: [{ name: 'Org1', mspId: org.mspId, msp: org.msp.toConfig() }],
    consenters: consenters.map(({ mspId, idBytes }, index) => ({
      id: index + 1,
      mspId,
      identity: idBytes,
    })),
    batchSize: { maxMessageCount: 10, absoluteMaxBytes: 1 << 20, preferredMaxBytes: 1 << 20 },
    batchTimeout: '1s',
    consensusMetadata: new Uint8Array(),
  })
  return {
    org,
    client: await org.identity('client', 'client'),
    clientTls: await org.tls('client'),
    serverTls: await org.tls('orderer'),
    genesis: encode(common.BlockSchema, genesis),
    signers: new Map(consenters.slice(0, 3).map((signer, index) => [index + 1, signer])),
  }
}

/** An honest service: the package orderer's server over a memory chain. */
export interface Honest {
  readonly chain: MemoryChain
  readonly server: OrdererServer
  readonly endpoint: Endpoint
}

/** What an afterEach has to stop. */
export const started: { stop: () => unknown }[] = []

/** Stops whatever the test started. */
export async function stopAll(): Promise<void> {
  for (const one of started.splice(0).reverse()) await one.stop()
}

/** Starts an honest service; `chain` may be one that others serve too. */
export async function honest(
  options: Partial<MemoryChainOptions> & {
    readonly chain?: MemoryChain
    readonly server?: Partial<OrdererServerOptions>
  } = {},
): Promise<Honest> {
  const { genesis, signers, serverTls } = await channel()
  const chain =
    options.chain ?? new MemoryChain({ channelId, blocks: [genesis], signers, ...options })
  const server = createOrdererServer(
    { chains: (id) => (id === channelId ? chain : undefined), clock: systemClock },
    { listen: { host: 'localhost', port: 0 }, tls: serverTls, ...options.server },
  )
  await server.start()
  started.push({ stop: () => server.stop({ signal: AbortSignal.abort() }) })
  return { chain, server, endpoint: { address: server.address!, roots: serverTls.roots } }
}

/** One stream of a service that does as the test says. */
export type Behaviour = (call: ServerDuplexStream<Buffer, Buffer>, stream: number) => void

/** Starts a bare gRPC server that serves each stream of either kind by `behave`. */
export async function scripted(behave: Behaviour): Promise<Endpoint & { streams: () => number }> {
  const { serverTls } = await channel()
  const { broadcast, deliver } = grpcService(orderer.AtomicBroadcast)
  const bytes = (value: Buffer): Buffer => value
  const raw = { requestDeserialize: bytes, responseSerialize: bytes }
  const definition: ServiceDefinition = {
    broadcast: { ...broadcast, ...raw },
    deliver: { ...deliver, ...raw },
  }
  const server = new Server()
  let streams = 0
  const serve = (call: ServerDuplexStream<Buffer, Buffer>): void => {
    call.on('error', () => undefined)
    behave(call, streams++)
  }
  server.addService(definition, { broadcast: serve, deliver: serve })
  const secure = ServerCredentials.createSsl(
    Buffer.from(serverTls.roots.join('')),
    [{ private_key: Buffer.from(serverTls.key), cert_chain: Buffer.from(serverTls.certificate) }],
    true,
  )
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('localhost:0', secure, (error, taken) =>
      error ? reject(error) : resolve(taken),
    )
  })
  started.push({ stop: () => server.forceShutdown() })
  return { address: `localhost:${port}`, roots: serverTls.roots, streams: () => streams }
}

/** An encoded DeliverResponse with a status. */
export function statusFrame(status: common.Status): Buffer {
  const message = create(orderer.DeliverResponseSchema, { Type: { case: 'status', value: status } })
  return encode(orderer.DeliverResponseSchema, message)
}

/** An encoded DeliverResponse with a block. */
export function blockFrame(block: Uint8Array): Buffer {
  const value = decode(common.BlockSchema, block)
  const message = create(orderer.DeliverResponseSchema, { Type: { case: 'block', value } })
  return encode(orderer.DeliverResponseSchema, message)
}

/** An encoded BroadcastResponse. */
export function answerFrame(status: common.Status, info = ''): Buffer {
  const message = create(orderer.BroadcastResponseSchema, { status, info })
  return encode(orderer.BroadcastResponseSchema, message)
}

/** The number that a seek request starts with. */
export function seekStart(request: Uint8Array): bigint | undefined {
  const { payload } = decode(common.EnvelopeSchema, request)
  const { data } = decode(common.PayloadSchema, payload)
  const { start } = decode(orderer.SeekInfoSchema, data)
  return start?.Type.case === 'specified' ? start.Type.value.number : undefined
}

/** The blocks of a chain. */
export async function blocksOf(chain: MemoryChain): Promise<Uint8Array[]> {
  const numbers = [...Array(Number(chain.height())).keys()]
  return Promise.all(numbers.map(async (number) => (await chain.block(BigInt(number)))!))
}

/** An envelope that any client may have made: enough for a block. */
export function plainEnvelope(text: string): Uint8Array {
  const message = create(common.EnvelopeSchema, {
    payload: Buffer.from(text),
    signature: Buffer.from('signature'),
  })
  return encode(common.EnvelopeSchema, message)
}

/** Adds `count` blocks of one envelope each, under the configuration of block `config`. */
export async function grow(chain: MemoryChain, count: number, config?: bigint): Promise<void> {
  for (let added = 0; added < count; added++) {
    await chain.appendBlock([plainEnvelope(`envelope in block ${String(chain.height())}`)], config)
  }
}

/** Hardly any wait after a failure. */
export const hasty = { minBackOffMs: 1, maxBackOffMs: 1 } as const

/** The same, and nobody is asked but whom the test names. */
export const impatient = { ...hasty, onlyGiven: true } as const

/** Resolves when `condition` holds; the test's time-out ends a vain wait. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
