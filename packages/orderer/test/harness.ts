import { createHash, X509Certificate } from 'node:crypto'
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js'
import { type ChannelRules, channelConfigOf, createGenesisBlock } from '@heddle/channel'
import { systemClock } from '@heddle/events'
import type { Clock } from '@heddle/interface'
import { type SigningIdentity } from '@heddle/msp'
import {
  type TestOrganization,
  type TlsMaterial,
  createTestOrganization,
} from '@heddle/msp/testing'
import {
  type MessageInitShape,
  common,
  create,
  decode,
  encode,
  orderer,
  timestampFromDate,
} from '@heddle/proto'
import {
  type OrdererServer,
  type OrdererServerDeps,
  type OrdererServerOptions,
  createOrdererServer,
} from '../src/index.ts'
import { MemoryChain, type MemoryChainOptions } from '../src/testing.ts'

/** The channel of all tests. */
export const channelId = 'ch'

let shared: Promise<TestOrganization> | undefined
/** One organisation for all tests: making certificates takes a while. */
export function organization(): Promise<TestOrganization> {
  shared ??= createTestOrganization({ mspId: 'Org1MSP' })
  return shared
}

let other: Promise<TestOrganization> | undefined
/** Another, whose clients every server lets in, too. */
export function otherOrganization(): Promise<TestOrganization> {
  other ??= createTestOrganization({ mspId: 'Org2MSP' })
  return other
}

/** What a client of the {@link otherOrganization} presents. */
export async function otherTls(name = 'other'): Promise<TlsMaterial> {
  const { roots } = await (await organization()).tls('any')
  return { ...(await (await otherOrganization()).tls(name)), roots }
}

/** What a client presents, and whom it trusts. */
export type ClientMaterial = { readonly [K in keyof TlsMaterial]?: TlsMaterial[K] | undefined }

/** A server over a memory chain, with all that a client needs. */
export interface Fixture {
  readonly chain: MemoryChain
  readonly server: OrdererServer
  readonly clientTls: TlsMaterial
  readonly signer: SigningIdentity
  connect(method: 'broadcast' | 'deliver', tls?: ClientMaterial): RawStream
  close(): Promise<void>
}

/** Starts a server on a free port. */
export async function serve(
  overrides: Partial<OrdererServerOptions> & {
    readonly chain?: Partial<MemoryChainOptions>
    readonly deps?: Partial<OrdererServerDeps>
  } = {},
): Promise<Fixture> {
  const { chain: chainOptions, deps, ...options } = overrides
  const org = await organization()
  const [serverTls, clientTls, signer] = await Promise.all([
    org.tls('orderer'),
    org.tls('client'),
    org.identity('client', 'client'),
  ])
  const { certificate } = (await otherOrganization()).tlsCa
  const tls = { ...serverTls, roots: [...serverTls.roots, certificate] }
  const chain = new MemoryChain({ channelId, ...chainOptions })
  const server = createOrdererServer(
    { chains: (id) => (id === channelId ? chain : undefined), clock: systemClock, ...deps },
    { listen: { host: 'localhost', port: 0 }, tls, ...options },
  )
  await server.start()
  const streams: RawStream[] = []
  return {
    chain,
    server,
    clientTls,
    signer,
    connect: (method, tls) => {
      const stream = new RawStream(server.address!, method, { ...clientTls, ...tls })
      streams.push(stream)
      return stream
    },
    close: async () => {
      for (const stream of streams) stream.close()
      await server.stop({ signal: AbortSignal.abort() })
    },
  }
}

/** A bare gRPC stream of bytes to the service, with what came back. */
export class RawStream {
  readonly call: ClientDuplexStream<Uint8Array, Buffer>
  readonly #client: Client
  readonly #received: Buffer[] = []
  #ended: Error | 'ended' | undefined
  #wake: () => void = () => undefined

  constructor(address: string, method: 'broadcast' | 'deliver', tls: ClientMaterial) {
    this.#client = new Client(
      address,
      credentials.createSsl(
        Buffer.from(tls.roots!.join('')),
        tls.key === undefined ? null : Buffer.from(tls.key),
        tls.certificate === undefined ? null : Buffer.from(tls.certificate),
      ),
      { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 },
    )
    const name = method === 'broadcast' ? 'Broadcast' : 'Deliver'
    this.call = this.#client.makeBidiStreamRequest(
      `/orderer.AtomicBroadcast/${name}`,
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes: Buffer) => bytes,
    )
    this.call.on('data', (bytes: Buffer) => {
      this.#received.push(bytes)
      this.#wake()
    })
    this.call.on('end', () => this.#end('ended'))
    this.call.on('error', (error: Error) => this.#end(error))
  }

  send(bytes: Uint8Array): void {
    this.call.write(bytes)
  }

  /** How many frames came and were not taken. */
  get waiting(): number {
    return this.#received.length
  }

  /** The next frame; undefined when the server ended the stream. Rejects when it broke. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const frame = this.#received.shift()
      if (frame) return frame
      if (this.#ended === 'ended') return undefined
      if (this.#ended) throw this.#ended
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** The next frame of a Broadcast stream. */
  async answer(): Promise<{ status: string; info: string }> {
    const { status, info } = decode(orderer.BroadcastResponseSchema, (await this.next())!)
    return { status: common.Status[status], info }
  }

  /** The next frame of a Deliver stream: a status by name, or a block. */
  async frame(): Promise<string | common.Block> {
    const { Type } = decode(orderer.DeliverResponseSchema, (await this.next())!)
    if (Type.case === 'status') return common.Status[Type.value]
    return Type.value as common.Block
  }

  /** All frames up to the next status: block numbers, then the status. */
  async frames(): Promise<(bigint | string)[]> {
    const frames: (bigint | string)[] = []
    for (;;) {
      const frame = await this.frame()
      frames.push(typeof frame === 'string' ? frame : frame.header!.number)
      if (typeof frame === 'string') return frames
    }
  }

  close(): void {
    this.call.on('error', () => undefined)
    this.call.cancel()
    this.#client.close()
  }

  #end(how: Error | 'ended'): void {
    this.#ended ??= how
    this.#wake()
  }
}

/** What may differ from an ordinary envelope. */
export interface EnvelopeInit {
  readonly type?: number
  readonly channelId?: string
  readonly timestamp?: Date | null
  readonly tlsCertHash?: Uint8Array
  readonly data?: Uint8Array
  readonly nonce?: Uint8Array
}

/** A signed envelope, encoded. */
export function envelope(
  signer: Pick<SigningIdentity, 'serialized' | 'sign'>,
  init: EnvelopeInit = {},
): Buffer {
  const { timestamp = new Date(), data = Buffer.from('data'), nonce = Buffer.from('n') } = init
  const channelHeader = create(common.ChannelHeaderSchema, {
    type: init.type ?? common.HeaderType.MESSAGE,
    channelId: init.channelId ?? channelId,
    ...(timestamp && { timestamp: timestampFromDate(timestamp) }),
    ...(init.tlsCertHash && { tlsCertHash: init.tlsCertHash }),
  })
  const signatureHeader = create(common.SignatureHeaderSchema, {
    creator: signer.serialized,
    nonce,
  })
  const payload = encode(
    common.PayloadSchema,
    create(common.PayloadSchema, {
      header: {
        channelHeader: encode(common.ChannelHeaderSchema, channelHeader),
        signatureHeader: encode(common.SignatureHeaderSchema, signatureHeader),
      },
      data,
    }),
  )
  const signature = signer.sign(payload)
  return encode(common.EnvelopeSchema, create(common.EnvelopeSchema, { payload, signature }))
}

/** A place in a seek request. */
export type At = bigint | 'oldest' | 'newest' | 'nextCommit' | undefined

/** A signed request for blocks, with the hash of the client's certificate. */
export function seek(
  fixture: Pick<Fixture, 'signer' | 'clientTls'>,
  range: { readonly start: At; readonly stop: At },
  init: MessageInitShape<typeof orderer.SeekInfoSchema> & {
    readonly envelope?: EnvelopeInit | undefined
  } = {},
): Buffer {
  const { envelope: more, ...info } = init
  const start = position(range.start)
  const stop = position(range.stop)
  const message = create(orderer.SeekInfoSchema, {
    ...(info as object),
    ...(start && { start }),
    ...(stop && { stop }),
  })
  return envelope(fixture.signer, {
    type: common.HeaderType.DELIVER_SEEK_INFO,
    data: encode(orderer.SeekInfoSchema, message),
    tlsCertHash: certificateHash(fixture.clientTls.certificate),
    ...more,
  })
}

/** SHA-256 of a certificate's DER. */
export function certificateHash(pem: string): Buffer {
  return createHash('sha256').update(new X509Certificate(pem).raw).digest()
}

function position(at: At): orderer.SeekPosition | undefined {
  if (at === undefined) return undefined
  if (typeof at === 'bigint') {
    return create(orderer.SeekPositionSchema, {
      Type: { case: 'specified', value: { number: at } },
    })
  }
  return create(orderer.SeekPositionSchema, { Type: { case: at, value: {} } })
}

/** Fills a chain with blocks of one envelope each. */
export async function fill(chain: MemoryChain, count: number): Promise<void> {
  for (let number = 0; number < count; number++) {
    await chain.appendBlock([Buffer.from(`envelope ${number}`)])
  }
}

/** A clock whose wall time can be moved; everything else is the system's. */
export function shiftedClock(): Clock & { shiftMs: number } {
  const clock = {
    shiftMs: 0,
    now: () => systemClock.now(),
    wallTime: (): number => systemClock.wallTime() + clock.shiftMs,
    schedule: systemClock.schedule.bind(systemClock),
  }
  return clock
}

/** The rules of a channel of that organisation, as its genesis block has them. */
export async function testRules(): Promise<ChannelRules> {
  const org = await organization()
  const config = org.msp.toConfig()
  const consenter = await org.identity('orderer1', 'orderer')
  const block = createGenesisBlock({
    channelId,
    timestamp: new Date(0),
    nonce: Buffer.alloc(24),
    ordererOrgs: [{ name: 'Org1', mspId: org.mspId, msp: config, endpoints: ['localhost:1'] }],
    applicationOrgs: [{ name: 'Org1', mspId: org.mspId, msp: config }],
    consenters: [{ id: 1, mspId: org.mspId, identity: consenter.idBytes }],
    batchSize: { maxMessageCount: 1, absoluteMaxBytes: 1, preferredMaxBytes: 1 },
    batchTimeout: '1s',
    consensusMetadata: new Uint8Array(),
  })
  return channelConfigOf(block).rules
}

/** Resolves when it is so; a test that waits in vain ends by its time-out. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
