import { expect } from 'chai'
import { systemClock } from '@heddle/events'
import { createTestOrganization } from '@heddle/msp/testing'
import { common, decode, encode } from '@heddle/proto'
import { MemoryChain } from '@heddle/orderer/testing'
import { type PullBlocksOptions, createBlockVerifier, pullBlocks } from '../../src/index.ts'
import {
  blockFrame,
  blocksOf,
  channel,
  channelId,
  grow,
  honest,
  impatient,
  plainEnvelope,
  seekStart,
  scripted,
  statusFrame,
  stopAll,
} from '../network.ts'
import { networks, recordedBytes } from '../recorded.ts'

describe('pullBlocks', function () {
  this.timeout(30_000) // a loaded machine takes its time

  afterEach(stopAll)

  type Options = Partial<PullBlocksOptions> & Pick<PullBlocksOptions, 'endpoints'>
  async function pulled(options: Options, most = Infinity): Promise<bigint[]> {
    const { client, clientTls, genesis } = await channel()
    const numbers: bigint[] = []
    const blocks = pullBlocks(
      { signer: client, clock: systemClock, random: () => 0 },
      { channelId, configBlock: genesis, tls: clientTls, ...impatient, ...options },
    )
    for await (const { message } of blocks) {
      numbers.push(message.header!.number)
      if (numbers.length >= most) break
    }
    return numbers
  }
  const range = (from: number, to: number): bigint[] =>
    [...Array(to - from + 1).keys()].map((index) => BigInt(from + index))

  it('gives every block up to the newest, as stored', async () => {
    const { client, clientTls, genesis } = await channel()
    const { chain, endpoint } = await honest()
    await grow(chain, 30)
    const stored = await blocksOf(chain)
    const bytes: Buffer[] = []
    const options = { channelId, configBlock: genesis, tls: clientTls, endpoints: [endpoint] }
    for await (const block of pullBlocks({ signer: client, clock: systemClock }, options)) {
      bytes.push(Buffer.from(block.bytes))
    }
    expect(bytes.map(String)).to.deep.equal(stored.map((one) => Buffer.from(one).toString()))
  })

  it('gives a range, and waits for a last block that is still to come', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 5)
    const early = pulled({ endpoints: [endpoint], from: 2n, to: 4n })
    expect(await early).to.deep.equal(range(2, 4))
    const late = pulled({ endpoints: [endpoint], from: 4n, to: 7n })
    await grow(chain, 4)
    expect(await late).to.deep.equal(range(4, 7))
  })

  it('gives nothing when the first block is still to come and it shall not follow', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 3)
    expect(await pulled({ endpoints: [endpoint], from: 4n }), 'the next one').to.deep.equal([])
    expect(await pulled({ endpoints: [endpoint], from: 9n }), 'one far ahead').to.deep.equal([])
  })

  it('follows until the reader leaves, or its signal aborts', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 2)
    const controller = new AbortController()
    const left = pulled({ endpoints: [endpoint], follow: true }, 5)
    const aborted = pulled({ endpoints: [endpoint], follow: true, signal: controller.signal })
    await grow(chain, 2)
    expect(await left).to.deep.equal(range(0, 4))
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await aborted.catch((error: unknown) => error)).to.equal(reason)
  })

  for (const network of networks) {
    it(`verifies the recorded network ${network} from its genesis block`, async () => {
      const blocks = recordedBytes(network)
      const { endpoint } = await honest({ chain: new MemoryChain({ channelId, blocks }) })
      const configBlock = blocks[0]!
      const all = await pulled({
        endpoints: [endpoint],
        configBlock,
        to: BigInt(blocks.length - 1),
      })
      expect(all).to.deep.equal(range(0, blocks.length - 1))
    })

    for (const from of [1, 2, 13, 14, 20, 22, 23, 25]) {
      it(`verifies ${network} from block ${from} on, with nothing but the genesis block`, async () => {
        const blocks = recordedBytes(network)
        const { endpoint } = await honest({ chain: new MemoryChain({ channelId, blocks }) })
        const configBlock = blocks[0]!
        const to = blocks.length - 1
        const got = await pulled({
          endpoints: [endpoint],
          configBlock,
          from: BigInt(from),
          to: BigInt(to),
        })
        expect(got).to.deep.equal(range(from, to))
      })
    }
  }

  it('begins at a later configuration block that is trusted', async () => {
    const blocks = recordedBytes('bft-v3.1.5')
    const { endpoint } = await honest({ chain: new MemoryChain({ channelId, blocks }) })
    const configBlock = blocks[13]!
    const options = { endpoints: [endpoint], configBlock, to: 16n }
    expect(await pulled({ ...options, from: 14n })).to.deep.equal(range(14, 16))
    const error = await pulled({ ...options, from: 13n }).catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'DELIVER_CONFIG')
  })

  it('rejects at once with a configuration block of another channel', async () => {
    const error = await pulled({ endpoints: [], channelId: 'other' }).catch((e: unknown) => e)
    expect(error).to.have.property('code', 'DELIVER_CONFIG')
  })

  it('rejects without any endpoint', async () => {
    const error = await pulled({ endpoints: [] }).catch((e: unknown) => e)
    expect(error).to.have.property('code', 'DELIVER_NO_ENDPOINTS')
  })

  const wrong = [
    { stallTimeoutMs: 0 },
    { connectTimeoutMs: -1 },
    { maxBlocksAhead: 0 },
    { maxFailures: 0 },
    { minBackOffMs: NaN },
    { stallTimeoutMs: '9' as unknown as number },
    { stalltimeoutMs: 9 },
  ]
  for (const spoilt of wrong) {
    it(`refuses ${JSON.stringify(spoilt)}`, async () => {
      const error = await pulled({ endpoints: [], ...spoilt }).catch((e: unknown) => e)
      expect(error).to.have.property('code', 'DELIVER_INVALID_OPTIONS')
    })
  }

  it('rejects with the last failure after as many as it may have', async () => {
    const { serverTls } = await channel()
    const nobody = { address: 'localhost:1', roots: serverTls.roots }
    const error = await pulled({ endpoints: [nobody], maxFailures: 3 }).catch((e: unknown) => e)
    expect(error).to.have.property('code', 'DELIVER_UNREACHABLE')
    expect(error).to.have.property('endpoint', 'localhost:1')
    expect(String(error)).to.match(/ECONNREFUSED/)
  })

  it('names the service that ends without the block to begin behind', async () => {
    const endpoint = await scripted((call) => {
      call.write(statusFrame(common.Status.SUCCESS))
      call.end()
    })
    const options = { endpoints: [endpoint], maxFailures: 1, from: 2n }
    const error = await pulled(options).catch((e: unknown) => e)
    expect(error).to.include({
      code: 'DELIVER_UNEXPECTED',
      message: `${endpoint.address} ended without block 1`,
      endpoint: endpoint.address,
    })
  })

  it('rejects with the status of a service that refuses', async () => {
    const { endpoint } = await honest({
      authorize: () => Promise.reject(new Error('a failure of its own')),
    })
    const error = await pulled({ endpoints: [endpoint], maxFailures: 1 }).catch((e: unknown) => e)
    expect(error).to.deep.include({
      code: 'DELIVER_STATUS',
      status: common.Status.INTERNAL_SERVER_ERROR,
      endpoint: endpoint.address,
    })
  })

  it('dials by another name when the certificate carries it', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 1)
    const named = { ...endpoint, serverName: 'orderer' }
    expect(await pulled({ endpoints: [named] })).to.deep.equal(range(0, 1))
    const error = await pulled({
      endpoints: [{ ...endpoint, serverName: 'somebody.else' }],
      maxFailures: 1,
    }).catch((e: unknown) => e)
    expect(error).to.have.property('code', 'DELIVER_UNREACHABLE')
  })

  it('dials an IP address when the certificate is for that address, and only then', async () => {
    const listen = { host: '127.0.0.1', port: 0 }
    const { chain, endpoint } = await honest({ server: { listen } })
    await grow(chain, 1)
    expect(endpoint.address).to.match(/^127\.0\.0\.1:/)
    expect(await pulled({ endpoints: [endpoint] })).to.deep.equal(range(0, 1))

    const { serverTls } = await channel()
    const stranger = await createTestOrganization({ mspId: 'OtherMSP' })
    const validity = {
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 60_000),
    }
    const named = await stranger.issue({
      commonName: 'o',
      purpose: 'tls',
      sans: ['localhost'],
      ...validity,
    })
    const tls = { certificate: named.certificate, key: named.privateKey, roots: serverTls.roots }
    const other = await honest({ server: { listen, tls } })
    const error = await pulled({
      endpoints: [{ ...other.endpoint, roots: [stranger.ca.certificate] }],
      maxFailures: 1,
    }).catch((e: unknown) => e)
    expect(error).to.have.property('code', 'DELIVER_UNREACHABLE')
    expect(String(error)).to.match(/IP: 127\.0\.0\.1 is not in the cert's list/)
  })

  describe('with a service beside it that', () => {
    /** Each gets the blocks and the number asked for. */
    const lies: [string, (blocks: Uint8Array[], from: number) => Buffer[]][] = [
      ['says SUCCESS at once', () => [statusFrame(common.Status.SUCCESS)]],
      ['says NOT_FOUND', () => [statusFrame(common.Status.NOT_FOUND)]],
      ['says FORBIDDEN', () => [statusFrame(common.Status.FORBIDDEN)]],
      ['says SERVICE_UNAVAILABLE', () => [statusFrame(common.Status.SERVICE_UNAVAILABLE)]],
      ['sends a status that nobody knows', () => [Buffer.from('08e707', 'hex')]],
      ['sends an empty frame', () => [Buffer.alloc(0)]],
      ['sends garbage', () => [Buffer.from([0xff, 0xff])]],
      [
        'sends a frame that is cut short',
        (blocks, from) => [blockFrame(blocks[from]!).subarray(0, 50)],
      ],
      [
        'sends a block and more in one frame',
        (blocks, from) => [
          Buffer.concat([blockFrame(blocks[from]!), Buffer.from('08c801', 'hex')]),
        ],
      ],
      ['goes backwards', (blocks, from) => [blockFrame(blocks[from]!), blockFrame(blocks[0]!)]],
      [
        'skips a block',
        (blocks, from) => [blockFrame(blocks[from]!), blockFrame(blocks[from + 2]!)],
      ],
      ['repeats a block', (blocks, from) => [blockFrame(blocks[from]!), blockFrame(blocks[from]!)]],
      [
        'forges a transaction',
        (blocks, from) => {
          const block = decode(common.BlockSchema, blocks[from + 1]!)
          block.data!.data[0] = plainEnvelope('forged')
          return [blockFrame(blocks[from]!), blockFrame(encode(common.BlockSchema, block))]
        },
      ],
      [
        'leaves the transactions out',
        (blocks, from) => {
          const block = decode(common.BlockSchema, blocks[from]!)
          delete block.data
          return [blockFrame(encode(common.BlockSchema, block))]
        },
      ],
    ]
    for (const [what, lie] of lies) {
      it(`${what}: gets every block from the other`, async () => {
        const { chain, endpoint } = await honest()
        await grow(chain, 8)
        const blocks = await blocksOf(chain)
        const liar = await scripted((call) => {
          call.on('data', (request: Buffer) => {
            const start = Number(seekOf(request))
            for (const frame of lie(blocks, start)) call.write(frame)
          })
        })
        const got = await pulled({ endpoints: [liar, endpoint], to: 8n })
        expect(got).to.deep.equal(range(0, 8))
        expect(liar.streams(), 'the liar was asked').to.be.greaterThan(0)
      })
    }

    it('hangs up without a word', async () => {
      const { chain, endpoint } = await honest()
      await grow(chain, 3)
      const rude = await scripted((call) => call.on('data', () => call.end()))
      expect(await pulled({ endpoints: [rude, endpoint], to: 3n })).to.deep.equal(range(0, 3))
    })

    it('takes the request and never answers', async () => {
      const { chain, endpoint } = await honest()
      await grow(chain, 3)
      const silent = await scripted(() => undefined)
      const options = { endpoints: [silent, endpoint], stallTimeoutMs: 500, to: 3n }
      expect(await pulled(options)).to.deep.equal(range(0, 3))
    })

    it('stops in the middle: nothing is given twice', async () => {
      const { chain, endpoint } = await honest()
      await grow(chain, 8)
      const blocks = await blocksOf(chain)
      const breaking = await scripted((call, stream) => {
        call.on('data', (request: Buffer) => {
          const start = Number(seekOf(request))
          for (const block of blocks.slice(start, start + 2 + stream)) call.write(blockFrame(block))
          call.emit('error', { code: 14, details: 'broken' })
        })
      })
      const got = await pulled({ endpoints: [breaking, endpoint], to: 8n, maxFailures: 100 })
      expect(got).to.deep.equal(range(0, 8))
    })

    it('is of another authority', async () => {
      const { chain, endpoint } = await honest()
      await grow(chain, 1)
      const { roots } = await (await createTestOrganization({ mspId: 'Other' })).tls('x')
      const error = await pulled({
        endpoints: [{ ...endpoint, roots }],
        maxFailures: 1,
      }).catch((reason: unknown) => reason)
      expect(error).to.have.property('code', 'DELIVER_UNREACHABLE')
      expect(String(error)).to.match(/certificate/)
    })
  })

  it('suspects a liar: it is asked once, not again while the honest one works', async () => {
    const { chain, endpoint } = await honest()
    await grow(chain, 3)
    const liar = await scripted((call) => {
      call.on('data', () => call.write(statusFrame(common.Status.SUCCESS)))
    })
    const rude = { failures: 0 }
    const flaky = await scripted((call) => {
      rude.failures++
      call.on('data', () => call.end())
    })
    const options = { endpoints: [liar, flaky, endpoint], to: 3n }
    expect(await pulled(options)).to.deep.equal(range(0, 3))
    expect([liar.streams(), rude.failures]).to.deep.equal([1, 1])
  })

  it('gives blocks that another verifier accepts', async () => {
    const { client, clientTls, genesis } = await channel()
    const { chain, endpoint } = await honest()
    await grow(chain, 3)
    const verifier = createBlockVerifier({
      channelId,
      configBlock: decode(common.BlockSchema, genesis),
    })
    const options = {
      channelId,
      configBlock: genesis,
      tls: clientTls,
      endpoints: [endpoint],
      from: 1n,
    }
    for await (const block of pullBlocks({ signer: client, clock: systemClock }, options)) {
      await verifier.verify(block)
      verifier.advance(block)
    }
    expect(verifier.next).to.equal(4n)
  })
})

function seekOf(request: Uint8Array): bigint {
  return seekStart(request) ?? 0n
}
