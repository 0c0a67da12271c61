import { VirtualClock } from '@heddle/events/testing'
import { RecordingLogger } from '@heddle/interface/testing'
import { expect } from 'chai'
import type { Connection } from '../../../src/connections/connection.ts'
import { Destinations, maxDialing, maxNames } from '../../../src/connections/destinations.ts'
import { CommError } from '../../../src/errors.ts'
import { hexOf } from '../../../src/hex.ts'
import { RepeatedLines } from '../../../src/repeated-lines.ts'
import type { RemotePeer } from '../../../src/index.ts'
import { fakeConnection, fakeHost } from '../../support/fakes.ts'

const peer = { endpoint: 'localhost:1', pkiId: Uint8Array.of(7) }
const key = hexOf(peer.pkiId)

describe('Destinations', () => {
  let clock: VirtualClock
  let logger: RecordingLogger
  let dials: number[]
  let unreachable: number
  let living: Map<string, Connection>
  let outcome: (peer: RemotePeer) => Promise<Connection>
  let destinations: Destinations

  const refuse = (): Promise<Connection> =>
    Promise.reject(new CommError('COMM_UNREACHABLE', 'nobody'))
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const push = async (to: RemotePeer = peer): Promise<unknown> => {
    const outcome = destinations
      .queue(to)
      .push(Buffer.from('a'))
      .then(
        () => 'sent',
        (error: unknown) => (error as CommError).code,
      )
    await settled()
    return outcome
  }
  const connect = (dialled = true): Connection => {
    const { connection } = fakeConnection(fakeHost(), { dialled })
    living.set(key, connection)
    return connection
  }

  beforeEach(() => {
    clock = new VirtualClock()
    logger = new RecordingLogger()
    dials = []
    unreachable = 0
    living = new Map()
    outcome = refuse
    const host = fakeHost()
    destinations = new Destinations({
      ...host,
      clock,
      lines: new RepeatedLines(clock, logger),
      redialDelayMs: 100,
      maxRedialDelayMs: 1000,
      connection: (name) => (name === undefined ? undefined : living.get(name)),
      connect: (to) => {
        dials.push(clock.now())
        return outcome(to)
      },
      onUnreachable: () => (unreachable += 1),
    })
  })

  /** Sends every 50 ms. */
  const keepSending = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 50) {
      await push()
      await clock.advance(50)
    }
  }

  it('waits twice as long after each failure in a row, up to maxRedialDelayMs', async () => {
    await keepSending(5000)
    expect(dials).to.deep.equal([0, 100, 300, 700, 1500, 2500, 3500, 4500])
    expect(clock.pending, 'no timer for it').to.equal(0)
  })

  it('writes one line a minute about a peer that cannot be reached, however often it is tried', async () => {
    await keepSending(119_000)
    const lines = logger.lines.filter(({ event }) => event === 'cannot connect')
    expect(lines.map(({ fields }) => fields['failures'])).to.deep.equal([1, 64])
    expect(lines[1]?.fields['notLogged']).to.equal(62)
    expect(unreachable).to.be.greaterThan(100)
  })

  it('begins anew when the peer has dialled us, or was connected', async () => {
    await keepSending(1500)
    destinations.onConnected(connect(false))
    living.clear()
    dials = []
    await keepSending(300)
    expect(dials.map((at) => at - 1500)).to.deep.equal([0, 100])
    outcome = () => Promise.resolve(connect())
    await clock.advance(1000)
    expect(await push()).to.equal('sent')
    living.clear()
    destinations.onLost(key, undefined)
    outcome = refuse
    const since = clock.now()
    dials = []
    await keepSending(300)
    expect(dials.map((at) => at - since)).to.deep.equal([0, 100])
  })

  it('takes a connection that the peer ended at once for a dial that failed', async () => {
    outcome = () => Promise.resolve(connect())
    dials = []
    for (let i = 0; i < 100; i += 1) {
      if ((await push()) === 'sent') {
        living.clear()
        destinations.onLost(key, new CommError('COMM_REFUSED_BY_PEER', 'no'))
      }
      await clock.advance(50)
    }
    expect(dials).to.deep.equal([0, 100, 300, 700, 1500, 2500, 3500, 4500])
    expect(await push({ endpoint: peer.endpoint }), 'by endpoint as well').to.equal(
      'COMM_REFUSED_BY_PEER',
    )
  })

  it('finds a connection by PKI-ID, by the endpoint dialled, and by every name that led to it', async () => {
    outcome = () => Promise.resolve(living.get(key) ?? connect())
    const other = { endpoint: 'elsewhere:1', pkiId: Uint8Array.of(9) }
    const names = [peer, { endpoint: peer.endpoint }, other, { endpoint: other.endpoint }]
    for (const name of names) expect(await push(name)).to.equal('sent')
    expect(dials, 'one for the first, one for another name').to.have.length(2)
    const first = living.get(key)
    connect()
    expect(await destinations.connection(other), 'also when it was replaced').not.to.equal(first)
    expect(dials).to.have.length(2)
    living.clear()
    destinations.onLost(key, undefined)
    for (const name of names) await push(name)
    expect(dials).to.have.length(4)
  })

  it('dials maxDialing at a time: of those that failed the oldest gives way, of the others none', async () => {
    const at = (i: number): RemotePeer => ({ endpoint: `localhost:${i}` })
    await push(at(0))
    outcome = () => new Promise(() => undefined)
    for (let i = 1; i <= maxDialing; i += 1) destinations.queue(at(i))
    expect(dials).to.have.length(maxDialing + 1)
    expect(await push(at(maxDialing + 1))).to.equal('COMM_QUEUE_FULL')
    expect(dials).to.have.length(maxDialing + 1)
  })

  it('remembers maxNames of the connections that there are; the oldest is dialled again', async () => {
    const at = (i: number): RemotePeer => ({ endpoint: `localhost:${i}` })
    const connection = connect()
    outcome = () => Promise.resolve(connection)
    const reach = async (i: number): Promise<number> => {
      await destinations.connection(at(i))
      return dials.length
    }
    for (let i = 0; i < maxNames; i += 1) expect(await reach(i)).to.equal(i + 1)
    expect(await reach(0), 'known').to.equal(maxNames)
    expect(await reach(maxNames), 'one more').to.equal(maxNames + 1)
    expect(await reach(1), 'not the oldest').to.equal(maxNames + 1)
    expect(await reach(0), 'forgotten').to.equal(maxNames + 2)
  })
})
