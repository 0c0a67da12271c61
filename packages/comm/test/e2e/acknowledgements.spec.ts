import { setMaxListeners } from 'node:events'
import { VirtualClock } from '@heddle/events/testing'
import { create, gossip } from '@heddle/proto'
import { expect } from 'chai'
import { AggregatedSendResult } from '../../src/index.ts'
import { all, createNode, dataMessage, eventually, Inbox, stopNodes } from '../support/nodes.ts'
import type { Node } from '../support/nodes.ts'

const acking = (node: Node, error?: Error): void => {
  node.comm.onMessage(all, (message) => message.ack(error))
}

describe('sendWithAck', function () {
  this.timeout(30_000)
  afterEach(stopNodes)

  it('collects as many acknowledgements as were asked for', async () => {
    const [one, two, three] = await Promise.all([createNode(), createNode(), createNode()])
    acking(two)
    acking(three)
    const inbox = new Inbox(one.comm)
    const options = { timeoutMs: 3000, minAck: 2 }
    const result = await one.comm.sendWithAck(dataMessage(1), options, two.peer, three.peer)
    expect(result.ackCount).to.equal(2)
    expect(result.results.map(({ error }) => error)).to.deep.equal([undefined, undefined])
    expect(inbox.messages, 'acknowledgements reach no subscriber').to.deep.equal([])
  })

  it('returns as soon as there are enough, without the one that never answers', async () => {
    const clock = new VirtualClock()
    const one = await createNode({ clock })
    const [two, three, silent] = await Promise.all([createNode(), createNode(), createNode()])
    acking(two)
    acking(three)
    const result = await one.comm.sendWithAck(
      dataMessage(1),
      { timeoutMs: 10_000, minAck: 2 },
      two.peer,
      three.peer,
      silent.peer,
    )
    expect(result.toString()).to.equal('{"successes":2}')
    await new Promise((resolve) => setImmediate(resolve))
    expect(clock.pending, 'nothing is left but a heartbeat for each connection').to.equal(3)
  })

  it('tells refusals and silence apart', async () => {
    const clock = new VirtualClock()
    const one = await createNode({ clock })
    const [two, three, silent] = await Promise.all([createNode(), createNode(), createNode()])
    acking(two)
    acking(three, new RangeError('not <mine>'))
    const inbox = new Inbox(silent.comm)
    const sent = one.comm.sendWithAck(
      dataMessage(1),
      { timeoutMs: 10_000, minAck: 2 },
      two.peer,
      three.peer,
      silent.peer,
    )
    await inbox.take(1)
    await eventually(() => one.metrics.get('gossip_comm_messages_received') === 2)
    await clock.advance(10_000)
    const result = await sent
    expect(result.results).to.have.length(3)
    expect(result.nackCount).to.equal(2)
    expect(result.toString()).to.equal(
      '{"failures":{"not \\u003cmine\\u003e":1,"timed out":1},"successes":1}',
    )
  })

  it('says why a peer was not sent to, and goes on with the others', async () => {
    const [one, two, gone] = await Promise.all([createNode(), createNode(), createNode()])
    acking(two)
    await gone.comm.stop()
    const options = { timeoutMs: 3000, minAck: 2 }
    const result = await one.comm.sendWithAck(dataMessage(1), options, two.peer, gone.peer)
    expect(result.ackCount).to.equal(1)
    expect(result.results.find(({ peer }) => peer === gone.peer)?.error).to.match(/ECONNREFUSED/)
  })

  it('returns when all are sent to if no acknowledgement is asked for', async () => {
    const [one, silent] = await Promise.all([createNode(), createNode()])
    const inbox = new Inbox(silent.comm)
    const options = { timeoutMs: 60_000, minAck: 0 }
    const result = await one.comm.sendWithAck(dataMessage(1), options, silent.peer)
    expect(result.results).to.deep.equal([])
    await inbox.take(1)
  })

  it('gives the message a nonce of its own and leaves the caller’s alone', async () => {
    const [one, two] = await Promise.all([createNode(), createNode()])
    const inbox = new Inbox(two.comm)
    acking(two)
    const message = dataMessage(1)
    const options = { timeoutMs: 3000, minAck: 1 }
    for (let i = 0; i < 3; i += 1) await one.comm.sendWithAck(message, options, two.peer)
    const nonces = new Set(inbox.messages.map(({ message: { nonce } }) => nonce))
    expect(nonces.size).to.equal(3)
    expect(message.nonce).to.equal(0n)
  })

  it('draws nonces of all 64 bits', async () => {
    const one = await createNode()
    const two = await createNode()
    const inbox = new Inbox(two.comm)
    for (let i = 0; i < 64; i += 1) {
      await one.comm.sendWithAck(dataMessage(i), { timeoutMs: 25_000, minAck: 0 }, two.peer)
    }
    const nonces = (await inbox.take(64)).map(({ message }) => message.nonce)
    expect(new Set(nonces).size).to.equal(64)
    expect(nonces.reduce((bits, nonce) => bits | nonce, 0n)).to.equal(2n ** 64n - 1n)
  })

  it('ends with the reason of its signal', async () => {
    const [one, silent] = await Promise.all([createNode(), createNode()])
    const inbox = new Inbox(silent.comm)
    const controller = new AbortController()
    const options = { timeoutMs: 60_000, minAck: 1, signal: controller.signal }
    const sent = one.comm.sendWithAck(dataMessage(1), options, silent.peer)
    await inbox.take(1)
    const reason = new RangeError('enough')
    controller.abort(reason)
    expect(await sent.catch((error: unknown) => error)).to.equal(reason)
    const again = one.comm.sendWithAck(dataMessage(1), options, silent.peer)
    expect(await again.catch((error: unknown) => error)).to.equal(reason)
  })

  it('says that comm is stopping for every peer', async () => {
    const [one, two, three] = await Promise.all([createNode(), createNode(), createNode()])
    await one.comm.stop()
    const options = { timeoutMs: 3000, minAck: 2 }
    const result = await one.comm.sendWithAck(dataMessage(1), options, two.peer, three.peer)
    expect(result.nackCount).to.equal(2)
    for (const { error } of result.results) expect(error).to.match(/^comm is stopping/)
  })

  it('works both ways at once with a thousand messages under way, nobody acknowledging', async () => {
    const [one, two] = await Promise.all([createNode(), createNode()])
    const inboxes = [new Inbox(one.comm), new Inbox(two.comm)]
    const stop = new AbortController()
    setMaxListeners(0, stop.signal)
    const options = { timeoutMs: 60_000, minAck: 1, signal: stop.signal }
    const sends: Promise<unknown>[] = []
    for (let i = 0; i < 1000; i += 1) {
      sends.push(one.comm.sendWithAck(dataMessage(i), options, two.peer).catch(() => undefined))
      sends.push(two.comm.sendWithAck(dataMessage(i), options, one.peer).catch(() => undefined))
    }
    await Promise.all(inboxes.map((inbox) => inbox.take(1000)))
    stop.abort()
    await Promise.all(sends)
  })

  it('is not misled by an acknowledgement from someone else', async () => {
    const clock = new VirtualClock()
    const one = await createNode({ clock })
    const [silent, liar] = await Promise.all([createNode(), createNode()])
    const inbox = new Inbox(silent.comm)
    const options = { timeoutMs: 1000, minAck: 1 }
    const sent = one.comm.sendWithAck(dataMessage(1), options, silent.peer)
    const [message] = await inbox.take(1)
    const { nonce } = message!.message
    const ack = create(gossip.GossipMessageSchema, { nonce, content: { case: 'ack', value: {} } })
    await liar.comm.push(ack, one.peer)
    await eventually(() => one.metrics.get('gossip_comm_messages_received') === 1)
    await clock.advance(1000)
    expect((await sent).toString()).to.equal('{"failures":{"timed out":1}}')
  })
})

describe('AggregatedSendResult', function () {
  this.timeout(30_000)
  const peer = { endpoint: 'localhost:1' }

  it('prints as Fabric does: texts sorted by bytes and escaped, empty parts left out', () => {
    expect(new AggregatedSendResult([]).toString()).to.equal('{}')
    expect(new AggregatedSendResult([{ peer }, { peer }]).toString()).to.equal('{"successes":2}')
    const failed = ['z', '10', '9', 'é', '&\u2028', 'z'].map((error) => ({ peer, error }))
    expect(new AggregatedSendResult(failed).toString()).to.equal(
      '{"failures":{"\\u0026\\u2028":1,"10":1,"9":1,"z":2,"é":1}}',
    )
  })
})
