import { expect } from 'chai'
import { type DecodedTransaction, decodeBlock } from '../support/block-decoder.ts'
import { consentersOf, dataHash, headerHash, signersOf } from '../support/block-proof.ts'
import { Cleanup } from '../support/cleanup.ts'
import { HeddleNetwork } from '../support/heddle-network.ts'
import { OfficialClient } from '../support/official-client.ts'

/** Records put through each network before the clients come. */
const records = 40

/** What the BFT quorum of four comes to. */
const quorum = 3

describe("Fabric's official clients against a Heddle network", function () {
  this.timeout(90_000)
  let network: HeddleNetwork
  let client: OfficialClient
  const cleanup = new Cleanup()
  const sent = new Map<string, number>()

  before(async () => {
    network = await HeddleNetwork.up(await HeddleNetwork.makeFolder(), records)
    cleanup.defer(() => network.down())
    client = await OfficialClient.of(network)
    cleanup.defer(() => client.close())
  })

  after(() => cleanup.run())

  it('answers SUCCESS to envelopes that fabric-common signs and broadcasts to each validator', async () => {
    for (let validator = 0; validator < 4; validator++) {
      const record = { id: `official${validator}`, from: 'fabric-common' }
      const { txId, envelope } = client.transaction(record)
      const status = await client.broadcast(validator, envelope)
      expect(status, `validator ${validator}`).to.equal('SUCCESS')
      sent.set(txId, validator)
    }
  })

  it('answers FORBIDDEN when the signature is not that of the payload', async () => {
    const { envelope } = client.transaction({ id: 'mine' })
    const other = client.transaction({ id: 'another' })
    envelope.setSignature(other.envelope.getSignature_asU8())
    expect(await client.broadcast(0, envelope)).to.equal('FORBIDDEN')
  })

  it('serves every validator’s chain with hashes that link and a quorum of BFT signatures', async () => {
    const reference = await client.blocks(0)
    expect(reference.length).to.be.greaterThan(records / 10)
    const consenters = consentersOf(reference[0]!)
    expect([...consenters.keys()].sort()).to.deep.equal([1, 2, 3, 4])
    for (const [number, block] of reference.entries()) {
      const header = block.getHeader()!
      expect(header.getNumber(), 'number').to.equal(number)
      expect(Buffer.from(header.getDataHash_asU8()).toString('hex')).to.equal(dataHash(block))
      if (number === 0) continue
      const previous = Buffer.from(header.getPreviousHash_asU8()).toString('hex')
      expect(previous, `link of ${number}`).to.equal(
        headerHash(reference[number - 1]!.getHeader()!),
      )
      expect(signersOf(block, consenters).size, `signers of ${number}`).to.be.at.least(quorum)
    }
    for (let validator = 1; validator < 4; validator++) {
      const blocks = await client.blocks(validator)
      const hashes = blocks.map((block) => headerHash(block.getHeader()!))
      const shared = Math.min(hashes.length, reference.length)
      expect(hashes.slice(0, shared), `validator ${validator}`).to.deep.equal(
        reference.slice(0, shared).map((block) => headerHash(block.getHeader()!)),
      )
    }
  })

  it('serves blocks that BlockDecoder reads, the configuration and each transaction included', async () => {
    const blocks = (await client.blocks(1)).map(decodeBlock)
    const headerOf = (transaction: DecodedTransaction) => transaction.payload.header.channel_header
    const [genesis, ...others] = blocks
    const [config] = genesis!.data.data
    expect(headerOf(config!).typeString).to.equal('CONFIG')
    expect(config!.payload.data.config?.channel_group.groups).to.have.keys([
      'Orderer',
      'Application',
    ])
    const transactions = others.flatMap((block) => block.data.data)
    expect(transactions.length).to.equal(records + sent.size)
    const { channelId, client: who } = network.descriptor
    for (const transaction of transactions) {
      const header = headerOf(transaction)
      expect(header).to.include({ typeString: 'MESSAGE', channel_id: channelId })
      expect(transaction.payload.header.signature_header.creator.mspid).to.equal(who.mspId)
    }
    const ids = transactions.map((transaction) => headerOf(transaction).tx_id)
    expect(new Set(ids).size, 'transaction ids').to.equal(ids.length)
    expect(ids).to.include.members([...sent.keys()])
  })
})
