import { expect } from 'chai'
import { readFile, writeFile } from 'node:fs/promises'
import { pullBlocks } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { OrdererError, createOrdererServer } from '@heddle/orderer'
import { common, decode, encode } from '@heddle/proto'
import { loadConfig } from '../../src/config/load.ts'
import { Sandbox, recordLines } from '../support/heddle.ts'
import { Validators } from '../support/validators.ts'
import type { Chain, OrdererServer } from '@heddle/orderer'

/** The same block, of which a source says that all of it was rejected. */
function withOtherCodes(bytes: Uint8Array): Uint8Array {
  const block = decode(common.BlockSchema, bytes)
  const slots = block.metadata!.metadata
  if (block.header!.number > 0n) slots[2] = Buffer.alloc(slots[2]!.length, 255)
  return encode(common.BlockSchema, block)
}

/** The kind: one of four validators answers clients, with its own certificate, and lies. */
describe('a validator that lies to clients', function () {
  this.timeout(180_000)
  const sandbox = new Sandbox()
  let network: Validators
  let server: OrdererServer | undefined
  let liar = ''

  before(async () => {
    await sandbox.open()
    network = await Validators.make(sandbox, 'net', { input: recordLines('before', 3) })
    await network.startAll(network.names.slice(1))
    server = await serveLies()
    liar = server.address ?? ''
    // The first, so that it is asked first.
    const { descriptor, dir } = network
    const validators = descriptor.validators.map((each, id) =>
      id === 0 ? { ...each, orderer: liar } : each,
    )
    await writeFile(`${dir}/network.json`, JSON.stringify({ ...descriptor, validators }))
  })
  after(async () => {
    try {
      await server?.stop({ signal: AbortSignal.abort() })
      await network.stop()
    } finally {
      await sandbox.close()
    }
  })

  /** Follows an honest validator, and gives out what it gives, altered; refuses whatever it is sent. */
  async function serveLies(): Promise<OrdererServer> {
    const { client } = network
    const pull = (from: bigint, follow: boolean, signal?: AbortSignal) =>
      pullBlocks(
        { signer: client.signer, clock: systemClock },
        {
          channelId: client.channelId,
          endpoints: client.endpoints.slice(1),
          configBlock: client.genesis,
          tls: client.tls,
          from,
          follow,
          ...(signal && { signal }),
        },
      )
    const chain: Chain = {
      channelId: client.channelId,
      configSequence: 0n,
      height: () => 2n ** 40n,
      async block(number) {
        for await (const { bytes } of pull(number, false)) return withOtherCodes(bytes)
        return undefined
      },
      async *follow(from, { signal } = {}) {
        for await (const { bytes } of pull(from, true, signal)) yield withOtherCodes(bytes)
      },
      authorize: () => Promise.resolve({}),
      submit: () => Promise.reject(new OrdererError('ORDERER_FORBIDDEN', 'nobody may write')),
    }
    const config = await loadConfig(network.config('validator0'), {})
    const lying = createOrdererServer(
      { chains: () => chain, clock: systemClock },
      {
        listen: { host: '127.0.0.1', port: 0 },
        tls: {
          certificate: await readFile(config['peer.tls.cert.file']),
          key: await readFile(config['peer.tls.key.file']),
          roots: [await readFile(`${network.dir}/${tlsRootsOfClient()}`)],
        },
      },
    )
    await lying.start()
    return lying
  }

  function tlsRootsOfClient(): string {
    const { tlsCertificate } = network.descriptor.client
    return tlsCertificate.replace(/[^/]+$/, 'ca.crt')
  }

  it('is believed by no submit: neither a refusal nor what it says of a block', async () => {
    const run = await sandbox.run(['submit', '--json', '--dir', network.dir], {
      input: recordLines('line', 5),
    })
    expect(run.status, run.stderr).to.equal(0)
    expect(run.heddle.json).to.have.length(5)
    for (const line of run.heddle.json) expect(line).to.include({ accepted: true })
  })

  it('is passed over by blocks, which prints nothing of it', async () => {
    const [all, honest] = await Promise.all([
      sandbox.run(['blocks', '--json', '--dir', network.dir]),
      sandbox.run([
        ...['blocks', '--json', '--dir', network.dir],
        ...['--endpoint', network.described('validator1').orderer],
      ]),
    ])
    expect([all.status, honest.status], all.stderr).to.deep.equal([0, 0])
    expect(all.stdout).to.equal(honest.stdout)
  })

  it('is named, with what is wrong, when blocks may ask nobody else', async () => {
    const run = await sandbox.run([
      ...['blocks', '--from', '1', '--dir', network.dir, '--endpoint', liar],
    ])
    expect(run.status).not.to.equal(0)
    expect(run.stdout).to.equal('')
    expect(run.stderr).to.include('block 1 holds codes or results that its quorum did not sign')
  })

  it('is marked as what it is: the word of one', async () => {
    const text = await sandbox.run(['network', 'status', '--dir', network.dir])
    expect(text.stdout).to.match(/^validator1 says {2}height /m)
    const { heddle } = await sandbox.run(['network', 'status', '--json', '--dir', network.dir])
    for (const { name, unverified, ...said } of heddle.json.filter(({ problem }) => !problem)) {
      expect(name).to.match(/^validator/)
      expect(unverified).to.deep.equal(Object.keys(said))
    }
  })
})
