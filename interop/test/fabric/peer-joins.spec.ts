import { join } from 'node:path'
import { generateOrganization } from '@heddle/msp'
import { common } from '@hyperledger/fabric-protos'
import { expect } from 'chai'
import { readFile } from 'node:fs/promises'
import { headerHash } from '../support/block-proof.ts'
import { Cleanup } from '../support/cleanup.ts'
import { eventually } from '../support/eventually.ts'
import { fabricHome } from '../support/fabric-home.ts'
import { FabricPeer } from '../support/fabric-peer.ts'
import { HeddleNetwork, heddle } from '../support/heddle-network.ts'
import { OfficialClient } from '../support/official-client.ts'
import { run } from '../support/program.ts'

/** Records before the peer joins. */
const records = 40

if (fabricHome !== undefined) {
  describe('A real Fabric peer on a channel of a Heddle network', function () {
    this.timeout(120_000)
    const home = fabricHome ?? ''
    let network: HeddleNetwork
    let client: OfficialClient
    let peer: FabricPeer
    let admin: string
    const cleanup = new Cleanup()

    before(async () => {
      const dir = await HeddleNetwork.makeFolder()
      await run([process.execPath, heddle, 'crypto', 'generate', '--dir', dir])
      network = await HeddleNetwork.up(dir, records)
      cleanup.defer(() => network.down())
      client = await OfficialClient.of(network)
      cleanup.defer(() => client.close())
      // The application organisation gets a peer and an administrator besides its client.
      const { mspId } = network.descriptor.client
      const organization = await generateOrganization({
        mspId,
        domain: 'client.example.com',
        dir: join(dir, 'crypto', 'client.example.com'),
        nodes: [
          { name: 'peer0', role: 'peer', sans: ['localhost', '127.0.0.1'] },
          { name: 'admin', role: 'admin' },
        ],
      })
      const [node, administrator] = organization.nodes
      admin = administrator!.mspDir
      peer = await FabricPeer.start({ home, dir: join(dir, 'fabric-peer'), ...node!, mspId })
      cleanup.defer(() => peer.stop())
    })

    after(() => cleanup.run())

    /** Resolves when the peer has as many blocks, the last of which is `last`. */
    async function reaches(blocks: readonly common.Block[]): Promise<void> {
      const { channelId } = network.descriptor
      const info = await eventually(`the peer has ${blocks.length} blocks`, async () => {
        const seen = await peer.channelInfo(admin, channelId)
        return seen.height >= blocks.length ? seen : undefined
      })
      expect(info.height).to.equal(blocks.length)
      const last = headerHash(blocks.at(-1)!.getHeader()!)
      expect(Buffer.from(info.currentBlockHash, 'base64').toString('hex')).to.equal(last)
    }

    it('joins from the genesis block and pulls every block, checking the BFT signatures', async () => {
      const genesis = join(network.dir, 'genesis.block')
      await peer.command(admin, 'channel', 'join', '-b', genesis)
      await reaches(await client.blocks(0))
      expect(peer.log).to.contain('Creating a BFT (byzantine fault tolerant) BlockDeliverer')
      expect(peer.log).not.to.contain('did not satisfy policy')
    })

    it('receives the block of a new transaction', async () => {
      const { txId, envelope } = client.transaction({ id: 'late', to: 'the peer' })
      expect(await client.broadcast(2, envelope)).to.equal('SUCCESS')
      const blocks = await client.blocks(2)
      await reaches(blocks)
      const file = join(network.dir, 'fetched.block')
      const { channelId } = network.descriptor
      await peer.command(admin, 'channel', 'fetch', 'newest', file, '-c', channelId)
      const fetched = common.Block.deserializeBinary(await readFile(file))
      expect(headerHash(fetched.getHeader()!)).to.equal(headerHash(blocks.at(-1)!.getHeader()!))
      expect(Buffer.from(fetched.serializeBinary()).includes(txId)).to.equal(true)
    })
  })
}
