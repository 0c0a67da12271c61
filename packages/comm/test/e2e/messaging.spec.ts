import { expect } from 'chai'
import {
  createNode,
  dataMessage,
  eventually,
  Inbox,
  sequenceOf,
  stopNodes,
} from '../support/nodes.ts'

describe('two nodes', function () {
  this.timeout(30_000)
  afterEach(stopNodes)

  it('exchange messages over one connection, in order, both ways', async () => {
    const one = await createNode()
    const two = await createNode()
    const inbox = new Inbox(two.comm)
    const back = new Inbox(one.comm)
    for (let i = 0; i < 10; i += 1) one.comm.send(dataMessage(i), two.peer)
    await inbox.take(10)
    expect(inbox.sequences).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    for (let i = 0; i < 10; i += 1) await two.comm.push(dataMessage(100 + i), one.peer)
    await back.take(10)
    expect(back.sequences[9]).to.equal(109)
    expect(one.comm.connections()).to.deep.equal([two.comm.pkiId])
    expect(two.comm.connections()).to.deep.equal([one.comm.pkiId])
    expect(two.logger.lines.filter(({ event }) => event === 'peer connected')).to.have.length(1)
  })

  it('push and respond as fast as they can without losing any', async () => {
    const one = await createNode()
    const two = await createNode()
    const inbox = new Inbox(one.comm)
    two.comm.onMessage(
      () => true,
      async (message) => message.respond(dataMessage(sequenceOf(message)!)),
    )
    for (let i = 0; i < 2000; i += 1) await one.comm.push(dataMessage(i, 1000), two.peer)
    await inbox.take(2000)
    expect(inbox.sequences).to.deep.equal([...Array(2000).keys()])
  })

  it('acknowledge', async () => {
    const one = await createNode()
    const two = await createNode()
    two.comm.onMessage(
      () => true,
      (message) => message.ack(),
    )
    const result = await one.comm.sendWithAck(
      dataMessage(1),
      { timeoutMs: 3000, minAck: 1 },
      two.peer,
    )
    expect(result.toString()).to.equal('{"successes":1}')
  })

  it('notice when the other stops', async () => {
    const one = await createNode()
    const two = await createNode()
    const inbox = new Inbox(two.comm)
    const dead = one.comm.presumedDead()
    await one.comm.push(dataMessage(1), two.peer)
    await inbox.take(1)
    await two.comm.stop()
    expect((await dead.next()).value).to.deep.equal(two.comm.pkiId)
    await eventually(() => one.comm.connections().length === 0)
  })
})
