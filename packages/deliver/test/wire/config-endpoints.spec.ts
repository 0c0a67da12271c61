import { expect } from 'chai'
import { systemClock } from '@heddle/events'
import type { LogFields, Logger } from '@heddle/interface'
import { createTestOrganization } from '@heddle/msp/testing'
import { common, create, decode, encode, receive } from '@heddle/proto'
import {
  type DeliverService,
  type DeliverServiceOptions,
  type Endpoint,
  createDeliverService,
  pullBlocks,
} from '../../src/index.ts'
import { MemoryStore } from '../../src/testing.ts'
import { changedConfig } from '../config-block.ts'
import {
  blocksOf,
  channel,
  channelId,
  grow,
  honest,
  impatient,
  started,
  stopAll,
  until,
} from '../network.ts'

// Kind: what a configuration says goes unchecked into a connection, here its endpoints.

/** Hardly any wait after a failure. */
const quick = { minBackOffMs: 1, maxBackOffMs: 1 }

const hostile = 'orderer\r\nX-Evil: 1\r\n\r\nGET http://internal/ HTTP/1.1\r\nHost: internal:7050'

/** The transaction of a configuration that names `addresses` for the only organisation. */
async function configNaming(...addresses: string[]): Promise<Uint8Array> {
  const { genesis } = await channel()
  const block = changedConfig(decode(common.BlockSchema, genesis), ({ orderer }) => {
    const value = create(common.OrdererAddressesSchema, { addresses })
    orderer.groups['Org1']!.values['Endpoints']!.value = encode(
      common.OrdererAddressesSchema,
      value,
    )
  })
  return block.data!.data[0]!
}

describe('Endpoints of a configuration block that cannot be used', function () {
  this.timeout(20_000)
  afterEach(stopAll)

  it('are said once, by block, and asked for nothing', async () => {
    const { genesis, client, clientTls } = await channel()
    const { chain, endpoint } = await honest()
    await chain.appendBlock([await configNaming(endpoint.address, hostile)], 1n)
    await chain.appendBlock([await configNaming(endpoint.address, hostile)], 2n)
    await chain.appendBlock([await configNaming(endpoint.address, hostile, 'x:0')], 3n)
    const warned: [string, LogFields | undefined][] = []
    const nothing = (): void => undefined
    const logger: Logger = {
      debug: nothing,
      info: nothing,
      warn: (event, fields) => warned.push([event, fields]),
      error: nothing,
      child: () => logger,
    }
    const asked = new Set<string>()
    const proxyFor = (address: string): undefined => void asked.add(address)
    const deps = { signer: client, clock: systemClock, logger, proxyFor }
    const options = { channelId, configBlock: genesis, endpoints: [endpoint], tls: clientTls }
    let last = 0n
    for await (const { message } of pullBlocks(deps, {
      ...options,
      ...impatient,
      onlyGiven: false,
    })) {
      last = message.header!.number
    }
    expect(last).to.equal(3n)
    const event = 'endpoints in the configuration of the channel cannot be used'
    const named = `${JSON.stringify(hostile)} of organisation "Org1" is not host:port`
    const added = '"x:0" of organisation "Org1" is not host:port'
    expect(warned).to.deep.equal([
      [event, { block: 1n, count: 1, endpoints: named }],
      [event, { block: 3n, count: 1, endpoints: added }],
    ])
    expect([...asked]).to.deep.equal([endpoint.address])
  })
})

describe('Endpoints of the configuration in force', function () {
  this.timeout(30_000)
  afterEach(stopAll)

  /** A ledger with these blocks, and what it takes. */
  async function storeWith(blocks: readonly Uint8Array[]): Promise<MemoryStore> {
    const store = new MemoryStore()
    for (const bytes of blocks) await store.put(receive(common.BlockSchema, bytes))
    return store
  }

  /** A service, over `store`, that is given `endpoints` and otherwise waits for hardly anything. */
  async function serviceOf(
    store: MemoryStore,
    endpoints: readonly Endpoint[],
    options: Partial<DeliverServiceOptions> = {},
  ): Promise<DeliverService> {
    const { genesis, client: signer, clientTls: tls } = await channel()
    const service = createDeliverService(
      { signer, clock: systemClock, ledger: store, sink: store },
      { ...{ channelId, configBlock: genesis, tls, endpoints }, ...quick, ...options },
    )
    started.push(service)
    await service.start()
    return service
  }

  const gone = (roots: Endpoint['roots']): Endpoint => ({ address: 'localhost:1', roots })

  it('are asked from the start, when the one that was given is gone', async () => {
    const { genesis } = await channel()
    const { chain, endpoint } = await honest()
    await grow(chain, 3)
    const store = new MemoryStore()
    // The genesis block names localhost:1.
    const addressOverrides = [{ from: 'localhost:1', to: endpoint.address }]
    const dead = { address: 'localhost:2', roots: endpoint.roots }
    const service = await serviceOf(store, [dead], { addressOverrides })
    await until(() => store.height() === 4n)
    expect(service.status().endpoint).to.equal(endpoint.address)
    expect(await store.block(0n)).to.deep.equal(Buffer.from(genesis))
  })

  it('are asked when no other is given at all, by pullBlocks too', async () => {
    const { genesis: configBlock, client: signer, clientTls: tls } = await channel()
    const { chain, endpoint } = await honest()
    await grow(chain, 2)
    const addressOverrides = [{ from: 'localhost:1', to: endpoint.address }]
    const numbers: bigint[] = []
    for await (const { message } of pullBlocks(
      { signer, clock: systemClock },
      { channelId, configBlock, tls, endpoints: [], ...quick, addressOverrides },
    ))
      numbers.push(message.header!.number)
    expect(numbers).to.deep.equal([0n, 1n, 2n])
  })

  it('are asked after a restart as the ledger has them, not as the trusted block does', async () => {
    const { chain, endpoint } = await honest()
    await chain.appendBlock([await configNaming(endpoint.address)], 1n)
    const store = await storeWith(await blocksOf(chain))
    await grow(chain, 2, 1n)
    await serviceOf(store, [gone(endpoint.roots)])
    await until(() => store.height() === 4n)
  })

  it('leave with the configuration that named them', async () => {
    const first = await honest()
    const { chain, endpoint } = first
    const second = await honest({ chain })
    const store = new MemoryStore()
    const addressOverrides = [{ from: 'localhost:1', to: endpoint.address }]
    const service = await serviceOf(store, [], { addressOverrides })
    await until(() => store.height() === 1n)
    expect(service.status().endpoint).to.equal(endpoint.address)
    await chain.appendBlock([await configNaming(second.endpoint.address)], 1n)
    await grow(chain, 2, 1n)
    await until(() => store.height() === 4n)
    expect(service.status().endpoint).to.equal(second.endpoint.address)
  })

  it('are known by the roots of the override, where it has some', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 1)
    const store = new MemoryStore()
    const foreign = await createTestOrganization({ mspId: 'Org2MSP' })
    const { roots } = await foreign.tls('orderer')
    const addressOverrides = [{ from: 'localhost:1', to: endpoint.address, roots }]
    const service = await serviceOf(store, [], { addressOverrides })
    await until(() => service.status().lastError !== undefined)
    expect(service.status().lastError).to.have.property('code', 'DELIVER_UNREACHABLE')
    expect(store.height()).to.equal(0n)
  })

  it('are not asked by who asks only those that were given', async () => {
    const { endpoint } = await honest()
    const store = new MemoryStore()
    const addressOverrides = [{ from: 'localhost:1', to: endpoint.address }]
    const dead = { address: 'localhost:2', roots: endpoint.roots }
    const options = { addressOverrides, onlyGiven: true }
    const service = await serviceOf(store, [dead], options)
    await until(() => service.status().lastError !== undefined)
    expect(service.status().lastError).to.have.property('endpoint', 'localhost:2')
    expect(store.height()).to.equal(0n)
  })

  it('refuses an override to what is not host:port', async () => {
    const error = await serviceOf(new MemoryStore(), [], {
      addressOverrides: [{ from: 'localhost:1', to: 'localhost' }],
    }).catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'DELIVER_INVALID_OPTIONS')
  })
})
