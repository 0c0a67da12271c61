import { expect } from 'chai'
import { Writable } from 'node:stream'
import { systemClock } from '@heddle/events'
import { isCodedError } from '@heddle/interface'
import { createOrdererServer } from '@heddle/orderer'
import { MemoryChain } from '@heddle/orderer/testing'
import { common, decode, encode } from '@heddle/proto'
import { createLogging } from '../../src/logging/logger.ts'
import { createBlockSource } from '../../src/node/block-source.ts'
import { channelId, testChannel, testMembers, transaction } from '../support/channel.ts'
import { signedBlocks } from '../support/signed-chain.ts'
import type { Clock } from '@heddle/interface'
import type { OrdererServer } from '@heddle/orderer'
import type { Config } from '../../src/config/settings.ts'
import type { Material } from '../../src/node/material.ts'
import type { BlockSource } from '../../src/engine/engine.ts'

/** The clock of the machine, on which waiting before another attempt takes no time to speak of. */
const brisk: Clock = {
  now: () => systemClock.now(),
  wallTime: () => systemClock.wallTime(),
  schedule: (ms, callback) => systemClock.schedule(ms <= 1000 ? ms / 100 : ms, callback),
}

/** A validator that delivers blocks. */
interface Source {
  readonly chain: MemoryChain
  readonly server: OrdererServer
}

describe('the source of blocks of a state transfer', function () {
  this.timeout(60_000)
  const servers: OrdererServer[] = []
  /** Nobody is there: it must not be asked. */
  const self = '127.0.0.1:1'

  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop({ signal: AbortSignal.abort() })
  })

  async function serve(held: readonly Uint8Array[]): Promise<Source> {
    const { ordering } = await testMembers()
    const chain = new MemoryChain({ channelId, blocks: held })
    const server = createOrdererServer(
      { chains: () => chain, clock: systemClock },
      { listen: { host: '127.0.0.1', port: 0 }, tls: await ordering.tls('validator') },
    )
    servers.push(server)
    await server.start()
    return { chain, server }
  }

  /** The source of replica 0, that knows where each of the others delivers. */
  async function sourceOf(
    addresses: readonly string[],
    change: Partial<Material> = {},
  ): Promise<BlockSource> {
    const { ordering, validators } = await testMembers()
    const { config: channel, genesis } = await testChannel(4)
    const tls = await ordering.tls('validator0')
    const material = {
      genesis,
      channel,
      msp: ordering.msp,
      signer: validators[0]!,
      replica: 0,
      tlsCertificate: tls.certificate,
      tlsKey: tls.key,
      tlsRoots: tls.roots,
      ...change,
    }
    const config = {
      'peer.tls.serverhostoverride': 'localhost',
      validators: addresses.map((orderer, id) => ({ id, gossip: '', orderer })),
    }
    const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
    return createBlockSource({
      config: config as unknown as Config,
      material,
      clock: brisk,
      logging: createLogging('error', {}, silent),
    })
  }

  async function pull(
    source: BlockSource,
    from: bigint,
    replicas: readonly number[],
  ): Promise<Uint8Array[]> {
    const pulled: Uint8Array[] = []
    // What a state transfer is given, with what is none of a source's business.
    const options = { signal: new AbortController().signal, mark: Buffer.from('mark') }
    for await (const { bytes } of source.pull(from, replicas, options)) pulled.push(bytes)
    return pulled
  }

  async function codeOf(promise: Promise<unknown>): Promise<string> {
    const error: unknown = await promise.catch((reason: unknown) => reason)
    return isCodedError(error) ? error.code : `no coded error: ${String(error)}`
  }

  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

  it('pulls the blocks from a number on, with the bytes that the other has', async () => {
    const held = await signedBlocks(5)
    const { server } = await serve(held)
    const source = await sourceOf([self, server.address!])
    expect((await pull(source, 1n, [1])).map(hex)).to.deep.equal(held.slice(1).map(hex))
    expect((await pull(source, 4n, [1])).map(hex)).to.deep.equal(held.slice(4).map(hex))
  })

  it('asks only those that it is told to, and never itself', async () => {
    const { server } = await serve(await signedBlocks(1))
    const source = await sourceOf([server.address!, server.address!])
    // Replica 0 is itself, 2 has no address, 4 and 5 are no consenters.
    for (const replicas of [[], [0], [2], [4], [5, -1, 0.5], [0, 2, 4]]) {
      expect(await codeOf(pull(source, 1n, replicas)), replicas.join()).to.equal(
        'DELIVER_NO_ENDPOINTS',
      )
    }
    expect(await pull(source, 1n, [0, 1, 2, 4])).to.have.length(1)
  })

  it('goes to another when one has gone', async () => {
    const held = await signedBlocks(3)
    const [gone, there] = [await serve(held), await serve(held)]
    const addresses = [self, gone.server.address!, there.server.address!]
    await gone.server.stop({ signal: AbortSignal.abort() })
    expect(await pull(await sourceOf(addresses), 1n, [1, 2])).to.have.length(3)
  })

  it('refuses blocks that too few signed, that were changed wherever, or that leave one out', async () => {
    const held = await signedBlocks(3)
    const unsigned = decode(common.BlockSchema, held[2]!)
    const signed = decode(common.MetadataSchema, unsigned.metadata!.metadata[0]!)
    signed.signatures.pop()
    unsigned.metadata!.metadata[0] = encode(common.MetadataSchema, signed)
    const changed = decode(common.BlockSchema, held[2]!)
    changed.data!.data[0] = transaction((await testMembers()).client)
    const recoded = decode(common.BlockSchema, held[2]!)
    recoded.metadata!.metadata[2] = Buffer.of(255)
    const chains = {
      DELIVER_SIGNATURES: [held[0]!, held[1]!, encode(common.BlockSchema, unsigned), held[3]!],
      DELIVER_DATA_HASH: [held[0]!, held[1]!, encode(common.BlockSchema, changed), held[3]!],
      DELIVER_BLOCK_NUMBER: [held[0]!, held[1]!, held[3]!],
      DELIVER_BLOCK_REFUSED: [held[0]!, held[1]!, encode(common.BlockSchema, recoded), held[3]!],
    }
    for (const [code, lies] of Object.entries(chains)) {
      const { server } = await serve(lies)
      const source = await sourceOf([self, server.address!])
      const taken: bigint[] = []
      const pulling = (async () => {
        for await (const { message } of source.pull(1n, [1], {})) {
          taken.push(message.header!.number)
        }
      })()
      expect(await codeOf(pulling)).to.equal(code)
      expect(taken, code).to.deep.equal([1n])
    }
  })

  it('takes the right block from another when one lies', async () => {
    const held = await signedBlocks(3)
    const [liar, honest] = [await serve([held[0]!, held[1]!, held[3]!]), await serve(held)]
    const source = await sourceOf([self, liar.server.address!, honest.server.address!])
    expect((await pull(source, 1n, [1, 2])).map(hex)).to.deep.equal(held.slice(1).map(hex))
  })

  it('believes nobody whose TLS certificate is of another organisation', async () => {
    const { clients, ordering } = await testMembers()
    const tls = await clients.tls('validator')
    const chain = new MemoryChain({ channelId, blocks: await signedBlocks(1) })
    const server = createOrdererServer(
      { chains: () => chain, clock: systemClock },
      {
        listen: { host: '127.0.0.1', port: 0 },
        // It lets validators in: that it is refused is their doing.
        tls: { ...tls, roots: [ordering.tlsCa.certificate] },
      },
    )
    servers.push(server)
    await server.start()
    const source = await sourceOf([self, server.address!])
    expect(await codeOf(pull(source, 1n, [1]))).to.equal('DELIVER_UNREACHABLE')
  })

  it('ends when it is told to, with the reason', async () => {
    const { server } = await serve(await signedBlocks(20))
    const source = await sourceOf([self, server.address!])
    const reason = new TypeError('enough')
    const abort = new AbortController()
    const pulling = (async () => {
      for await (const { message } of source.pull(1n, [1], { signal: abort.signal })) {
        if (message.header!.number === 2n) abort.abort(reason)
      }
    })()
    expect(await pulling.catch((error: unknown) => error)).to.equal(reason)
  })
})
