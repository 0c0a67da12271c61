import { connect, Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { VirtualClock } from '@heddle/events/testing'
import { expect } from 'chai'
import { addressOf } from '../../src/index.ts'
import {
  call,
  clientOf,
  closePorts,
  eventually,
  openPort,
  organizations,
  streamPath,
} from '../support/ports.ts'
import type { OpenPort } from '../support/ports.ts'

const asIs = (bytes: Buffer): Buffer => bytes

const ended = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on('error', () => undefined).on('close', () => resolve())
    socket.resume()
  })

/** Connections that have not said anything, to TCP and inside of TLS. */
async function silent({ number }: OpenPort): Promise<readonly Socket[]> {
  const { ours } = await organizations()
  const tcp = connect(number, 'localhost')
  const tls = connectTls({
    ...{ port: number, host: 'localhost', ca: ours.tlsCa.certificate, ALPNProtocols: ['h2'] },
  })
  await new Promise<void>((resolve) => tls.once('secureConnect', resolve))
  return [tcp, tls]
}

describe('a connection that is not settled', () => {
  afterEach(closePorts)

  const reasonsOf = (port: OpenPort): unknown[] =>
    port
      .refusals(/./)
      .map(({ fields }) => fields['reason'])
      .sort()

  it('is cut when setupTimeoutMs have passed, at whatever step; HTTP/2 settles it', async () => {
    const clock = new VirtualClock()
    const port = await openPort({ clock, setupTimeoutMs: 5000 })
    const sockets = await silent(port)
    const client = await clientOf(port)
    expect(await call(client)).to.equal(0)
    const ends = sockets.map(ended)
    await clock.advance(4999)
    expect(reasonsOf(port)).to.deep.equal([])
    await clock.advance(1)
    await Promise.all(ends)
    expect(reasonsOf(port)).to.deep.equal(['no HTTP/2 within 5000 ms', 'no TLS within 5000 ms'])
    expect(await call(client)).to.equal(0)
    client.close()
  })

  it('is settled by whoever knows, and has its time again when that is over', async () => {
    const clock = new VirtualClock()
    const port = await openPort({ clock, setupTimeoutMs: 5000, settled: 'never' })
    const client = await clientOf(port, 'client')
    const stream = client.makeBidiStreamRequest(streamPath, asIs, asIs)
    const over = new Promise((resolve) => stream.on('status', resolve))
    stream.on('error', () => undefined)
    await eventually(() => port.streams.length === 1)
    const address = port.streams[0]!.getPeer()
    port.port.settle(address)
    await clock.advance(60_000)
    port.port.unsettle(address)
    await clock.advance(4999)
    expect(reasonsOf(port)).to.deep.equal([])
    await clock.advance(1)
    await over
    expect(reasonsOf(port)).to.deep.equal(['no authentication within 5000 ms'])
    client.close()
  })

  it('says no more when its end was told before', async () => {
    const clock = new VirtualClock()
    const port = await openPort({ clock, setupTimeoutMs: 5000, settled: 'never' })
    const client = await clientOf(port, 'client')
    expect(await call(client)).to.equal(0)
    const stream = client.makeBidiStreamRequest(streamPath, asIs, asIs)
    const over = new Promise((resolve) => stream.on('status', resolve))
    stream.on('error', () => undefined)
    await eventually(() => port.streams.length === 1)
    port.port.refused(port.streams[0]!.getPeer(), 'handshake refused', { reason: 'a liar' })
    await clock.advance(5000)
    await over
    expect(reasonsOf(port)).to.deep.equal(['a liar'])
    client.close()
  })
})

describe('a port that closes', () => {
  afterEach(closePorts)

  it('takes nobody more, lets calls go on, and cuts the rest', async () => {
    const port = await openPort()
    const client = await clientOf(port, 'client')
    const stream = client.makeBidiStreamRequest(streamPath, asIs, asIs)
    const over = new Promise((resolve) => stream.on('status', resolve))
    stream.on('error', () => undefined)
    await eventually(() => port.streams.length === 1)
    const ends = (await silent(port)).map(ended)
    port.port.refuseNew()
    await Promise.all(ends)
    const late = connect(port.number, 'localhost')
    const refused = new Promise<string>((resolve) =>
      late.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code))),
    )
    expect(await refused).to.equal('ECONNREFUSED')
    expect(await call(client), 'a call goes on').to.equal(0)
    const empty = port.port.whenEmpty()
    await port.port.cut()
    await Promise.all([empty, over])
    expect(port.refusals(/./)).to.deep.equal([])
    client.close()
  })
})

describe('the address of an end', () => {
  it('says so when there is none any more', () => {
    expect(addressOf(new Socket())).to.equal('unknown:0')
  })
})
