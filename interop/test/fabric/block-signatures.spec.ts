import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGenesisBlock } from '@heddle/channel'
import { signedEnvelope } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { type GeneratedNode, generateOrganization, loadMsp, loadSigningIdentity } from '@heddle/msp'
import { type BlockSigner, createOrdererServer } from '@heddle/orderer'
import { MemoryChain } from '@heddle/orderer/testing'
import { common, encode } from '@heddle/proto'
import { expect } from 'chai'
import { Cleanup } from '../support/cleanup.ts'
import { eventually } from '../support/eventually.ts'
import { fabricHome } from '../support/fabric-home.ts'
import { FabricPeer } from '../support/fabric-peer.ts'
import { freePorts } from '../support/ports.ts'

const channelId = 'quorum'
const sans = ['localhost', '127.0.0.1']

/** Four consenters, and an application organisation with a peer and its administrator. */
async function makeOrganizations(dir: string) {
  const ids = [1, 2, 3, 4]
  const orderers = await generateOrganization({
    mspId: 'OrdererMSP',
    domain: 'orderer.example.com',
    dir: join(dir, 'orderers'),
    nodes: ids.map((id) => ({ name: `orderer${id}`, role: 'orderer', sans })),
  })
  const peers = await generateOrganization({
    mspId: 'Org1MSP',
    domain: 'org1.example.com',
    dir: join(dir, 'peers'),
    nodes: [
      { name: 'peer0', role: 'peer', sans },
      { name: 'admin', role: 'admin' },
    ],
  })
  const signers = await Promise.all(
    orderers.nodes.map(({ mspDir }) => loadSigningIdentity(mspDir, 'OrdererMSP')),
  )
  return { orderers, peers, signers }
}

type Organizations = Awaited<ReturnType<typeof makeOrganizations>>

async function makeGenesis(made: Organizations, ports: readonly number[]): Promise<Uint8Array> {
  const group = async (mspId: string, dir: string) => ({
    name: mspId,
    mspId,
    msp: (await loadMsp(dir, mspId)).toConfig(),
  })
  const endpoints = ports.map((port) => `127.0.0.1:${port}`)
  const consenter = async ({ tls }: GeneratedNode, index: number) => {
    const certificate = await readFile(tls.certificate)
    return {
      id: index + 1,
      host: '127.0.0.1',
      port: ports[index]!,
      mspId: 'OrdererMSP',
      identity: made.signers[index]!.idBytes,
      clientTlsCert: certificate,
      serverTlsCert: certificate,
    }
  }
  const block = createGenesisBlock({
    channelId,
    timestamp: new Date(),
    nonce: Buffer.alloc(24, 1),
    ordererOrgs: [{ ...(await group('OrdererMSP', made.orderers.mspDir)), endpoints }],
    applicationOrgs: [await group('Org1MSP', made.peers.mspDir)],
    consenters: await Promise.all(made.orderers.nodes.map(consenter)),
    batchSize: { maxMessageCount: 10, absoluteMaxBytes: 1_000_000, preferredMaxBytes: 1_000_000 },
    batchTimeout: '1s',
    consensusMetadata: new Uint8Array(0),
  })
  return encode(common.BlockSchema, block)
}

/** Who signs blocks, by consenter id. */
type Signers = ReadonlyMap<number, BlockSigner>

if (fabricHome !== undefined) {
  describe("A real Fabric peer that pulls from Heddle's Deliver service", function () {
    this.timeout(90_000)
    const home = fabricHome ?? ''
    const cleanup = new Cleanup()
    let made: Organizations
    let genesis: Uint8Array
    let peer: FabricPeer
    let served: MemoryChain

    before(async () => {
      const dir = await mkdtemp(join(tmpdir(), 'heddle-interop-'))
      cleanup.defer(() => rm(dir, { recursive: true, force: true }))
      made = await makeOrganizations(dir)
      const ports = await freePorts(4)
      genesis = await makeGenesis(made, ports)
      served = new MemoryChain({ channelId, blocks: [genesis] })
      const roots = [made.orderers, made.peers].map(({ nodes }) => readFile(nodes[0]!.tls.roots))
      for (const [index, { tls }] of made.orderers.nodes.entries()) {
        const server = createOrdererServer(
          { chains: (id) => (id === channelId ? served : undefined), clock: systemClock },
          {
            listen: { host: '127.0.0.1', port: ports[index]! },
            tls: {
              certificate: await readFile(tls.certificate),
              key: await readFile(tls.key),
              roots: await Promise.all(roots),
            },
          },
        )
        await server.start()
        cleanup.defer(() => server.stop())
      }
      const block = join(dir, 'genesis.block')
      await writeFile(block, genesis)
      const [node, admin] = made.peers.nodes
      const identity = { ...node!, mspId: 'Org1MSP' }
      peer = await FabricPeer.start({ home, dir: join(dir, 'fabric-peer'), ...identity })
      cleanup.defer(() => peer.stop())
      await peer.command(admin!.mspDir, 'channel', 'join', '-b', block)
    })

    after(() => cleanup.run())

    async function append(): Promise<void> {
      const { bytes } = await signedEnvelope({
        channelId,
        type: common.HeaderType.MESSAGE,
        data: Buffer.from('a transaction'),
        signer: made.signers[0]!,
        clock: systemClock,
      })
      await served.appendBlock([bytes])
    }

    /** Serves a chain whose block 1 is signed by these, also to the streams that wait. */
    async function serve(signers: Signers): Promise<void> {
      served.fail(new Error('another chain is served'))
      served = new MemoryChain({ channelId, blocks: [genesis], signers })
      await append()
    }

    async function height(): Promise<number> {
      const [, admin] = made.peers.nodes
      return (await peer.channelInfo(admin!.mspDir, channelId)).height
    }

    async function refuses(block: number): Promise<void> {
      const refusal = `block [${block}] from orderer`
      await eventually('the refusal', () => {
        const lines = peer.log.split('\n').filter((line) => line.includes(refusal))
        return lines.some((line) => line.includes('did not satisfy policy')) ? true : undefined
      })
      expect(await height()).to.equal(block)
    }

    it('refuses a block that two of four consenters signed', async () => {
      const [first, second] = made.signers
      await serve(new Map<number, BlockSigner>().set(1, first!).set(2, second!))
      await refuses(1)
    })

    it('takes a block that three signed, and refuses one whose third signature is another’s', async () => {
      const [first, second, third] = made.signers
      const signers = new Map<number, BlockSigner>().set(1, first!).set(2, second!).set(3, third!)
      await serve(signers)
      await eventually('block 1', async () => ((await height()) === 2 ? true : undefined))
      signers.set(3, second!)
      await append()
      await refuses(2)
    })
  })
}
