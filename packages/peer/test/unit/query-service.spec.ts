import { expect } from 'chai'
import { Client, Server, ServerCredentials, credentials, status as grpcStatus } from '@grpc/grpc-js'
import { makeTestChain, openMemoryLedger } from '@heddle/ledger/testing'
import { create, grpcService, heddle } from '@heddle/proto'
import { createQueryService, maxReplyBytes, maxReplyEntries } from '../../src/node/query-service.ts'
import type { ServiceError } from '@grpc/grpc-js'
import type { Ledger, StateWrite } from '@heddle/ledger'
import type { Replica, ReplicaStatus } from '@heddle/pbft'

const methods = grpcService(heddle.Query)

const replicaStatus: ReplicaStatus = {
  id: 2,
  n: 4,
  f: 1,
  view: 5n,
  primary: 1,
  activeView: true,
  lowWatermark: 0n,
  highWatermark: 40n,
  lastExecuted: 9n,
  highestKnown: 9n,
  accepted: 9n,
  transferring: false,
  notVoting: undefined,
  isAsking: false,
  heardBy: [],
  forgetful: [],
  pendingRequests: 0,
  oldestRequestMs: 0,
}

const rulesStatus = create(heddle.RulesStatusSchema, {
  ...{ inForce: 1, since: 7n, offered: 2, missing: [0, 3] },
})

function write(key: string, value: string, namespace = 'records'): StateWrite {
  return { namespace, key, value: Buffer.from(value) }
}

describe('the Query service', () => {
  let ledger: Ledger
  let server: Server
  let client: Client
  let replica: { state: Replica['state']; status: () => ReplicaStatus }
  /** The state that the ledger's blocks lead to, so far. */
  let height: bigint

  beforeEach(async () => {
    ledger = await openMemoryLedger()
    for (const block of makeTestChain(20)) await ledger.append(block)
    height = 0n
    replica = { state: 'started', status: () => replicaStatus }
    const { definition, handlers } = createQueryService({
      ledger,
      replica: replica as Replica,
      connected: () => 3,
      version: '1.2.3',
      conditions: () => [
        {
          ...{ condition: 'behind', severity: 'degraded', component: 'ledger.engine' },
          ...{ reason: '60 batches', cure: 'wait', since: 1234.5 },
        },
      ],
      standstill: {
        ages: { lastBlockMs: 1.4, oldestRequestMs: 2, oldestUnsignedMs: 3, unsignedBlocks: 4 },
      },
      rules: () => rulesStatus,
    })
    server = new Server()
    server.addService(definition, handlers)
    const port = await new Promise<number>((resolve, reject) => {
      const secrets = ServerCredentials.createInsecure()
      server.bindAsync('127.0.0.1:0', secrets, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      )
    })
    client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  })
  afterEach(async () => {
    client.close()
    server.forceShutdown()
    await ledger.close()
  })

  async function apply(...writes: StateWrite[]): Promise<void> {
    height += 1n
    await ledger.state.apply(height, height, writes)
  }

  function get(contract: string, key: string): Promise<heddle.GetReply> {
    const request = create(heddle.GetRequestSchema, { contract, key })
    const { path, requestSerialize, responseDeserialize } = methods.get
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        (error, reply) => (reply === undefined ? reject(error!) : resolve(reply)),
      )
    })
  }

  function status(contentDigest = false): Promise<heddle.StatusReply> {
    const request = create(heddle.StatusRequestSchema, { contentDigest })
    const { path, requestSerialize, responseDeserialize } = methods.status
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        (error, reply) => (reply === undefined ? reject(error!) : resolve(reply)),
      )
    })
  }

  function entriesCall(contract: string) {
    const request = create(heddle.EntriesRequestSchema, { contract })
    const { path, requestSerialize, responseDeserialize } = methods.entries
    return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request)
  }

  async function entries(contract: string): Promise<heddle.EntriesReply[]> {
    const replies: heddle.EntriesReply[] = []
    for await (const reply of entriesCall(contract) as AsyncIterable<heddle.EntriesReply>) {
      replies.push(reply)
    }
    return replies
  }

  async function failure(promise: Promise<unknown>): Promise<ServiceError> {
    const error: unknown = await promise.catch((reason: unknown) => reason)
    if (!(error instanceof Error)) throw new TypeError('it did not fail')
    return error as ServiceError
  }

  describe('asked for a key', () => {
    it('gives its value as the contract keeps it, with the height of the state', async () => {
      await apply(write('a', '{"id":"a"}'), write('a', '17', 'accounts'))
      const reply = await get('records', 'a')
      expect(reply.found).to.equal(true)
      expect(Buffer.from(reply.value).toString()).to.equal('{"id":"a"}')
      expect(reply.height).to.equal(1n)
      expect(Buffer.from((await get('accounts', 'a')).value).toString()).to.equal('17')
    })

    it('tells a value without bytes from no value', async () => {
      await apply(write('empty', ''))
      expect(await get('records', 'empty')).to.include({ found: true })
      expect(await get('records', 'absent')).to.include({ found: false })
    })

    it('has no value under keys that there cannot be', async () => {
      await apply(write('a', '1'))
      for (const key of ['', '\0', 'x'.repeat(1025), 'x'.repeat(1_000_000), 'a\0']) {
        expect(await get('records', key), key.slice(0, 5)).to.include({ found: false, height: 1n })
      }
    })

    it('refuses contracts that there are not, and names those that there are', async () => {
      for (const contract of ['', 'Accounts', 'accounts\0', '__proto__', 'x'.repeat(100_000)]) {
        const error = await failure(get(contract, 'a'))
        expect(error.code, contract.slice(0, 20)).to.equal(grpcStatus.INVALID_ARGUMENT)
        expect(error.details).to.match(/^no contract ".*": there are accounts, records$/s)
        expect(error.details.length).to.be.at.most(120)
      }
    })

    it('fails a request that cannot be decoded, and serves the next', async () => {
      await apply(write('a', '1'))
      for (const { path } of [methods.get, methods.status, methods.entries]) {
        const garbage = Buffer.from('0a7f00', 'hex')
        const error = await new Promise((resolve) => {
          const bytes = (value: Buffer): Buffer => value
          client.makeUnaryRequest(path, bytes, bytes, garbage, resolve)
        })
        expect(error, path).to.include({ code: grpcStatus.INTERNAL })
      }
      expect(await get('records', 'a')).to.include({ found: true })
    })

    it('fails alone when the ledger is closed', async () => {
      await ledger.close()
      const error = await failure(get('records', 'a'))
      expect(error.code).to.equal(grpcStatus.UNKNOWN)
      expect(await failure(entries('records'))).to.include({ code: grpcStatus.UNKNOWN })
      expect((await failure(get('nothing', 'a'))).code).to.equal(grpcStatus.INVALID_ARGUMENT)
    })
  })

  describe('asked for its status', () => {
    it('tells where the consensus, the blocks and the state are', async () => {
      await apply(write('a', '1'))
      const reply = await status()
      expect(reply).to.deep.include({
        replica: 2,
        view: 5n,
        activeView: true,
        primary: 1,
        height: 20n,
        sequence: 9n,
        stateHeight: 1n,
        connected: 3,
        version: '1.2.3',
      })
      expect(reply.rules).to.deep.include({ inForce: 1, since: 7n, offered: 2, missing: [0, 3] })
      expect(Buffer.from(reply.lastBlockHash).equals(ledger.lastHeader!.hash)).to.equal(true)
      expect(Buffer.from(reply.stateDigest).equals(ledger.state.savepoint.digest)).to.equal(true)
      expect(reply.contentDigest).to.have.length(0)
      expect(reply.cpuMs > 0n).to.equal(true)
      expect(reply).to.deep.include({ lastBlockAgeMs: 1n, oldestRequestMs: 2n, unsignedBlocks: 4 })
      expect(reply.problems).to.have.length(1)
      expect(reply.problems[0]).to.include({
        ...{ component: 'ledger.engine', reason: '60 batches', condition: 'behind' },
        ...{ degraded: true, sinceMs: 1235n, cure: 'wait' },
      })
    })

    it('digests the whole state only when it is asked to', async () => {
      await apply(write('a', '1'))
      const first = Buffer.from((await status(true)).contentDigest)
      const { digest } = await ledger.state.contentDigest()
      expect(first.equals(digest)).to.equal(true)
      await apply(write('a', '2'))
      const second = Buffer.from((await status(true)).contentDigest)
      expect(second.equals(first)).to.equal(false)
    })

    it('takes part in no view while it changes views, or does not run', async () => {
      replica.status = () => ({ ...replicaStatus, activeView: false })
      expect((await status()).activeView).to.equal(false)
      replica.status = () => replicaStatus
      replica.state = 'stopped'
      expect((await status()).activeView).to.equal(false)
    })
  })

  describe('asked for all entries', () => {
    const keysOf = (replies: readonly heddle.EntriesReply[]): string[] =>
      replies.flatMap((reply) => reply.entries.map(({ key }) => key))
    const names = (count: number): string[] =>
      Array.from({ length: count }, (_, index) => `key ${String(index).padStart(5, '0')}`)

    it('gives one empty message when there are none', async () => {
      await apply(write('a', '1', 'accounts'))
      const replies = await entries('records')
      expect(replies.map(({ height: at, entries: found }) => [at, found.length])).to.deep.equal([
        [1n, 0],
      ])
    })

    it('gives every entry of the contract once, in order, also where a message ends', async () => {
      for (const count of [1, maxReplyEntries - 1, maxReplyEntries, maxReplyEntries + 1, 750]) {
        const keys = names(count)
        await apply(...keys.map((key) => write(key, key)), write('x', '1', 'accounts'))
        const replies = await entries('records')
        expect(keysOf(replies)).to.deep.equal(keys)
        for (const reply of replies) {
          expect(reply.height).to.equal(height)
          expect(reply.entries.length).to.be.at.most(maxReplyEntries)
        }
      }
    })

    it('gives keys that begin alike, and such as have the longest name', async () => {
      const keys = ['a', 'a\0', 'a\0\0', 'ab', 'x'.repeat(1023), 'x'.repeat(1024)]
      const before = names(maxReplyEntries - 1).map((name) => ` ${name}`)
      await apply(...[...before, ...keys].map((key) => write(key, '1')))
      expect(keysOf(await entries('records'))).to.deep.equal([...before, ...keys])
      // Each key in turn is the last of a message.
      for (const [index, key] of keys.entries()) {
        const filled = before.slice(index)
        await apply(
          ...before.map((each) => ({ namespace: 'records', key: each, value: undefined })),
          ...filled.map((each) => write(each, '1')),
        )
        expect(keysOf(await entries('records')), key).to.deep.equal([...filled, ...keys])
      }
    })

    it('puts no more bytes into a message than it may, but a large value goes alone', async () => {
      const half = 'x'.repeat(maxReplyBytes / 2)
      await apply(
        write('a', half),
        write('b', half),
        write('c', 'x'),
        write('d', 'x'.repeat(maxReplyBytes * 2)),
        write('e', 'x'),
        write('f', half),
      )
      const replies = await entries('records')
      const messages = replies.map((reply) => reply.entries.map(({ key }) => key).join(''))
      expect(messages).to.deep.equal(['ab', 'c', 'd', 'ef'])
      expect(replies[2]!.entries[0]!.value).to.have.length(maxReplyBytes * 2)
    })

    it('refuses contracts that there are not', async () => {
      const error = await failure(entries('nothing'))
      expect(error.code).to.equal(grpcStatus.INVALID_ARGUMENT)
      expect(error.details).to.equal('no contract "nothing": there are accounts, records')
    })

    it('breaks off when a block changes the state meanwhile', async () => {
      const large = 'x'.repeat(maxReplyBytes)
      await apply(...names(maxReplyEntries + 1).map((key) => write(key, large)))
      const call = entriesCall('records')
      const first = await new Promise<heddle.EntriesReply>((resolve, reject) => {
        call.once('data', (reply: heddle.EntriesReply) => {
          call.pause()
          resolve(reply)
        })
        call.once('error', reject)
      })
      expect(first.height).to.equal(1n)
      await apply(write('a', '1'))
      const code = await new Promise((resolve, reject) => {
        call.on('error', (error: ServiceError) => resolve(error.code))
        call.on('end', () => reject(new TypeError('the stream ended well')))
        call.on('data', () => undefined)
        call.resume()
      })
      expect(code).to.equal(grpcStatus.ABORTED)
    })

    it('goes on serving others when a client leaves in the middle', async () => {
      const large = 'x'.repeat(maxReplyBytes)
      await apply(...names(20).map((key) => write(key, large)))
      const call = entriesCall('records')
      call.on('error', () => undefined)
      await new Promise((resolve) => call.once('data', resolve))
      call.cancel()
      await new Promise((resolve) => call.once('close', resolve))
      expect(keysOf(await entries('records'))).to.deep.equal(names(20))
    })
  })
})
