import { expect } from 'chai'
import { systemClock } from '@heddle/events'
import { openMemoryLedger } from '@heddle/ledger/testing'
import { MemoryChain } from '@heddle/orderer/testing'
import { type Received, common, decode, encode } from '@heddle/proto'
import {
  type DeliverService,
  type DeliverServiceOptions,
  type Endpoint,
  createDeliverService,
} from '../../src/index.ts'
import {
  blockFrame,
  blocksOf,
  channel,
  channelId,
  grow,
  honest,
  impatient,
  plainEnvelope,
  scripted,
  seekStart,
  started,
  statusFrame,
  stopAll,
  until,
} from '../network.ts'
import { networks, recordedBytes } from '../recorded.ts'

/** A ledger that is an array, and a sink that the test can spoil. */
class Store {
  readonly blocks: Uint8Array[]
  /** Numbers in the order in which the sink was given them. */
  readonly given: bigint[] = []
  /** Called before a block is stored; throws to refuse it. */
  onPut: (number: bigint) => void | Promise<void> = () => undefined
  #putting = false

  constructor(blocks: readonly Uint8Array[] = []) {
    this.blocks = [...blocks]
  }

  readonly ledger = {
    height: (): bigint => BigInt(this.blocks.length),
    block: (number: bigint): Promise<Uint8Array | undefined> =>
      Promise.resolve(this.blocks[Number(number)]),
  }

  readonly sink = {
    put: async ({ message, bytes }: Received<common.Block>): Promise<void> => {
      expect(this.#putting, 'one call at a time').to.equal(false)
      this.#putting = true
      const { number } = message.header!
      this.given.push(number)
      try {
        await this.onPut(number)
        expect(number).to.equal(BigInt(this.blocks.length))
        this.blocks.push(Uint8Array.from(bytes))
      } finally {
        this.#putting = false
      }
    },
  }
}

type Options = Partial<DeliverServiceOptions> & { readonly endpoints: readonly Endpoint[] }

async function serviceOf(
  store: Pick<Store, 'ledger' | 'sink'>,
  options: Options,
): Promise<DeliverService> {
  const { client, clientTls, genesis } = await channel()
  const { ledger, sink } = store
  const service = createDeliverService(
    { ledger, sink, signer: client, clock: systemClock, random: () => 0 },
    { channelId, configBlock: genesis, tls: clientTls, ...impatient, ...options },
  )
  started.push(service)
  return service
}

async function expectSame(store: Store, chain: MemoryChain): Promise<void> {
  await until(() => store.blocks.length === Number(chain.height()))
  const theirs = await blocksOf(chain)
  for (const [number, block] of theirs.entries()) {
    expect(Buffer.from(store.blocks[number]!).equals(block), `block ${number}`).to.equal(true)
  }
}

const range = (from: number, to: number): bigint[] =>
  [...Array(to - from + 1).keys()].map((index) => BigInt(from + index))

describe('DeliverService', function () {
  this.timeout(30_000) // a loaded machine takes its time

  afterEach(stopAll)

  it('fills an empty ledger from block 0 on and follows', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 30)
    const store = new Store()
    const service = await serviceOf(store, { endpoints: [endpoint] })
    expect(service.status().next).to.equal(undefined)
    await service.start()
    await expectSame(store, chain)
    await grow(chain, 3)
    await expectSame(store, chain)
    expect(store.given).to.deep.equal(range(0, 33))
    await until(() => service.status().next === 34n)
    expect(service.status().endpoint).to.equal(endpoint.address)
    expect(service.status().lastBlockAt).to.be.a('number')
  })

  it('goes on from the height of the ledger after a restart', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 9)
    const store = new Store((await blocksOf(chain)).slice(0, 5))
    await (await serviceOf(store, { endpoints: [endpoint] })).start()
    await expectSame(store, chain)
    expect(store.given).to.deep.equal(range(5, 9))
  })

  for (const network of networks) {
    for (const height of [0, 1, 13, 14, 22, 23]) {
      it(`follows the recorded network ${network} from height ${height}`, async () => {
        const blocks = recordedBytes(network)
        const { chain, endpoint } = await honest({ chain: new MemoryChain({ channelId, blocks }) })
        const store = new Store(blocks.slice(0, height))
        const options = { endpoints: [endpoint], configBlock: blocks[0]! }
        await (await serviceOf(store, options)).start()
        await expectSame(store, chain)
        expect(store.given).to.deep.equal(range(height, blocks.length - 1))
      })
    }
  }

  it('appends to a ledger of @heddle/ledger', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 5)
    const ledger = await openMemoryLedger()
    const store = {
      ledger: { height: () => ledger.height, block: (number: bigint) => ledger.block(number) },
      sink: {
        put: ({ bytes }: Received<common.Block>) => ledger.append({ block: bytes, txIds: ['tx'] }),
      },
    }
    await (await serviceOf(store, { endpoints: [endpoint] })).start()
    await until(() => ledger.height === 6n)
    expect(Buffer.from((await ledger.block(5n))!)).to.deep.equal(
      Buffer.from((await chain.block(5n))!),
    )
    await stopAll()
    await ledger.close()
  })

  it('gives a block again that the sink refused, and does not lose its place', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 4)
    const store = new Store()
    const service = await serviceOf(store, { endpoints: [endpoint] })
    let refusals = 0
    let told: unknown
    store.onPut = (number) => {
      if (number !== 2n || refusals >= 3) return
      told = service.status().lastError
      refusals++
      throw new Error('disk full')
    }
    await service.start()
    await expectSame(store, chain)
    expect(store.given).to.deep.equal([0n, 1n, 2n, 2n, 2n, 2n, 3n, 4n])
    expect(told, 'of the refusal before').to.have.property('code', 'DELIVER_SINK_FAILED')
    await until(() => service.status().lastError === undefined)
  })

  it('does not give a block again that the sink stored before it failed', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 4)
    const store = new Store()
    const put = store.sink.put
    const failing = {
      ledger: store.ledger,
      sink: {
        put: async (block: Received<common.Block>): Promise<void> => {
          await put(block)
          if (block.message.header!.number === 2n) throw new Error('after storing')
        },
      },
    }
    await (await serviceOf(failing, { endpoints: [endpoint] })).start()
    await expectSame(store, chain)
    expect(store.given).to.deep.equal(range(0, 4))
  })

  it('goes on after blocks that came to the ledger by another way', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 2)
    const store = new Store()
    const breaking = await scripted((call) => call.on('data', () => call.end()))
    let added = false
    store.onPut = async (number) => {
      if (number !== 2n || added) return
      added = true
      await grow(chain, 3)
      store.blocks.push(...(await blocksOf(chain)).slice(2, 5)) // somebody else was quicker
      throw new Error('it is there already')
    }
    await (await serviceOf(store, { endpoints: [endpoint, breaking] })).start()
    await expectSame(store, chain)
    expect(store.given).to.deep.equal([0n, 1n, 2n, 5n])
  })

  it('survives a ledger that fails for a while', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 2)
    const store = new Store()
    let failures = 3
    const ledger = {
      ...store.ledger,
      height: (): bigint => {
        if (failures-- > 0) throw new Error('busy')
        return store.ledger.height()
      },
    }
    await (await serviceOf({ ledger, sink: store.sink }, { endpoints: [endpoint] })).start()
    await expectSame(store, chain)
  })

  it('fails over when an endpoint stops, and back when it is the only one left', async () => {
    const first = await honest()
    const { chain } = first
    const second = await honest({ chain })
    await grow(chain, 3)
    const store = new Store()
    const service = await serviceOf(store, { endpoints: [first.endpoint, second.endpoint] })
    await service.start()
    await expectSame(store, chain)
    const present = service.status().endpoint === first.endpoint.address ? first : second
    await present.server.stop({ signal: AbortSignal.abort() })
    await grow(chain, 3)
    await expectSame(store, chain)
    expect(service.status().endpoint).to.not.equal(present.endpoint.address)
    expect(store.given).to.deep.equal(range(0, 6))
  })

  it('asks another endpoint when one withholds blocks', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 5)
    const blocks = await blocksOf(chain)
    const withholding = await scripted((call) => {
      call.on('data', (request: Buffer) => {
        const start = Number(seekStart(request))
        for (const block of blocks.slice(start, 2)) call.write(blockFrame(block)) // and then nothing
      })
    })
    const store = new Store()
    const options = { endpoints: [withholding, endpoint], stallTimeoutMs: 500 }
    await (await serviceOf(store, options)).start()
    await expectSame(store, chain)
    expect(withholding.streams()).to.be.greaterThan(0)
  })

  it('takes nothing from liars, whatever they say, and all from the one that is honest', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 10)
    const blocks = await blocksOf(chain)
    const forger = await scripted((call) => {
      call.on('data', (request: Buffer) => {
        const block = decode(common.BlockSchema, blocks[Number(seekStart(request))]!)
        block.data!.data.push(plainEnvelope('forged'))
        call.write(blockFrame(encode(common.BlockSchema, block)))
      })
    })
    const backwards = await scripted((call) =>
      call.on('data', () => call.write(blockFrame(blocks[1]!))),
    )
    const ending = await scripted((call) =>
      call.on('data', () => call.write(statusFrame(common.Status.SUCCESS))),
    )
    const store = new Store()
    const endpoints = [forger, backwards, ending, endpoint]
    await (await serviceOf(store, { endpoints })).start()
    await expectSame(store, chain)
    expect(store.given).to.deep.equal(range(0, 10))
  })

  it('refuses another genesis block than the one that is trusted', async () => {
    const blocks = recordedBytes('bft-v3.1.5')
    const foreign = await honest({ chain: new MemoryChain({ channelId, blocks }) })
    const right = await honest()
    await grow(right.chain, 1)
    const store = new Store()
    const options = { endpoints: [foreign.endpoint, right.endpoint] }
    await (await serviceOf(store, options)).start()
    await expectSame(store, right.chain)
  })

  it('asks the endpoints that a configuration block names', async () => {
    const blocks = recordedBytes('bft-v3.1.5')
    const { chain, endpoint } = await honest({ chain: new MemoryChain({ channelId, blocks }) })
    const store = new Store()
    const asked: unknown[] = []
    const { client, clientTls } = await channel()
    const logger = {
      debug: () => undefined,
      info: (_: string, fields?: Readonly<Record<string, unknown>>) =>
        asked.push(fields?.['endpoint']),
      warn: () => undefined,
      error: () => undefined,
      child: () => logger,
    }
    const service = createDeliverService(
      { ledger: store.ledger, sink: store.sink, signer: client, clock: systemClock, logger },
      {
        channelId,
        configBlock: blocks[0]!,
        tls: clientTls,
        endpoints: [endpoint],
        ...impatient,
        onlyGiven: false,
      },
    )
    started.push(service)
    await service.start()
    await expectSame(store, chain)
    const [server] = started
    await server!.stop()
    await until(() => asked.includes('127.0.0.1:17205')) // the fifth consenter, added by block 22
  })

  it('waits for the sink when it stops, and gives it nothing afterwards', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 5)
    const store = new Store()
    let release: () => void = () => undefined
    store.onPut = (number) =>
      number === 2n ? new Promise<void>((resolve) => (release = resolve)) : undefined
    const service = await serviceOf(store, { endpoints: [endpoint] })
    await service.start()
    await until(() => store.given.length === 3)
    let stopped = false
    const stopping = service.stop().then(() => (stopped = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(stopped).to.equal(false)
    release()
    await stopping
    expect(store.given).to.deep.equal([0n, 1n, 2n])
    expect(store.blocks).to.have.length(3)
    expect(service.state).to.equal('stopped')
  })

  it('may be started and stopped twice, and not again afterwards', async () => {
    const store = new Store()
    const service = await serviceOf(store, { endpoints: [] })
    expect(service.state).to.equal('idle')
    await Promise.all([service.start(), service.start()])
    expect(service.state).to.equal('started')
    await Promise.all([service.stop(), service.stop()])
    const error = await service.start().catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'DELIVER_STOPPED')
  })

  it('rejects a start whose signal has aborted, and does not start', async () => {
    const service = await serviceOf(new Store(), { endpoints: [] })
    const reason = new TypeError('not now')
    const starting = service.start({ signal: AbortSignal.abort(reason) })
    expect(await starting.catch((error: unknown) => error)).to.equal(reason)
    expect(service.state).to.equal('idle')
  })

  it('stops while it waits to connect, or to try again', async () => {
    const store = new Store()
    const { serverTls } = await channel()
    const nobody = { address: 'localhost:1', roots: serverTls.roots }
    const service = await serviceOf(store, {
      endpoints: [nobody],
      minBackOffMs: 3_600_000,
      maxBackOffMs: 3_600_000,
    })
    await service.start()
    await new Promise((resolve) => setImmediate(resolve))
    await service.stop()
    expect(store.given).to.deep.equal([])
  })

  it('refuses a configuration block of another channel at construction', async () => {
    const store = new Store()
    const error = await serviceOf(store, { endpoints: [], channelId: 'other' }).catch(
      (reason: unknown) => reason,
    )
    expect(error).to.have.property('code', 'DELIVER_CONFIG')
  })
})
