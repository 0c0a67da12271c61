import * as grpc from '@grpc/grpc-js'
import type { ServiceDefinition } from '@grpc/grpc-js'
import { expect } from 'chai'
import {
  common,
  create,
  decode,
  encode,
  gossip,
  grpcService,
  heddle,
  orderer,
  protos,
} from '../../src/index.ts'
import type { Received, Sendable } from '../../src/index.ts'

type Duplex<In, Out> = grpc.ServerDuplexStream<In, Sendable<Out>>

const MALFORMED = Buffer.from('0aff', 'hex')

interface Running {
  readonly address: string
  stop(): void
}

/** Serves on a free port of the loopback. */
async function serve(
  definition: ServiceDefinition,
  implementation: grpc.UntypedServiceImplementation,
): Promise<Running> {
  const server = new grpc.Server()
  server.addService(definition, implementation)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('localhost:0', grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error)
      else resolve(bound)
    })
  })
  return { address: `localhost:${String(port)}`, stop: () => server.forceShutdown() }
}

/** A client whose methods are known at run time only. */
function connect(
  definition: ServiceDefinition,
  address: string,
): grpc.Client & Record<string, (...args: unknown[]) => unknown> {
  const Client = grpc.makeGenericClientConstructor(definition, 'Client')
  return new Client(address, grpc.credentials.createInsecure()) as never
}

/** Sends one message on a stream and gives what comes back first, or the error. */
function exchange(
  call: grpc.ClientDuplexStream<unknown, unknown>,
  message: unknown,
): Promise<unknown> {
  return new Promise((resolve) => {
    call.once('data', resolve)
    call.once('error', resolve)
    call.write(message)
  })
}

function unary(
  call: (done: (error: Error | null, answer: unknown) => void) => unknown,
): Promise<unknown> {
  return new Promise((resolve) => {
    call((error, answer) => {
      resolve(error ?? answer)
    })
  })
}

describe('grpcService', () => {
  const cleanups: (() => void)[] = []
  afterEach(() => {
    for (const cleanup of cleanups.splice(0).reverse()) cleanup()
  })

  async function pair(
    definition: ServiceDefinition,
    implementation: grpc.UntypedServiceImplementation,
    clientDefinition: ServiceDefinition = definition,
  ): Promise<ReturnType<typeof connect>> {
    const server = await serve(definition, implementation)
    cleanups.push(() => {
      server.stop()
    })
    const client = connect(clientDefinition, server.address)
    cleanups.push(() => {
      client.close()
    })
    return client
  }

  const echo = {
    ping: (_: unknown, done: (error: null, answer: gossip.Empty) => void) => {
      done(null, create(gossip.EmptySchema))
    },
    gossipStream: (call: Duplex<gossip.Envelope, gossip.Envelope>) => {
      call.on('data', (envelope: gossip.Envelope) => call.write(envelope))
      call.on('end', () => {
        call.end()
      })
      call.on('error', () => undefined)
    },
  }

  it('knows the path and shape of each method', () => {
    const methods = [
      ...Object.values(grpcService(gossip.Gossip)),
      ...Object.values(grpcService(orderer.AtomicBroadcast)),
      ...Object.values(grpcService(protos.Deliver)),
      grpcService(heddle.Query).status,
      grpcService(heddle.Query).entries,
    ]
    const shapes = methods.map((method) => [
      method.path,
      method.requestStream,
      method.responseStream,
    ])
    expect(shapes).to.deep.equal([
      ['/gossip.Gossip/GossipStream', true, true],
      ['/gossip.Gossip/Ping', false, false],
      ['/orderer.AtomicBroadcast/Broadcast', true, true],
      ['/orderer.AtomicBroadcast/Deliver', true, true],
      ['/protos.Deliver/Deliver', true, true],
      ['/protos.Deliver/DeliverFiltered', true, true],
      ['/protos.Deliver/DeliverWithPrivateData', true, true],
      ['/heddle.Query/Status', false, false],
      ['/heddle.Query/Entries', false, true],
    ])
  })

  it('carries messages both ways over unary calls and streams', async () => {
    const client = await pair(grpcService(gossip.Gossip), echo)
    const answer = await unary((done) => client.ping!(create(gossip.EmptySchema), done))
    expect(answer).to.have.property('$typeName', 'gossip.Empty')
    const call = client.gossipStream!() as grpc.ClientDuplexStream<unknown, unknown>
    const envelope = create(gossip.EnvelopeSchema, { payload: Buffer.from('hello') })
    const back = (await exchange(call, envelope)) as gossip.Envelope
    expect(Buffer.from(back.payload).toString()).to.equal('hello')
    call.end()
  })

  it('also finds handlers under the names of the .proto file', async () => {
    const client = await pair(grpcService(gossip.Gossip), {
      Ping: echo.ping,
      GossipStream: echo.gossipStream,
    })
    const answer = await unary((done) => client.ping!(create(gossip.EmptySchema), done))
    expect(answer).to.have.property('$typeName', 'gossip.Empty')
  })

  it('gives receivers the bytes as they came, on both sides', async () => {
    const definition = grpcService(gossip.Gossip, { received: true })
    const unusual = Buffer.from('1201aa0a0101', 'hex') // fields in an order that nobody writes
    let atServer: Received<gossip.Envelope> | undefined
    const client = await pair(definition, {
      ...echo,
      gossipStream: (call: Duplex<Received<gossip.Envelope>, gossip.Envelope>) => {
        call.on('error', () => undefined)
        call.on('data', (envelope: Received<gossip.Envelope>) => {
          atServer = envelope
          call.write(envelope.bytes)
          call.end()
        })
      },
    })
    const call = client.gossipStream!() as grpc.ClientDuplexStream<unknown, unknown>
    const atClient = (await exchange(call, unusual)) as Received<gossip.Envelope>
    expect(Buffer.from(atServer!.bytes).toString('hex')).to.equal('1201aa0a0101')
    expect([...atServer!.message.payload]).to.deep.equal([1])
    expect(Buffer.from(atClient.bytes).toString('hex')).to.equal('1201aa0a0101')
    expect([...atClient.message.signature]).to.deep.equal([0xaa])
    call.end()
  })

  it('serialises to a Buffer, of a message and of bytes', () => {
    const { broadcast } = grpcService(orderer.AtomicBroadcast)
    const envelope = create(common.EnvelopeSchema, { signature: Uint8Array.of(1) })
    const bytes = Uint8Array.from(encode(common.EnvelopeSchema, envelope))
    for (const value of [envelope, bytes]) {
      const buffer = broadcast.requestSerialize(value)
      expect(buffer).to.be.instanceOf(Buffer)
      expect(buffer.toString('hex')).to.equal('120101')
    }
    expect(broadcast.requestDeserialize(Buffer.from(bytes)).signature).to.have.length(1)
  })

  for (const options of [undefined, { received: true } as const]) {
    const how = options ? 'with bytes kept' : 'without'
    it(`ends only the call whose request is malformed, ${how}`, async () => {
      const definition = options ? grpcService(gossip.Gossip, options) : grpcService(gossip.Gossip)
      const client = await pair(definition, echo)
      const bad = await exchange(client.gossipStream!() as never, MALFORMED)
      expect(bad).to.include({ code: grpc.status.INTERNAL })
      expect((bad as grpc.ServiceError).details).to.contain('Error deserializing request')
      const badUnary = await unary((done) => client.ping!(MALFORMED, done))
      expect(badUnary).to.include({ code: grpc.status.INTERNAL })
      const good = await unary((done) => client.ping!(create(gossip.EmptySchema), done))
      expect(good, 'the next call').not.to.be.instanceOf(Error)
    })
  }

  it('ends only the call whose response is malformed', async () => {
    const client = await pair(grpcService(gossip.Gossip), {
      ...echo,
      ping: (_: unknown, done: (error: null, answer: Uint8Array) => void) => {
        done(null, MALFORMED)
      },
    })
    const bad = await unary((done) => client.ping!(create(gossip.EmptySchema), done))
    expect(bad).to.include({ code: grpc.status.INTERNAL })
    expect((bad as grpc.ServiceError).details).to.contain('not an encoding of gossip.Empty')
    const call = client.gossipStream!() as grpc.ClientDuplexStream<unknown, unknown>
    const envelope = create(gossip.EnvelopeSchema, { payload: Buffer.from('on') })
    const back = (await exchange(call, envelope)) as gossip.Envelope
    expect(
      decode(gossip.EnvelopeSchema, encode(gossip.EnvelopeSchema, back)).payload,
    ).to.have.length(2)
    call.end()
  })
})
