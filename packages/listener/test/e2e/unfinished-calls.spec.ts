import { status } from '@grpc/grpc-js'
import type { ServerInterceptingCall, ServerInterceptor } from '@grpc/grpc-js'
import { expect } from 'chai'
import { boundIncoming, UnfinishedMessages } from '../../src/index.ts'
import type { GrpcPort } from '../../src/index.ts'
import { clientOf, closePorts, eventually, openPort, streamPath } from '../support/ports.ts'

const asIs = (bytes: Buffer): Buffer => bytes

/** The first message of a call may have so many bytes until it is whole, later ones more. */
const [maxFirst, maxLater] = [2_000, 50_000]

const bounding = (port: GrpcPort): ServerInterceptor[] => {
  const accounts = {
    first: { of: new UnfinishedMessages({ maxBytesEach: maxFirst, maxBytes: 1e6 }), sender: 'all' },
    others: {
      of: new UnfinishedMessages({ maxBytesEach: maxLater, maxBytes: 1e6 }),
      sender: 'all',
    },
  }
  return [
    (_method, call) => {
      boundIncoming(call, accounts, (reason) =>
        port.refused(call.getPeer(), 'call refused', { reason }),
      )
      // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- grpc-js wants no more than the interface
      return call as ServerInterceptingCall
    },
  ]
}

describe('a call whose messages are bounded until they are whole', () => {
  afterEach(closePorts)

  it('has one bound for its first message and another for those that follow', async () => {
    const port = await openPort({ interceptors: bounding, maxMessageBytes: 1e6 })
    const client = await clientOf(port, 'client')
    const stream = client.makeBidiStreamRequest(streamPath, asIs, asIs)
    const over = new Promise<status>((resolve) => stream.on('status', ({ code }) => resolve(code)))
    stream.on('error', () => undefined)
    await eventually(() => port.streams.length === 1)
    let received = 0
    port.streams[0]!.on('data', () => (received += 1))
    stream.write(Buffer.alloc(100))
    stream.write(Buffer.alloc(10 * maxFirst))
    await eventually(() => received === 2)
    expect(port.refusals(/./)).to.deep.equal([])
    stream.write(Buffer.alloc(20 * maxLater))
    expect(await over).to.not.equal(status.OK)
    const reason = `incomplete messages of this sender hold more than ${maxLater} bytes`
    expect(port.refusals(reason)).to.have.length(1)
    client.close()
  })

  it('is reset when its first message is too long', async () => {
    const port = await openPort({ interceptors: bounding, maxMessageBytes: 1e6 })
    const client = await clientOf(port, 'client')
    const stream = client.makeBidiStreamRequest(streamPath, asIs, asIs)
    const over = new Promise<status>((resolve) => stream.on('status', ({ code }) => resolve(code)))
    stream.on('error', () => undefined)
    stream.write(Buffer.alloc(100 * maxFirst))
    expect(await over).to.not.equal(status.OK)
    expect(port.refusals(/hold more than 2000 bytes$/)).to.have.length(1)
    client.close()
  })
})
