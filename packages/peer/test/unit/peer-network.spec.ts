import { expect } from 'chai'
import { createHash } from 'node:crypto'
import { MemoryNetwork } from '@heddle/comm/testing'
import { VirtualClock } from '@heddle/events/testing'
import { isCodedError } from '@heddle/interface'
import { pkiIdOf } from '@heddle/msp'
import { create, encode, gossip, heddle } from '@heddle/proto'
import { PeerNetwork } from '../../src/index.ts'
import { certificateHolder } from '../../src/node/certificate-holder.ts'
import { otherMessages, wrongSignatures } from '../../src/node/peer-network.ts'
import { createMetrics } from '../../src/operations/metrics.ts'
import { channelId, testMembers } from '../support/channel.ts'
import { eventually } from '../support/eventually.ts'
import { startNode } from '../support/nodes.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import type { Comm, EncodedMessage, RemotePeer } from '@heddle/comm'
import type { PrometheusMetrics } from '../../src/operations/metrics.ts'
import type { PeerAddress } from '../../src/index.ts'

type Arrival = readonly ['consensus' | 'blockSignature' | 'rulesOffer', from: number, text: string]

/** Collects what a network hands over. */
function listen(network: PeerNetwork): Arrival[] {
  const arrivals: Arrival[] = []
  const taker =
    (kind: Arrival[0]) =>
    (from: number, bytes: Uint8Array): undefined => {
      arrivals.push([kind, from, Buffer.from(bytes).toString()])
      return undefined
    }
  network.listen({
    consensus: taker('consensus'),
    blockSignature: taker('blockSignature'),
    rulesOffer: taker('rulesOffer'),
  })
  return arrivals
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function peerMessage(body: heddle.PeerMessage['body']): Uint8Array {
  return encode(heddle.PeerMessageSchema, create(heddle.PeerMessageSchema, { body }))
}

function consensusMessage(text: string): Uint8Array {
  return peerMessage({ case: 'consensus', value: Buffer.from(text) })
}

/** What a validator sends, but for what `change` makes of it. */
function dataMessage(data: Uint8Array | undefined, channel = channelId): gossip.GossipMessage {
  return create(gossip.GossipMessageSchema, {
    channel: Buffer.from(channel),
    tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
    content: { case: 'dataMsg', value: data === undefined ? {} : { payload: { data } } },
  })
}

describe('PeerNetwork', () => {
  describe('of four validators and a stranger', () => {
    let comms: Comm[]
    let addresses: PeerAddress[]
    let networks: PeerNetwork[]
    let stranger: Comm
    let logger: RecordingLogger
    let metrics: PrometheusMetrics

    beforeEach(async () => {
      const memory = new MemoryNetwork()
      const node = async (name: string): Promise<Comm> => {
        const identity = Buffer.from(name)
        const pkiId = createHash('sha256').update(identity).digest()
        const comm = memory.create({ identity, pkiId })
        await comm.start()
        return comm
      }
      comms = []
      for (let replica = 0; replica < 4; replica += 1) comms.push(await node(`v${replica}`))
      stranger = await node('stranger')
      addresses = comms.map(({ address, pkiId }, replica) => ({
        replica,
        endpoint: address,
        pkiId,
      }))
      logger = new RecordingLogger()
      metrics = createMetrics()
      networks = comms.map(
        (comm, self) =>
          new PeerNetwork({
            comm,
            channelId,
            peers: addresses.filter(({ replica }) => replica !== self),
            ...(self === 0 && { logger, metrics }),
          }),
      )
    })
    afterEach(async () => {
      for (const comm of [...comms, stranger]) await comm.stop()
    })

    const toZero = (): RemotePeer => ({ endpoint: addresses[0]!.endpoint })
    const refused = async (): Promise<number> => {
      const found = /heddle_peer_messages_refused_total (\d+)/.exec(await metrics.text())
      return Number(found?.[1] ?? 0)
    }
    const reasons = (): unknown[] =>
      logger.lines
        .filter(({ event }) => event === 'peer message refused')
        .map(({ fields }) => fields['reason'])

    it('numbers replicas from 0 for the consensus, and from 1 for block signatures', async () => {
      const arrivals = listen(networks[0]!)
      await networks[2]!.consensus.send(0, Buffer.from('vote'))
      networks[3]!.blockSignatures.send(1, Buffer.from('signature'))
      networks[1]!.blockSignatures.broadcast(Buffer.from('to all'))
      networks[3]!.offerRules(Buffer.from('offer'))
      await nextTurn()
      expect(arrivals).to.deep.equal([
        ['consensus', 2, 'vote'],
        ['blockSignature', 4, 'signature'],
        ['blockSignature', 2, 'to all'],
        ['rulesOffer', 3, 'offer'],
      ])
    })

    it('sends a broadcast to all others, once, and not to itself', async () => {
      const arrivals = networks.map(listen)
      networks[1]!.blockSignatures.broadcast(Buffer.from('x'))
      await nextTurn()
      const one = [['blockSignature', 2, 'x']]
      expect(arrivals).to.deep.equal([one, [], one, one])
    })

    it('tells one body from the other, though the bytes are the same', async () => {
      const arrivals = listen(networks[0]!)
      const bytes = Buffer.from('same')
      await networks[1]!.consensus.send(0, bytes)
      networks[1]!.blockSignatures.send(1, bytes)
      await networks[1]!.consensus.send(0, bytes)
      await nextTurn()
      expect(arrivals.map(([kind]) => kind)).to.deep.equal([
        'consensus',
        'blockSignature',
        'consensus',
      ])
    })

    it('drops what is for itself or for a validator that there is not', async () => {
      const arrivals = networks.map(listen)
      for (const to of [0, 4, -1, 0.5, Number.NaN]) {
        await networks[0]!.consensus.send(to, Buffer.from('x'))
        networks[0]!.blockSignatures.send(to + 1, Buffer.from('x'))
      }
      await nextTurn()
      expect(arrivals).to.deep.equal([[], [], [], []])
    })

    it('refuses the messages of a stranger, and says so', async () => {
      const arrivals = listen(networks[0]!)
      await stranger.push(dataMessage(consensusMessage('vote')), toZero())
      await nextTurn()
      expect(arrivals).to.deep.equal([])
      expect(await refused()).to.equal(1)
      expect(reasons()).to.deep.equal(['not a validator'])
      expect(logger.lines.map(({ level }) => level)).to.deep.equal(['debug'])
    })

    it('takes a message for that of the validator that the connection proves', async () => {
      const arrivals = listen(networks[0]!)
      // Validator 3 passes on what is word for word the message of validator 1.
      const message = dataMessage(consensusMessage('vote of 1'))
      await comms[1]!.push(message, toZero())
      await comms[3]!.push(message, toZero())
      await nextTurn()
      expect(arrivals).to.deep.equal([
        ['consensus', 1, 'vote of 1'],
        ['consensus', 3, 'vote of 1'],
      ])
    })

    it('does not take its own messages for those of another', async () => {
      const arrivals = listen(networks[0]!)
      await comms[0]!.push(dataMessage(consensusMessage('mine')), toZero())
      await nextTurn()
      expect(arrivals).to.deep.equal([])
      expect(reasons()).to.deep.equal(['not a validator'])
    })

    it('leaves the messages of other channels alone', async () => {
      const arrivals = listen(networks[0]!)
      for (const channel of ['', 'other', `${channelId}x`, channelId.slice(1)]) {
        await comms[1]!.push(dataMessage(consensusMessage('vote'), channel), toZero())
      }
      await nextTurn()
      expect(arrivals).to.deep.equal([])
      expect(await refused()).to.equal(0)
    })

    it('refuses what is no message of a validator, and goes on', async () => {
      const arrivals = listen(networks[0]!)
      const messages = [
        create(gossip.GossipMessageSchema, {
          channel: Buffer.from(channelId),
          content: { case: 'empty', value: {} },
        }),
        create(gossip.GossipMessageSchema, { channel: Buffer.from(channelId) }),
        dataMessage(undefined),
        dataMessage(Buffer.alloc(0)),
        // A body that a later version may send: field 100.
        dataMessage(Buffer.from('a20601ff', 'hex')),
        dataMessage(Buffer.from('ff', 'hex')),
        dataMessage(Buffer.from('0a7f00', 'hex')),
      ]
      for (const message of messages) await comms[1]!.push(message, toZero())
      await networks[1]!.consensus.send(0, Buffer.from('vote'))
      await nextTurn()
      expect(arrivals).to.deep.equal([['consensus', 1, 'vote']])
      expect(await refused()).to.equal(messages.length)
      expect(reasons().slice(0, 5)).to.deep.equal([
        'not a data message',
        'not a data message',
        'no handler for this unknown message',
        'no handler for this unknown message',
        'no handler for this unknown message',
      ])
    })

    it('refuses block signatures and offers when nobody takes them, and says so', async () => {
      const taken: string[] = []
      networks[0]!.listen({ consensus: (_from, bytes) => void taken.push(bytes.toString()) })
      networks[1]!.blockSignatures.send(1, Buffer.from('signature'))
      networks[1]!.offerRules(Buffer.from('offer'))
      await networks[1]!.consensus.send(0, Buffer.from('vote'))
      await nextTurn()
      expect(taken).to.have.length(1)
      expect(await refused()).to.equal(2)
      expect(reasons()).to.deep.equal([
        'no handler for blockSignature',
        'no handler for rulesOffer',
      ])
    })

    it('tells all others the time, and refuses it when nobody takes it', async () => {
      const taken: [number, string][] = []
      networks[2]!.listen({
        consensus: () => undefined,
        wallTime: (from, bytes) => void taken.push([from, Buffer.from(bytes).toString()]),
      })
      networks[0]!.listen({ consensus: () => undefined })
      networks[1]!.tellTime(Buffer.from('noon'))
      await nextTurn()
      expect(taken).to.deep.equal([[1, 'noon']])
      expect(reasons()).to.deep.equal(['no handler for wallTime'])
    })

    it('holds back a validator as the consensus asks, and one that sends too much beside that', async () => {
      const taken: string[] = []
      let release: () => void = () => undefined
      const held = new Promise<void>((resolve) => (release = resolve))
      const answers: unknown[] = []
      const spy = comms[0]!
      const onMessage = spy.onMessage.bind(spy)
      spy.onMessage = (predicate, handler) =>
        onMessage(predicate, (message) => {
          const answer = handler(message)
          answers.push(answer)
          return answer
        })
      const [first, ...peers] = addresses
      expect(first?.replica).to.equal(0)
      // Nothing comes back while the clock stands.
      const network = new PeerNetwork({ comm: spy, channelId, peers, clock: new VirtualClock() })
      network.listen({
        consensus: (_from, bytes) => {
          taken.push(Buffer.from(bytes).toString())
          return held
        },
        wallTime: () => undefined,
      })
      await networks[1]!.consensus.send(0, Buffer.from('a'))
      await nextTurn()
      expect(answers).to.deep.equal([held])
      release()
      for (let i = 0; i < otherMessages.burst; i++) networks[1]!.tellTime(Buffer.from('noon'))
      await nextTurn()
      expect(answers.slice(1).every((answer) => answer === undefined)).to.equal(true)
      networks[1]!.tellTime(Buffer.from('noon'))
      await nextTurn()
      expect(answers.at(-1)).to.be.instanceOf(Promise)
      network.close()
      await answers.at(-1)
    })

    it('holds back a validator that sends more than wrongSignatures, then bars it, and nobody else', async () => {
      const clock = new VirtualClock()
      const answers: unknown[] = []
      const spy = comms[0]!
      const onMessage = spy.onMessage.bind(spy)
      spy.onMessage = (predicate, handler) =>
        onMessage(predicate, (message) => {
          const answer = handler(message)
          answers.push(answer)
          return answer
        })
      const barred: string[] = []
      const bar = spy.bar.bind(spy)
      spy.bar = (peer, reason) => {
        barred.push(reason)
        bar(peer, reason)
      }
      const network = new PeerNetwork({ comm: spy, channelId, peers: addresses.slice(1), clock })
      const good: number[] = []
      const told: string[] = []
      network.listen({
        consensus: () => undefined,
        blockSignature: (from, bytes) => {
          if (Buffer.from(bytes).toString() === 'good') good.push(from)
          else network.blockSignatures.refused?.(from)
        },
        flooding: (from, what) => void told.push(`${from} ${what}`),
      })
      const send = async (from: number, what: string, times = 1): Promise<void> => {
        for (let i = 0; i < times; i++) networks[from]!.blockSignatures.send(1, Buffer.from(what))
        await nextTurn()
      }
      await send(1, 'wrong', wrongSignatures.burst)
      expect(answers.filter((answer) => answer !== undefined)).to.deep.equal([])
      await send(1, 'wrong')
      expect(answers.at(-1)).to.be.instanceOf(Promise)
      await send(2, 'good')
      expect(answers.at(-1), 'another goes on').to.equal(undefined)
      await clock.advance(1_000 / wrongSignatures.perSecond)
      await answers.at(-2)
      await send(1, 'good')
      expect(answers.at(-1), 'it goes on, too').to.equal(undefined)
      expect(good).to.deep.equal([3, 2])
      expect(barred).to.deep.equal([])
      await send(1, 'wrong', 40)
      expect(new Set(barred)).to.deep.equal(new Set(['too many wrong block signatures']))
      expect(new Set(told)).to.deep.equal(new Set(['1 rejections']))
      expect(network.connectedReplicas).to.deep.equal([2])
      network.close()
    })

    it('has no connection with a validator that was barred', async () => {
      const arrivals = listen(networks[0]!)
      networks[0]!.bar(1, 'for a test')
      const error: unknown = await networks[1]!.consensus
        .send(0, Buffer.from('vote'))
        .catch((reason: unknown) => reason)
      expect(isCodedError(error, 'COMM_BARRED')).to.equal(true)
      expect(arrivals).to.deep.equal([])
    })

    it('outlives a handler that throws', async () => {
      const taken: string[] = []
      networks[0]!.listen({
        consensus: (_from, bytes) => {
          taken.push(Buffer.from(bytes).toString())
          throw new TypeError('broken')
        },
        blockSignature: () => undefined,
      })
      await networks[1]!.consensus.send(0, Buffer.from('a'))
      await networks[1]!.consensus.send(0, Buffer.from('b'))
      await nextTurn()
      expect(taken).to.deep.equal(['a', 'b'])
      expect(reasons()).to.deep.equal(['broken', 'broken'])
    })

    it('hands over nothing before it listens, nor after it was closed', async () => {
      await networks[1]!.consensus.send(0, Buffer.from('early'))
      await nextTurn()
      const arrivals = listen(networks[0]!)
      await networks[1]!.consensus.send(0, Buffer.from('in time'))
      await nextTurn()
      networks[0]!.close()
      networks[0]!.close()
      await networks[1]!.consensus.send(0, Buffer.from('late'))
      await nextTurn()
      expect(arrivals).to.deep.equal([['consensus', 1, 'in time']])
    })

    it('counts the validators that are connected, and no strangers', async () => {
      expect(networks[0]!.connected).to.equal(0)
      await stranger.push(dataMessage(undefined, 'other'), toZero())
      await networks[1]!.consensus.send(0, Buffer.from('x'))
      await networks[0]!.consensus.send(2, Buffer.from('x'))
      expect(comms[0]!.connections()).to.have.length(3)
      expect(networks[0]!.connected).to.equal(2)
      await comms[1]!.stop()
      expect(networks[0]!.connected).to.equal(1)
    })

    it('rejects for the consensus when a validator is gone, and drops block signatures', async () => {
      await comms[2]!.stop()
      const arrivals = listen(networks[3]!)
      const error: unknown = await networks[0]!.consensus
        .send(2, Buffer.from('x'))
        .catch((reason: unknown) => reason)
      expect(isCodedError(error, 'COMM_UNREACHABLE')).to.equal(true)
      networks[0]!.blockSignatures.send(3, Buffer.from('x'))
      networks[0]!.blockSignatures.broadcast(Buffer.from('x'))
      await nextTurn()
      expect(arrivals).to.deep.equal([['blockSignature', 1, 'x']])
    })
  })

  describe('when the queue of a validator is full', () => {
    interface Pushed {
      readonly to: string
      readonly message: EncodedMessage
      readonly resolve: () => void
      readonly reject: (reason: Error) => void
    }
    let pushed: Pushed[]
    let sent: string[]
    let network: PeerNetwork

    beforeEach(() => {
      pushed = []
      sent = []
      const comm: Pick<Comm, 'push' | 'send'> = {
        push: (message, { endpoint }) =>
          new Promise((resolve, reject) => {
            const encoded = message as EncodedMessage
            pushed.push({ to: endpoint, message: encoded, resolve, reject })
          }),
        send: (_message, ...peers) => void sent.push(...peers.map(({ endpoint }) => endpoint)),
      }
      const peers = [1, 2, 3].map((replica) => ({
        replica,
        endpoint: `v${replica}`,
        pkiId: Uint8Array.of(replica),
      }))
      network = new PeerNetwork({ comm: comm as Comm, channelId, peers })
    })

    it('holds the consensus back for that validator alone', async () => {
      const done: number[] = []
      const bytes = Buffer.from('x')
      const sending = [1, 2].map((to) =>
        network.consensus.send(to, bytes).then(() => done.push(to)),
      )
      pushed[1]!.resolve()
      await sending[1]
      expect(done).to.deep.equal([2])
      pushed[0]!.resolve()
      await sending[0]
      expect(done).to.deep.equal([2, 1])
    })

    it('tells the consensus of a message that was lost', async () => {
      const reason = new TypeError('full')
      const sending = network.consensus.send(1, Buffer.from('x'))
      pushed[0]!.reject(reason)
      expect(await sending.catch((error: unknown) => error)).to.equal(reason)
    })

    it('never waits with block signatures', () => {
      network.blockSignatures.broadcast(Buffer.from('x'))
      network.blockSignatures.send(3, Buffer.from('x'))
      expect(sent).to.deep.equal(['v1', 'v2', 'v3', 'v2'])
      expect(pushed).to.deep.equal([])
    })

    it('encodes a message once that goes to several one after the other', () => {
      const bytes = Buffer.from('x')
      for (const to of [1, 2, 3]) void network.consensus.send(to, bytes)
      void network.consensus.send(1, Buffer.from('y'))
      const [first, second, third, other] = pushed.map(({ message }) => message)
      expect(second).to.equal(first)
      expect(third).to.equal(first)
      expect(other!.bytes.equals(first!.bytes)).to.equal(false)
    })
  })

  describe('over connections with TLS', function () {
    this.timeout(60_000)
    let running: Comm[]

    beforeEach(() => {
      running = []
    })
    afterEach(async () => {
      for (const comm of running) await comm.stop({ signal: AbortSignal.abort() })
    })

    async function node(replica: number, port?: number): Promise<Comm> {
      const { validators } = await testMembers()
      const comm = await startNode(validators[replica]!, port)
      running.push(comm)
      return comm
    }

    /** The network of one validator that knows another. */
    function between(comm: Comm, replica: number, other: Comm): PeerNetwork {
      const { address, pkiId } = other
      return new PeerNetwork({ comm, channelId, peers: [{ replica, endpoint: address, pkiId }] })
    }

    /** Sends until it arrives: what was lost with a connection stays lost. */
    async function sendUntil(send: () => Promise<void>, done: () => boolean): Promise<void> {
      await eventually('a message arrives', async () => {
        if (!done()) await send()
        return done()
      })
    }

    it('goes on when a connection ended and comes back', async () => {
      const [zero, one] = [await node(0), await node(1)]
      const network = between(zero, 1, one)
      const receiver = between(one, 0, zero)
      const arrivals = listen(receiver)
      await network.consensus.send(1, Buffer.from('before'))
      await eventually('the first message', () => arrivals.length === 1)
      expect([network.connected, receiver.connected]).to.deep.equal([1, 1])
      one.closeConn({ endpoint: '', pkiId: zero.pkiId })
      await eventually('the connection ends', () => network.connected === 0)
      const send = (): Promise<void> => network.consensus.send(1, Buffer.from('after'))
      await sendUntil(send, () => arrivals.length > 1)
      expect(arrivals[1]).to.deep.equal(['consensus', 0, 'after'])
      expect(network.connected).to.equal(1)
    })

    it('finds a validator again that was started anew', async () => {
      const [zero, one] = [await node(0), await node(1)]
      const network = between(zero, 1, one)
      await network.consensus.send(1, Buffer.from('before'))
      const port = Number(one.address.split(':').at(-1))
      await one.stop({ signal: AbortSignal.abort() })
      await eventually('the connection ends', () => network.connected === 0)
      const error: unknown = await network.consensus
        .send(1, Buffer.from('lost'))
        .catch((reason: unknown) => reason)
      expect(isCodedError(error), String(error)).to.equal(true)
      const again = await node(1, port)
      const arrivals = listen(between(again, 0, zero))
      const send = (): Promise<void> => network.consensus.send(1, Buffer.from('after'))
      await sendUntil(send, () => arrivals.length > 0)
      expect(arrivals[0]).to.deep.equal(['consensus', 0, 'after'])
    })

    it('sends nothing to a validator that answers in the place of another', async () => {
      const { validators } = await testMembers()
      const [zero, two] = [await node(0), await node(2)]
      const arrivals = listen(between(two, 0, zero))
      const wrong = { replica: 1, endpoint: two.address, pkiId: validators[1]!.pkiId }
      const network = new PeerNetwork({ comm: zero, channelId, peers: [wrong] })
      const error: unknown = await network.consensus
        .send(1, Buffer.from('for 1 alone'))
        .catch((reason: unknown) => reason)
      expect(isCodedError(error), String(error)).to.equal(true)
      network.blockSignatures.broadcast(Buffer.from('for 1 alone'))
      await between(zero, 2, two).consensus.send(2, Buffer.from('for 2'))
      await eventually('the message for 2', () => arrivals.length > 0)
      expect(arrivals).to.deep.equal([['consensus', 0, 'for 2']])
      expect(network.connected).to.equal(0)
    })

    it('is disconnected from a validator as soon as that one’s certificate expires', async () => {
      const { ordering } = await testMembers()
      const now = Date.now()
      const notAfter = new Date(now + 3_600_000)
      const brief = await startNode(await ordering.identity('brief', 'orderer', { notAfter }))
      const clock = new VirtualClock({ wallTimeMs: now })
      const { validators } = await testMembers()
      const zero = await startNode(validators[0]!, 0, clock)
      running.push(brief, zero)
      const [network, theirs] = [between(zero, 1, brief), between(brief, 0, zero)]
      const arrivals = listen(network)
      await theirs.consensus.send(0, Buffer.from('valid'))
      await eventually('the message', () => arrivals.length === 1)
      await clock.advance(3_599_000)
      expect(network.connected).to.equal(1)
      await clock.advance(2000)
      expect(network.connected).to.equal(0)
      await eventually('the other side hears of it', () => theirs.connected === 0)
      await network.consensus.send(1, Buffer.from('x')).catch(() => undefined)
      expect(network.connected).to.equal(0)
    })

    it('knows a validator whose certificate was renewed, before and after it speaks', async () => {
      const { ordering, validators } = await testMembers()
      const [old, zero] = [validators[1]!, await node(0)]
      const renewed = await startNode(await ordering.identity('renewed', 'orderer'))
      running.push(renewed)
      const looked: Uint8Array[] = []
      const isRenewal = (identity: Uint8Array): boolean => {
        looked.push(identity)
        return certificateHolder(identity) === holder
      }
      const holder = certificateHolder(await zero.handshake({ endpoint: renewed.address }))
      const logger = new RecordingLogger()
      const peer = { replica: 1, endpoint: renewed.address, pkiId: old.pkiId, isRenewal }
      const network = new PeerNetwork({ comm: zero, channelId, peers: [peer], logger })
      const theirs = between(renewed, 0, zero)
      const [here, there] = [listen(network), listen(theirs)]
      await network.consensus.send(1, Buffer.from('to the endpoint'))
      await eventually('the message there', () => there.length === 1)
      await theirs.consensus.send(0, Buffer.from('from the renewed'))
      await eventually('the message here', () => here.length === 1)
      expect(here).to.deep.equal([['consensus', 1, 'from the renewed']])
      expect(network.connectedReplicas).to.deep.equal([1])
      expect(logger.lines.map(({ event }) => event)).to.deep.equal([
        'the certificate of a validator was renewed',
      ])
      const looks = looked.length
      await network.consensus.send(1, Buffer.from('to the renewed'))
      await theirs.consensus.send(0, Buffer.from('again'))
      await eventually('the messages', () => there.length === 2 && here.length === 2)
      expect(looked, 'a certificate is looked at once').to.have.length(looks)
    })

    it('bars a validator with every certificate, also one that it has not shown before', async () => {
      const { ordering, validators } = await testMembers()
      const zero = await node(0)
      const old = await startNode(validators[1]!)
      const renewed = await startNode(await ordering.identity('renewed', 'orderer'))
      const newest = await startNode(await ordering.identity('newest', 'orderer'))
      const other = await node(2)
      const all = [old, renewed, newest]
      running.push(...all)
      const own = all.slice(1).map(({ pkiId }) => Buffer.from(pkiId).toString('hex'))
      const peer = { replica: 1, endpoint: old.address, pkiId: old.pkiId }
      const isRenewal = (identity: Uint8Array): boolean =>
        own.includes(Buffer.from(pkiIdOf(identity) ?? '').toString('hex'))
      const peers = [
        { ...peer, isRenewal },
        { replica: 2, endpoint: other.address, pkiId: other.pkiId },
      ]
      const network = new PeerNetwork({ comm: zero, channelId, peers })
      const arrivals = listen(network)
      const say = (from: Comm, text: string): Promise<void> =>
        between(from, 0, zero).consensus.send(0, Buffer.from(text))
      await say(old, 'old')
      await say(renewed, 'renewed')
      await eventually('both are heard', () => arrivals.length === 2)
      network.bar(1, 'for a test')
      await eventually('neither is connected', () => zero.connections().length === 0)
      for (const each of [renewed, old]) {
        await say(each, 'again').catch(() => undefined)
        expect(zero.isBarred({ endpoint: '', pkiId: each.pkiId })).to.equal(true)
      }
      await say(newest, 'with another').catch(() => undefined)
      await eventually('that one is barred, too', () =>
        zero.isBarred({ endpoint: '', pkiId: newest.pkiId }),
      )
      await say(other, 'other')
      await eventually('the other is heard', () => arrivals.length > 2)
      expect(arrivals.map(([, from, text]) => [from, text])).to.deep.equal([
        [1, 'old'],
        [1, 'renewed'],
        [2, 'other'],
      ])
    })

    it('tells a client of the channel from a validator', async () => {
      const { client } = await testMembers()
      const [zero, one] = [await node(0), await node(1)]
      const logger = new RecordingLogger()
      const peers = [{ replica: 1, endpoint: one.address, pkiId: one.pkiId }]
      const arrivals = listen(new PeerNetwork({ comm: zero, channelId, peers, logger }))
      const intruder = await startNode(client)
      running.push(intruder)
      await intruder.push(dataMessage(consensusMessage('vote')), { endpoint: zero.address })
      await eventually('the refusal', () => logger.lines.length > 0)
      expect(logger.lines[0]?.fields).to.include({ reason: 'not a validator' })
      await between(one, 0, zero).consensus.send(0, Buffer.from('vote of 1'))
      await eventually('the message of 1', () => arrivals.length > 0)
      expect(arrivals).to.deep.equal([['consensus', 1, 'vote of 1']])
    })
  })
})
