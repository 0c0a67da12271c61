import { EventEmitter } from 'node:events'
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import {
  ClientCosts,
  clientCosts,
  organizationCosts,
  penaltySeconds,
  sweepMs,
} from '../../src/client-costs.ts'

/** A connection as Node shows it, with no more than is looked at. */
class FakeConnection {
  readonly session = Object.assign(new EventEmitter(), { destroyed: false, state: {} })
  bytesRead = 3000
  cuts = 0

  follow(costs: ClientCosts, client: string, organization = client): this {
    const caller = { client, organization }
    costs.follow(this.session as unknown as ServerHttp2Session, caller, this as unknown as Socket)
    return this
  }

  /** A call that has begun. */
  call(costs: ClientCosts): EventEmitter {
    const stream = Object.assign(new EventEmitter(), { session: this.session })
    this.session.emit('stream', stream, { ':path': '/test.Test/Stream' })
    costs.countMessages(stream as unknown as ServerHttp2Stream)
    return stream
  }

  destroy(): void {
    this.cuts += 1
    this.session.emit('close')
  }
}

describe('ClientCosts', () => {
  let clock: VirtualClock
  let told: string[]
  let costs: ClientCosts
  beforeEach(() => {
    clock = new VirtualClock()
    told = []
    costs = new ClientCosts(clock, (client, cost) => told.push(`${client} ${cost}`))
  })
  const open = (client = 'client', organization = client): FakeConnection =>
    new FakeConnection().follow(costs, client, organization)

  it('cuts the connection of a session that was destroyed and does not close, not before a sweep', async () => {
    const connection = open()
    await clock.advance(10 * sweepMs)
    connection.session.destroyed = true
    await clock.advance(sweepMs)
    expect(connection.cuts, 'it may be sending why').to.equal(0)
    await clock.advance(sweepMs)
    expect(connection.cuts).to.equal(1)
    expect(clock.pending, 'no timer is left').to.equal(0)
  })

  it('lets a client have its bytes that are not messages, over all its connections, and no byte more', async () => {
    const { perSecond, burst } = clientCosts.control
    const [first, second] = [open(), open()]
    first.bytesRead += burst - 1000
    second.bytesRead += 1000
    await clock.advance(sweepMs)
    second.bytesRead += perSecond
    await clock.advance(sweepMs)
    expect(told, 'at the bound').to.deep.equal([])
    expect(costs.overdrawn('client')).to.equal(undefined)
    first.bytesRead += perSecond + 1
    await clock.advance(sweepMs)
    expect(told).to.deep.equal(['client control'])
    expect(costs.overdrawn('client')).to.equal('control')
    expect(costs.overdrawn('another')).to.equal(undefined)
    await clock.advance(penaltySeconds * 1000)
    expect(costs.overdrawn('client'), 'so long, and what was too much').to.equal('control')
    await clock.advance(1)
    expect(costs.overdrawn('client')).to.equal(undefined)
  })

  it('does not count messages and headers of calls among these bytes, however many come', async () => {
    const connection = open()
    const part = Buffer.alloc(16_384)
    for (let second = 0; second < 100; second += 1) {
      const stream = connection.call(costs)
      connection.bytesRead += 60
      for (let parts = 0; parts < 10_000; parts += 1) {
        connection.bytesRead += 9 + part.length + 22
        stream.emit('data', part)
      }
      await clock.advance(sweepMs)
    }
    expect(told).to.deep.equal([])
  })

  it('counts once what has come of messages and is handed over later', async () => {
    const connection = open()
    const stream = connection.call(costs)
    const waiting = clientCosts.control.burst / 2
    for (let round = 0; round < 10; round += 1) {
      connection.bytesRead += waiting
      await clock.advance(sweepMs)
      stream.emit('data', Buffer.alloc(waiting))
    }
    expect(told).to.deep.equal([])
  })

  it('lets the messages of a client come in so many parts, and not in one more', async () => {
    const { perSecond, burst } = clientCosts.parts
    const streams = [open(), open()].map((connection) => connection.call(costs))
    const come = (parts: number): void => {
      for (let index = 0; index < parts; index += 1)
        streams[index % streams.length]?.emit('data', Buffer.alloc(1))
    }
    come(burst)
    await clock.advance(sweepMs)
    come(perSecond)
    await clock.advance(sweepMs)
    expect(told, 'at the bound').to.deep.equal([])
    come(perSecond + 1)
    await clock.advance(sweepMs)
    expect(told).to.deep.equal(['client parts'])
    expect(costs.overdrawn('client')).to.equal('parts')
  })

  it('lets the clients of an organisation have its limit together, and holds back whoever goes on', async () => {
    const { burst } = organizationCosts.control
    const names = ['one', 'two', 'three', 'four']
    const connections = names.map((name) => open(name, 'organisation'))
    const [quiet, foreign] = [open('quiet', 'organisation'), open('foreign', 'another')]
    for (const connection of connections) connection.bytesRead += burst / names.length
    await clock.advance(sweepMs)
    expect(told, 'at the bound').to.deep.equal([])
    const { perSecond } = organizationCosts.control
    connections[0]!.bytesRead += perSecond
    await clock.advance(sweepMs)
    expect(told, 'what has come back').to.deep.equal([])
    connections[1]!.bytesRead += perSecond + 1
    foreign.bytesRead += 1
    await clock.advance(sweepMs)
    expect(told, 'who exceeds it').to.deep.equal(['two control'])
    expect(costs.overdrawn('two')).to.equal('control')
    for (const name of ['one', 'three', 'four', 'quiet', 'foreign'])
      expect(costs.overdrawn(name), name).to.equal(undefined)
    connections[2]!.bytesRead += perSecond + 1
    await clock.advance(sweepMs)
    expect(told, 'who goes on').to.deep.equal(['two control', 'three control'])
    quiet.bytesRead += 1
    await clock.advance(sweepMs)
    expect(costs.overdrawn('quiet'), 'when it has come back').to.equal(undefined)
  })

  it('lets fail as many calls of an organisation as of one client', async () => {
    const fail = (connection: FakeConnection): void => {
      const stream = Object.assign(connection.call(costs), { rstCode: 8 })
      stream.emit('close')
    }
    const connections = Array.from({ length: 10 }, (_, at) => open(`client ${at}`, 'organisation'))
    for (let call = 0; call < organizationCosts.failures.burst; call++)
      fail(connections[call % connections.length]!)
    expect(told, 'at the bound').to.deep.equal([])
    fail(connections[3]!)
    expect(told).to.deep.equal(['client 3 failures'])
    fail(open('foreign', 'another'))
    expect(told).to.have.length(1)
    await clock.advance(
      (organizationCosts.failures.burst / organizationCosts.failures.perSecond) * 1000,
    )
    fail(connections[4]!)
    expect(told).to.have.length(1)
  })
})
