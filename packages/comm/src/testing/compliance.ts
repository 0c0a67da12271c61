import { deepEqual, equal, rejects } from 'node:assert/strict'
import { isCodedError } from '@heddle/interface'
import { create, gossip } from '@heddle/proto'
import type { RemotePeer } from '../remote-peer.ts'
import type { Comm, MessageStream, ReceivedMessage } from '../types.ts'

/** What a compliance case runs on: nodes of one network, made and stopped by the caller. */
export interface CommFixture {
  /** A node of the network, not started. */
  create(): Promise<Comm>
}

/** One rule that every {@link Comm} keeps. */
export interface CommCase {
  readonly name: string
  readonly run: (fixture: CommFixture) => Promise<void>
}

const all = (): boolean => true

function message(sequence: bigint): gossip.GossipMessage {
  return create(gossip.GossipMessageSchema, {
    tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
    content: { case: 'dataMsg', value: { payload: { seqNum: sequence } } },
  })
}

function sequenceOf({ message: { content } }: ReceivedMessage): bigint {
  return content.case === 'dataMsg' ? (content.value.payload?.seqNum ?? -1n) : -1n
}

async function started(fixture: CommFixture): Promise<Comm> {
  const comm = await fixture.create()
  await comm.start()
  return comm
}

function peerOf(comm: Comm): RemotePeer {
  return { endpoint: comm.address, pkiId: comm.pkiId }
}

async function take(
  stream: MessageStream<ReceivedMessage>,
  count: number,
): Promise<ReceivedMessage[]> {
  const messages: ReceivedMessage[] = []
  while (messages.length < count) {
    const { value } = await stream.next()
    if (value === undefined) break
    messages.push(value)
  }
  return messages
}

/** The rules; run each as a test: `for (const c of commCases()) it(c.name, () => c.run(fixture))`. */
export function commCases(): readonly CommCase[] {
  return [...messageCases(), ...answerCases(), ...peerCases(), ...nameCases(), ...lossCases()]
}

function messageCases(): CommCase[] {
  return [
    {
      name: 'delivers in order, with the sender that the connection proves',
      run: async (fixture) => {
        const [one, two] = [await started(fixture), await started(fixture)]
        const inbox = two.accept(all)
        for (let i = 0n; i < 5n; i += 1n) await one.push(message(i), peerOf(two))
        const got = await take(inbox, 5)
        deepEqual(got.map(sequenceOf), [0n, 1n, 2n, 3n, 4n])
        deepEqual(Buffer.from(got[0]?.connection.pkiId ?? []), Buffer.from(one.pkiId))
      },
    },
    {
      name: 'gives a subscriber what its predicate wants, and nothing after return',
      run: async (fixture) => {
        const [one, two] = [await started(fixture), await started(fixture)]
        const odd = two.accept((received) => sequenceOf(received) % 2n === 1n)
        const inbox = two.accept(all)
        for (let i = 0n; i < 4n; i += 1n) await one.push(message(i), peerOf(two))
        await take(inbox, 4)
        deepEqual((await take(odd, 2)).map(sequenceOf), [1n, 3n])
        await odd.return?.()
        equal((await odd.next()).done, true)
      },
    },
  ]
}

function answerCases(): CommCase[] {
  return [
    {
      name: 'carries responses back',
      run: async (fixture) => {
        const [one, two] = [await started(fixture), await started(fixture)]
        two.onMessage(all, (received) => received.respond(message(sequenceOf(received) + 1n)))
        const inbox = one.accept(all)
        await one.push(message(1n), peerOf(two))
        deepEqual((await take(inbox, 1)).map(sequenceOf), [2n])
      },
    },
    {
      name: 'collects acknowledgements, refusals and failures',
      run: async (fixture) => {
        const [one, two, three, gone] = [
          await started(fixture),
          await started(fixture),
          await started(fixture),
          await started(fixture),
        ]
        two.onMessage(all, (received) => received.ack())
        three.onMessage(all, (received) => received.ack(new RangeError('no')))
        const nobody = peerOf(gone)
        await gone.stop()
        const options = { timeoutMs: 2000, minAck: 3 }
        const result = await one.sendWithAck(
          message(1n),
          options,
          peerOf(two),
          peerOf(three),
          nobody,
        )
        equal(result.ackCount, 1)
        equal(result.nackCount, 2)
        equal(
          result.results.some(({ error }) => error === 'no'),
          true,
        )
        const none = await one.sendWithAck(message(1n), options)
        equal(none.toString(), '{}')
      },
    },
  ]
}

function peerCases(): CommCase[] {
  return [
    {
      name: 'rejects and presumes dead who cannot be reached',
      run: async (fixture) => {
        const [one, two] = [await started(fixture), await started(fixture)]
        const dead = one.presumedDead()
        const peer = peerOf(two)
        await two.stop()
        await rejects(one.push(message(1n), peer), (error) =>
          isCodedError(error, 'COMM_UNREACHABLE'),
        )
        deepEqual(Buffer.from((await dead.next()).value ?? []), Buffer.from(two.pkiId))
      },
    },
    {
      name: 'tells who is there by probe and handshake',
      run: async (fixture) => {
        const [one, two] = [await started(fixture), await started(fixture)]
        await one.probe({ endpoint: two.address })
        const identity = await one.handshake(peerOf(two))
        equal(identity.length > 0, true)
        const wrong = { endpoint: two.address, pkiId: one.pkiId }
        await rejects(one.handshake(wrong), (error) => isCodedError(error, 'COMM_UNEXPECTED_PEER'))
      },
    },
    {
      name: 'does nothing before start, stops twice, and is then over',
      run: async (fixture) => {
        const [one, two] = [await fixture.create(), await started(fixture)]
        equal(one.state, 'idle')
        equal(one.address, '')
        await rejects(one.push(message(1n), peerOf(two)), (error) =>
          isCodedError(error, 'COMM_STOPPED'),
        )
        const inbox = one.accept(all)
        await one.start()
        await one.start()
        await one.stop()
        await one.stop()
        equal(one.state, 'stopped')
        equal((await inbox.next()).done, true)
        equal((await one.accept(all).next()).done, true)
        equal((await one.presumedDead().next()).done, true)
        one.send(message(1n), peerOf(two))
        await rejects(one.start(), (error) => isCodedError(error, 'COMM_STOPPED'))
        const options = { timeoutMs: 1000, minAck: 1 }
        const result = await one.sendWithAck(message(1n), options, peerOf(two))
        equal(result.nackCount, 1)
      },
    },
  ]
}

function nameCases(): CommCase[] {
  return [
    {
      name: 'knows a connected peer by its endpoint alone, and loses nothing',
      run: async (fixture) => {
        const [one, two] = [await started(fixture), await started(fixture)]
        const inbox = two.accept(all)
        for (let i = 0n; i < 6n; i += 2n) {
          await one.push(message(i), peerOf(two))
          await one.push(message(i + 1n), { endpoint: two.address })
        }
        deepEqual((await take(inbox, 6)).map(sequenceOf), [0n, 1n, 2n, 3n, 4n, 5n])
        equal(one.connections().length, 1)
        equal(two.connections().length, 1)
      },
    },
    {
      name: 'refuses a peer that is another than expected, and stays connected with it',
      run: async (fixture) => {
        const [one, two] = [await started(fixture), await started(fixture)]
        const inbox = two.accept(all)
        await one.push(message(0n), peerOf(two))
        const wrong = { endpoint: two.address, pkiId: new Uint8Array(32).fill(1) }
        await rejects(one.push(message(1n), wrong), (error) =>
          isCodedError(error, 'COMM_UNEXPECTED_PEER'),
        )
        await one.push(message(2n), peerOf(two))
        deepEqual((await take(inbox, 2)).map(sequenceOf), [0n, 2n])
        equal(one.connections().length, 1)
      },
    },
    {
      name: 'takes another PKI-ID for the one expected when the identity is accepted',
      run: async (fixture) => {
        const [one, two] = [await started(fixture), await started(fixture)]
        const inbox = two.accept(all)
        const pkiId = new Uint8Array(32).fill(1)
        const own = Buffer.from(await one.handshake(peerOf(two)))
        const renewed = {
          endpoint: two.address,
          pkiId,
          accepts: (id: Uint8Array) => own.equals(id),
        }
        deepEqual(Buffer.from(await one.handshake(renewed)), own)
        await one.push(message(0n), renewed)
        await one.push(message(1n), renewed)
        deepEqual((await take(inbox, 2)).map(sequenceOf), [0n, 1n])
        const other = { ...renewed, pkiId: new Uint8Array(32).fill(2), accepts: () => false }
        for (const send of [one.push(message(2n), other), one.handshake(other)]) {
          await rejects(send, (error) => isCodedError(error, 'COMM_UNEXPECTED_PEER'))
        }
        equal(one.connections().length, 1)
      },
    },
  ]
}

function lossCases(): CommCase[] {
  return [
    {
      name: 'presumes a peer dead once for each loss',
      run: async (fixture) => {
        const [one, two] = [await started(fixture), await started(fixture)]
        const inbox = two.accept(all)
        const dead = one.presumedDead()
        const peer = peerOf(two)
        await one.push(message(0n), peer)
        await take(inbox, 1)
        await two.stop()
        const first = await dead.next()
        for (let i = 0; i < 3; i += 1) await rejects(one.push(message(1n), peer))
        await one.stop()
        deepEqual(Buffer.from(first.value ?? []), Buffer.from(two.pkiId))
        equal((await dead.next()).done, true)
      },
    },
  ]
}
