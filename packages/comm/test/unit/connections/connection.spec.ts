import { expect } from 'chai'
import { framesPerLook } from '../../../src/connections/connection.ts'
import { encodeMessage } from '../../../src/messages/message.ts'
import { fakeConnection, fakeHost } from '../../support/fakes.ts'
import { dataMessage, sequenceOf } from '../../support/nodes.ts'

const frame = (sequence: number): Buffer => encodeMessage(dataMessage(sequence)).bytes

describe('Connection', () => {
  it('writes until the transport is full, and goes on when it drains', () => {
    const host = fakeHost()
    const { connection, stream } = fakeConnection(host)
    stream.roomy = false
    for (const text of ['a', 'b', 'c']) connection.outgoing.offer(Buffer.from(text))
    expect(stream.written.join()).to.equal('a')
    expect(connection.outgoing.offer(Buffer.from('d'))).to.equal(false)
    stream.roomy = true
    connection.onDrain()
    expect(stream.written.join()).to.equal('a,b,c')
    expect(host.recorded.get('gossip_comm_messages_sent')).to.equal(3)
  })

  it('stops reading while a handler is busy and its queue is full, and keeps the order', async () => {
    const host = fakeHost({ recvBufferSize: 2 })
    const { connection, stream } = fakeConnection(host)
    const handled: (number | undefined)[] = []
    let done: () => void = () => undefined
    host.handle = (message) => {
      handled.push(sequenceOf(message))
      return new Promise<void>((resolve) => {
        done = resolve
      })
    }
    const finishOne = async (): Promise<void> => {
      done()
      await new Promise((resolve) => setImmediate(resolve))
    }
    connection.onFrame(frame(1))
    connection.onFrame(frame(2))
    expect(stream.paused).to.equal(false)
    connection.onFrame(frame(3))
    expect(stream.paused).to.equal(true)
    expect(handled).to.deep.equal([1])
    await finishOne()
    expect(handled).to.deep.equal([1, 2])
    expect(stream.paused).to.equal(true)
    await finishOne()
    expect(stream.paused).to.equal(false)
    await finishOne()
    connection.onFrame(frame(4))
    expect(handled).to.deep.equal([1, 2, 3, 4])
  })

  it('stops reading when the bytes it keeps reach the largest message', () => {
    const host = fakeHost({ recvBufferSize: 100, maxMessageBytes: 200 })
    const { connection, stream } = fakeConnection(host)
    host.handle = () => new Promise(() => undefined)
    connection.onFrame(frame(1))
    const large = encodeMessage(dataMessage(2, 100)).bytes
    connection.onFrame(large)
    expect(stream.paused).to.equal(false)
    connection.onFrame(large)
    expect(stream.paused).to.equal(true)
  })

  it('counts an undecodable frame as received, and ends the stream with the reason', () => {
    const host = fakeHost()
    const { connection, stream } = fakeConnection(host)
    let handled = 0
    host.handle = () => {
      handled += 1
      return undefined
    }
    connection.onFrame(Buffer.from('0a03ffffff', 'hex'))
    connection.onFrame(frame(1))
    expect(host.ends.map(({ endedBy }) => endedBy)).to.deep.equal(['them'])
    expect(stream.aborted).to.match(/^Failed unmarshalling GossipMessage from envelope: /)
    expect(host.over).to.deep.equal([connection])
    expect(handled).to.equal(0)
    expect(host.recorded.get('gossip_comm_messages_received')).to.equal(2)
  })

  it('writes what is queued before it ends the stream gently', () => {
    const { connection, stream } = fakeConnection(fakeHost())
    stream.roomy = false
    connection.outgoing.offer(Buffer.from('a'))
    connection.outgoing.offer(Buffer.from('b'))
    connection.finish()
    expect(connection.open).to.equal(false)
    expect(stream.finished).to.equal(false)
    stream.roomy = true
    connection.onDrain()
    expect(stream.written.join()).to.equal('a,b')
    expect(stream.finished).to.equal(true)
  })

  it('releases a push that waits when it closes, and closes once', async () => {
    const host = fakeHost()
    const { connection, stream } = fakeConnection(host)
    stream.roomy = false
    for (const text of ['a', 'b', 'c']) connection.outgoing.offer(Buffer.from(text))
    const push = connection.outgoing.push(Buffer.from('d')).catch((error: unknown) => error)
    connection.close()
    connection.close()
    connection.onOver({ reason: 'again' })
    expect(await push).to.have.property('code', 'COMM_CLOSED')
    expect(host.over).to.deep.equal([connection])
    expect(host.recorded.get('gossip_comm_undeliverable_total')).to.equal(2)
  })

  it('tells who ended it: a stop of ours is no fault of the other side, whatever the transport says', async () => {
    const cases: [string, (made: ReturnType<typeof fakeConnection>) => void, object][] = [
      [
        'close',
        ({ connection }) => connection.close('closed'),
        { endedBy: 'us', reason: 'closed' },
      ],
      [
        'finish',
        ({ connection }) => {
          connection.finish('shutting down')
          connection.onOver({ reason: 'the remote side cancelled the stream' })
        },
        { endedBy: 'us', reason: 'shutting down' },
      ],
      [
        'their end',
        ({ connection }) => connection.onOver({ reason: 'reset' }),
        { endedBy: 'them', reason: 'reset' },
      ],
      [
        'their gentle end',
        ({ connection }) => {
          connection.onRemoteDone()
          connection.onOver({ reason: undefined })
        },
        { endedBy: 'them', reason: undefined },
      ],
    ]
    for (const [what, end, expected] of cases) {
      const host = fakeHost()
      const made = fakeConnection(host, { dialled: false })
      made.stream.roomy = false
      for (const text of ['a', 'b', 'c']) made.connection.outgoing.offer(Buffer.from(text))
      const push = made.connection.outgoing.push(Buffer.from('d')).catch((error: unknown) => error)
      end(made)
      expect(host.ends, what).to.deep.equal([expected])
      const { reason = 'the remote side ended the stream' } = expected as { reason?: string }
      expect(((await push) as Error).message, what).to.equal(`connection to 127.0.0.1:1: ${reason}`)
    }
  })

  it('is ended by us when the peer that dialled has sent its last frame', () => {
    const accepted = fakeConnection(fakeHost(), { dialled: false })
    accepted.connection.onRemoteDone()
    expect(accepted.stream.finished).to.equal(true)
  })
})

describe('Connection: what its peer may cost', () => {
  const send = (connection: { onFrame(bytes: Buffer): void }, frames: number): void => {
    for (let i = 0; i < frames; i++) connection.onFrame(frame(i))
  }

  it('reads the burst, and stops reading for as long as what is beyond it takes to come back', async () => {
    const host = fakeHost()
    const { connection, stream } = fakeConnection(host)
    send(connection, 2 * framesPerLook)
    expect(stream.paused).to.equal(false)
    send(connection, framesPerLook) // which takes 640 ms
    expect(stream.paused).to.equal(true)
    await host.clock.advance(10 * framesPerLook - 1)
    expect(stream.paused).to.equal(true)
    await host.clock.advance(1)
    expect(stream.paused).to.equal(false)
    expect(host.floods).to.have.length(0)
  })

  it('reads on only when neither its queue nor its budget is overdrawn', async () => {
    const host = fakeHost({ recvBufferSize: 1 })
    const { connection, stream } = fakeConnection(host)
    send(connection, 3 * framesPerLook - 2)
    let done: () => void = () => undefined
    host.handle = () => new Promise<void>((resolve) => (done = resolve))
    send(connection, 2)
    host.handle = () => undefined
    await host.clock.advance(10 * framesPerLook)
    expect(stream.paused, 'a handler is busy').to.equal(true)
    done()
    await new Promise((resolve) => setImmediate(resolve))
    expect(stream.paused).to.equal(false)
  })

  it('tells of a peer that was not read for as long as allowed, and goes on; it leaves no timer', () => {
    const host = fakeHost()
    const { connection } = fakeConnection(host)
    send(connection, 3 * framesPerLook) // 640 ms
    expect(host.floods).to.have.length(0)
    send(connection, framesPerLook) // 1280 ms more
    expect(host.floods).to.deep.equal([connection.info])
    connection.close()
    expect(host.clock.pending).to.equal(0)
  })
})
