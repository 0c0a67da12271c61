import { expect } from 'chai'
import { createBroadcastClient } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { CodedError, isCodedError } from '@heddle/interface'
import { createReplica, JournalBusyError, PoolFullError } from '@heddle/pbft'
import { chainCases } from '@heddle/orderer/testing'
import { common, decode, receive } from '@heddle/proto'
import { createOrdererServer, statusOf } from '@heddle/orderer'
import { PbftChain, chainStatuses } from '../../src/node/chain.ts'
import { createValidatorVerifier } from '../../src/node/validator-verifier.ts'
import { channelId, testMembers, transaction } from '../support/channel.ts'
import { blockOf, openEngine, timeWindowMs } from '../support/engine.ts'
import type { Replica, SubmitResult } from '@heddle/pbft'
import type { TestMembers } from '../support/channel.ts'
import type { TestEngine } from '../support/engine.ts'

interface Opened {
  readonly chain: PbftChain
  readonly replica: Replica
  readonly parts: TestEngine
  close(): Promise<void>
}

/** A chain of one validator: the real consensus, engine and ledger. */
async function openChain(): Promise<Opened> {
  const { validators } = await testMembers()
  const parts = await openEngine()
  const { engine, storage, reader, channel } = parts
  const replica = createReplica(
    {
      network: { send: () => Promise.resolve() },
      journal: storage.journal,
      stateMachine: engine,
      signer: validators[0]!,
      verifier: createValidatorVerifier(channel.config),
      clock: systemClock,
    },
    { id: 0, n: 1, batchTimeoutMs: 1, maxRequestBytes: 50_000 },
  )
  await replica.start()
  const { config } = channel
  return {
    chain: new PbftChain({ config, ledger: storage.ledger, replica, reader, clock: systemClock }),
    replica,
    parts,
    close: async () => {
      await replica.stop()
      await parts.close()
    },
  }
}

describe('PbftChain', function () {
  this.timeout(30_000)
  let members: TestMembers
  before(async () => {
    members = await testMembers()
  })

  describe('as the chain of an orderer', () => {
    const cases = chainCases(async () => {
      const opened = await openChain()
      const envelopes = new Map<number, Uint8Array>()
      return {
        chain: opened.chain,
        close: () => opened.close(),
        envelope: (index) => {
          const made = envelopes.get(index) ?? transaction(members.client)
          envelopes.set(index, made)
          return Promise.resolve(made)
        },
      }
    })
    for (const { name, run } of cases) it(name, run)
  })

  describe('with one validator', () => {
    let opened: Opened
    beforeEach(async () => {
      opened = await openChain()
    })
    afterEach(() => opened.close())

    const submit = (bytes: Uint8Array): Promise<void> =>
      opened.chain.submit(receive(common.EnvelopeSchema, bytes))

    async function refusal(promise: Promise<unknown>): Promise<CodedError> {
      const error: unknown = await promise.catch((reason: unknown) => reason)
      if (!isCodedError(error)) throw new TypeError(`not refused: ${String(error)}`)
      return error
    }

    const statusName = (error: unknown): string => common.Status[statusOf(error, chainStatuses)]

    it('has the name of its channel and a configuration that stays', () => {
      expect(opened.chain.channelId).to.equal(channelId)
      expect(opened.chain.configSequence).to.equal(0n)
    })

    it('acknowledges a transaction that is in a block already, without asking the consensus', async () => {
      const envelope = transaction(members.client)
      await submit(envelope)
      await opened.replica.stop()
      await submit(Uint8Array.from(envelope))
      expect(opened.chain.height()).to.equal(2n)
    })

    it('refuses another transaction under the id of one that is in a block', async () => {
      const nonce = Buffer.alloc(24, 77)
      const first = transaction(members.client, { nonce, input: '{"id":"a"}' })
      await Promise.all([submit(transaction(members.client)), submit(first)])
      const height = opened.chain.height()
      const other = transaction(members.client, { nonce, input: '{"id":"b"}' })
      const error = await refusal(submit(other))
      expect(error.code).to.equal('PEER_DUPLICATE_TRANSACTION')
      expect(statusName(error)).to.equal('BAD_REQUEST')
      expect(opened.chain.height()).to.equal(height)
      await submit(first)
    })

    it('acknowledges one of two transactions with one id that come at the same time', async () => {
      const nonce = Buffer.alloc(24, 78)
      const twins = ['a', 'b', 'a'].map((id) =>
        transaction(members.client, { nonce, input: `{"id":"${id}"}`, signedAt: new Date() }),
      )
      twins[2] = Buffer.from(twins[0]!)
      const outcomes = await Promise.allSettled(twins.map((twin) => submit(twin)))
      // Their signatures are checked at the same time: whichever is checked first is ordered.
      const { data } = await blockOf(opened.parts, 1n)
      expect(data?.data).to.have.length(1)
      const isExecuted = twins.map((twin) => twin.equals(data!.data[0]!))
      expect(outcomes.map(({ status }) => status === 'fulfilled')).to.deep.equal(isExecuted)
      const refused = twins[isExecuted.indexOf(false)]!
      const errors = outcomes.flatMap((each) =>
        each.status === 'rejected' ? [each.reason as unknown] : [],
      )
      for (const each of [await refusal(submit(refused)), ...errors]) {
        expect(each).to.have.property('code', 'PEER_DUPLICATE_TRANSACTION')
        expect(statusName(each)).to.equal('BAD_REQUEST')
        expect((each as Error).message).to.include(opened.parts.reader.read(refused).txId)
      }
    })

    it('answers SUCCESS over the wire to the bytes that were executed only, again and again', async () => {
      const tls = await members.ordering.tls('validator')
      const server = createOrdererServer(
        { chains: () => opened.chain, clock: systemClock },
        { listen: { host: '127.0.0.1', port: 0 }, tls, statuses: chainStatuses },
      )
      await server.start()
      const endpoint = { address: server.address!, roots: tls.roots, serverName: 'localhost' }
      const clients = [1, 2].map(() =>
        createBroadcastClient({ clock: systemClock }, { endpoints: [endpoint], tls }),
      )
      const nonce = Buffer.alloc(24, 80)
      const twins = ['a', 'b'].map((id) =>
        transaction(members.client, { nonce, input: `{"id":"${id}"}` }),
      )
      const submitAll = (): Promise<PromiseSettledResult<unknown>[]> =>
        Promise.allSettled(clients.flatMap((client) => twins.map((twin) => client.submit(twin))))
      for (const client of clients) await client.start()
      const [first, again] = [await submitAll(), await submitAll()]
      for (const client of clients) await client.stop()
      await server.stop({ signal: AbortSignal.abort() })
      const { data } = await blockOf(opened.parts, 1n)
      const executed = twins.findIndex((twin) => twin.equals(data?.data[0] ?? new Uint8Array()))
      expect(opened.chain.height()).to.equal(2n)
      for (const [index, outcome] of [...first, ...again].entries()) {
        const expected = index % 2 === executed ? 'SUCCESS' : 'BAD_REQUEST'
        const reason: unknown = outcome.status === 'rejected' ? outcome.reason : undefined
        const { status = common.Status.SUCCESS } = (reason ?? {}) as { status?: number }
        expect(common.Status[status], `answer ${index}`).to.equal(expected)
      }
    })

    it('looks which transaction was executed when the consensus knows the id only', async () => {
      const nonce = Buffer.alloc(24, 79)
      const [one, other] = ['a', 'b'].map((id) =>
        transaction(members.client, { nonce, input: `{"id":"${id}"}` }),
      )
      const { parts, replica } = opened
      // Executed after the chain looked into the ledger, and before the replica did.
      const submitLate = async (): Promise<SubmitResult> => {
        if (opened.chain.height() === 1n) await parts.engine.execute(1n, [one!])
        return { id: 'x', sequence: 1n, executedBefore: true }
      }
      const late = Object.create(replica, { submit: { value: submitLate } }) as Replica
      const closed = { closed: { value: replica.closed } }
      const { config } = parts.channel
      const { reader, storage } = parts
      const chain = new PbftChain({
        ...{ config, ledger: storage.ledger, reader, clock: systemClock },
        replica: Object.create(late, closed) as Replica,
      })
      const error = await refusal(chain.submit(receive(common.EnvelopeSchema, other!)))
      expect(error.code).to.equal('PEER_DUPLICATE_TRANSACTION')
      await chain.submit(receive(common.EnvelopeSchema, one!))
    })

    it('acknowledges what was executed however long ago it was signed, and refuses what was not', async () => {
      const signed = (ms: number): Buffer =>
        transaction(members.client, { signedAt: new Date(Date.now() + ms) })
      const executed = signed(-100 * timeWindowMs)
      await opened.parts.engine.execute(1n, [executed])
      await submit(executed)
      // Ahead of its time: the certificates of the tests are too young for the past.
      const error = await refusal(submit(signed(timeWindowMs + 60_000)))
      expect(statusName(error)).to.equal('BAD_REQUEST')
      expect(error.message).to.include(`${timeWindowMs / 1000} s`)
      expect(opened.chain.height()).to.equal(2n)
    })

    it('tells a transaction by its place in the block, not only by its block', async () => {
      const envelopes = Array.from({ length: 5 }, () => transaction(members.client))
      await opened.parts.engine.execute(1n, envelopes)
      expect((await blockOf(opened.parts, 1n)).data?.data).to.have.length(5)
      for (const envelope of envelopes) await submit(envelope)
      expect(opened.chain.height()).to.equal(2n)
    })

    it('refuses what is no transaction, and what its creator may not write', async () => {
      const { client, clients } = members
      const peer = await clients.identity('peer', 'peer')
      const refusals = [
        [Buffer.from('0a0161', 'hex'), 'PEER_INVALID_ENVELOPE', 'BAD_REQUEST'],
        [transaction(client, { channelId: 'x' }), 'PEER_INVALID_ENVELOPE', 'BAD_REQUEST'],
        [transaction(peer), 'PEER_FORBIDDEN', 'FORBIDDEN'],
        [
          transaction(client, { input: 'x'.repeat(60_000) }),
          'PBFT_REQUEST_TOO_LARGE',
          'REQUEST_ENTITY_TOO_LARGE',
        ],
      ] as const
      for (const [bytes, code, status] of refusals) {
        const error = await refusal(submit(bytes))
        expect([error.code, statusName(error)]).to.deep.equal([code, status])
      }
      expect(opened.chain.height()).to.equal(1n)
    })

    it('tells the replica who gave a transaction', async () => {
      const { parts, replica } = opened
      const told: unknown[] = []
      const submitting: Replica['submit'] = (_, options) => {
        told.push(options?.givenBy)
        return Promise.resolve({ id: '', sequence: 1n, executedBefore: false })
      }
      const telling = Object.create(replica, { submit: { value: submitting } }) as Replica
      const { config } = parts.channel
      const { reader, storage } = parts
      const { ledger } = storage
      const chain = new PbftChain({
        ...{ config, ledger, replica: telling, reader, clock: systemClock },
      })
      const envelope = receive(common.EnvelopeSchema, transaction(members.client))
      await chain.submit(envelope, { givenBy: 'a certificate' })
      expect(told).to.deep.equal(['a certificate'])
    })

    it('reads a block once for all of its transactions that clients of an organisation hand in again', async () => {
      const bytes = transaction(members.client)
      await submit(bytes)
      const { parts, replica } = opened
      const { reader, storage } = parts
      const read: bigint[] = []
      const ledger = {
        txLocation: storage.ledger.txLocation.bind(storage.ledger),
        block: (number: bigint) => {
          read.push(number)
          return storage.ledger.block(number)
        },
      } as typeof storage.ledger
      const { config } = parts.channel
      const chain = new PbftChain({ config, ledger, replica, reader, clock: systemClock })
      const envelope = receive(common.EnvelopeSchema, bytes)
      const again = (givenBy: string): Promise<void> =>
        chain.submit(envelope, { givenBy, organization: 'authority' })
      await Promise.all(['one', 'two', 'one'].map(again))
      expect(read).to.deep.equal([1n])
    })

    it('asks for another try when the replica has no room, or a disk that hangs', () => {
      for (const error of [new PoolFullError(1, 1), new JournalBusyError()])
        expect(statusName(error), error.code).to.equal('SERVICE_UNAVAILABLE')
    })

    it('cannot order once the replica has stopped, and says so before it is asked', async () => {
      const signal = opened.chain.errored()
      expect(signal.aborted).to.equal(false)
      await opened.replica.stop()
      expect(opened.chain.errored().aborted).to.equal(true)
      expect(signal.reason).to.have.property('code', 'PEER_STOPPED')
      const error = await refusal(submit(transaction(members.client)))
      expect([error.code, statusName(error)]).to.deep.equal(['PBFT_STOPPED', 'SERVICE_UNAVAILABLE'])
    })

    it('tells why the replica stopped by itself', async () => {
      const reason = new CodedError('TEST_BROKEN', 'the disk is gone')
      const { parts, replica } = opened
      const broken = Object.create(replica, {
        closed: { value: Promise.resolve(reason) },
      }) as Replica
      const { config } = parts.channel
      const { reader, storage } = parts
      const chain = new PbftChain({
        ...{ config, ledger: storage.ledger, replica: broken, reader, clock: systemClock },
      })
      await broken.closed
      expect(chain.errored().reason).to.equal(reason)
    })

    it('gives the stored bytes of a block, to those who follow too', async () => {
      await submit(transaction(members.client))
      const { chain, parts } = opened
      expect(await chain.block(0n)).to.deep.equal(Buffer.from(parts.channel.genesis))
      const numbers: bigint[] = []
      for await (const bytes of chain.follow(0n)) {
        numbers.push(decode(common.BlockSchema, bytes).header!.number)
        if (numbers.length === 2) break
      }
      expect(numbers).to.deep.equal([0n, 1n])
    })

    describe('judging who may read', () => {
      const data = Buffer.from('a request for blocks')
      const read = (
        signer: { serialized: Uint8Array; sign(bytes: Uint8Array): Uint8Array },
        signature = signer.sign(data),
      ) => opened.chain.authorize('read', { identity: signer.serialized, data, signature })

      it('lets clients, peers and validators read, as long as their certificates last', async () => {
        const peer = await members.clients.identity('peer', 'peer')
        for (const reader of [members.client, peer, members.validators[0]!]) {
          expect(await read(reader)).to.deep.equal({ expiresAt: reader.expiresAt })
        }
      })

      it('refuses strangers, wrong signatures and garbage', async () => {
        const { client, clients } = members
        const other = client.sign(Buffer.from('other'))
        const asItIs = { sign: (bytes: Uint8Array) => bytes }
        const stranger = await clients.variant('stranger', 'other-ca')
        const refused = {
          stranger: () => read(stranger),
          'wrong signature': () => read(client, other),
          'no signature': () => read(client, Buffer.alloc(0)),
          garbage: () => read({ serialized: Buffer.from('garbage'), ...asItIs }),
          nobody: () => read({ serialized: Buffer.alloc(0), ...asItIs }),
        }
        for (const [who, judge] of Object.entries(refused)) {
          const error = await refusal(judge())
          expect(error.code, who).to.equal('PEER_FORBIDDEN')
          expect(statusName(error)).to.equal('FORBIDDEN')
        }
      })

      it('leaves writers to submit, which judges them', async () => {
        const grant = await opened.chain.authorize('write', {
          identity: Buffer.alloc(0),
          data,
          signature: Buffer.alloc(0),
        })
        expect(grant).to.deep.equal({})
      })
    })
  })
})
