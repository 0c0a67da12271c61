import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type BroadcastClient,
  type DeliverService,
  createBroadcastClient,
  createDeliverService,
  pullBlocks,
  signedEnvelope,
} from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { type SigningIdentity, loadSigningIdentity } from '@heddle/msp'
import { type Received, blockHeaderHash, common } from '@heddle/proto'
import { expect } from 'chai'
import { Cleanup } from '../support/cleanup.ts'
import { eventually } from '../support/eventually.ts'
import { peerDomain, peerOrganizationFolder } from '../support/fabric-config.ts'
import { fabricHome } from '../support/fabric-home.ts'
import { FabricOrderers } from '../support/fabric-orderers.ts'

/** Keeps blocks in memory, as a ledger that a deliver service fills. */
class Blocks {
  readonly received: Received<common.Block>[] = []

  height(): bigint {
    return BigInt(this.received.length)
  }

  block(number: bigint): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.received[Number(number)]?.bytes)
  }

  put(block: Received<common.Block>): Promise<void> {
    this.received.push(block)
    return Promise.resolve()
  }

  /** Whether a transaction is in one of the blocks. */
  holds(txId: string): boolean {
    return this.received.some(({ bytes }) => Buffer.from(bytes).includes(txId))
  }
}

if (fabricHome !== undefined) {
  describe('deliver against real BFT orderers of Fabric', function () {
    this.timeout(120_000)
    const home = fabricHome ?? ''
    let orderers: FabricOrderers
    let signer: SigningIdentity
    let broadcast: BroadcastClient
    const blocks = new Blocks()
    let service: DeliverService
    const cleanup = new Cleanup()

    before(async () => {
      const dir = await mkdtemp(join(tmpdir(), 'heddle-interop-'))
      cleanup.defer(() => rm(dir, { recursive: true, force: true }))
      orderers = await FabricOrderers.start(home, dir, 4)
      cleanup.defer(() => orderers.stop())
      const user = join(peerOrganizationFolder(orderers.crypto), 'users', `User1@${peerDomain}`)
      signer = await loadSigningIdentity(join(user, 'msp'), 'Org1MSP')
      const { endpoints, channelId, genesis } = orderers
      broadcast = createBroadcastClient(
        { clock: systemClock },
        { endpoints, answerTimeoutMs: 3000 },
      )
      await broadcast.start()
      cleanup.defer(() => broadcast.stop())
      service = createDeliverService(
        { ledger: blocks, sink: blocks, signer, clock: systemClock },
        { channelId, endpoints, configBlock: genesis, stallTimeoutMs: 3000 },
      )
      cleanup.defer(() => service.stop())
    })

    after(() => cleanup.run())

    async function submit(count: number): Promise<string[]> {
      const ids: string[] = []
      for (let i = 0; i < count; i++) {
        const { bytes, txId } = await signedEnvelope({
          channelId: orderers.channelId,
          // Fabric's BFT orderers put nothing else into blocks, and do not look inside.
          type: common.HeaderType.ENDORSER_TRANSACTION,
          data: Buffer.from(`transaction ${i}`),
          signer,
          clock: systemClock,
        })
        const { status } = await broadcast.submit(bytes)
        expect(status, `transaction ${i}`).to.equal(common.Status.SUCCESS)
        ids.push(txId)
      }
      return ids
    }

    it('has envelopes taken by Broadcast, and pulls and verifies their blocks from each orderer', async () => {
      await service.start()
      const ids = await submit(12)
      await eventually('all are in blocks', () =>
        ids.every((id) => blocks.holds(id)) ? true : undefined,
      )
      const height = blocks.height()
      for (const endpoint of orderers.endpoints) {
        const pulled: Uint8Array[] = []
        const { channelId, genesis } = orderers
        for await (const { message } of pullBlocks(
          { signer, clock: systemClock },
          { channelId, endpoints: [endpoint], configBlock: genesis, to: height - 1n },
        )) {
          pulled.push(blockHeaderHash(message.header!))
        }
        const hashes = blocks.received
          .slice(0, Number(height))
          .map(({ message }) => blockHeaderHash(message.header!))
        expect(pulled, endpoint.address).to.deep.equal(hashes)
      }
    })

    it('goes on with another orderer after kill -9 of the one that it pulls from', async () => {
      const killed = service.status().endpoint ?? ''
      await orderers.kill(killed)
      const ids = await submit(6)
      await eventually(
        'the later ones are in blocks',
        () => (ids.every((id) => blocks.holds(id)) ? true : undefined),
        60_000,
      )
      expect(service.status().endpoint).not.to.equal(killed)
      const numbers = blocks.received.map(({ message }) => message.header?.number)
      expect(numbers).to.deep.equal(numbers.map((_, number) => BigInt(number)))
    })
  })
}
