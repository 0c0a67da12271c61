import { expect } from 'chai'
import { isCodedError } from '@heddle/interface'
import { openMemoryLedger } from '@heddle/ledger/testing'
import {
  blockHeaderHash,
  blockMetadata,
  buildBlock,
  common,
  encode,
  signaturesSlot,
} from '@heddle/proto'
import { createSignatureArchive } from '../../src/node/signature-archive.ts'
import type { Ledger } from '@heddle/ledger'
import type { SignatureArchive } from '@heddle/orderer'

const value = Buffer.from('signed value')
const signatures = [1, 2, 3].map((id) => ({
  identifierHeader: Buffer.from(`consenter ${id}`),
  signature: Buffer.from(`signature ${id}`),
}))

describe('the archive of block signatures', () => {
  let ledger: Ledger
  let archive: SignatureArchive
  let previousHash: Uint8Array

  beforeEach(async () => {
    ledger = await openMemoryLedger()
    archive = createSignatureArchive(ledger)
    previousHash = new Uint8Array(0)
  })
  afterEach(() => ledger.close())

  /** Appends a block with these metadata slots. */
  async function append(metadata: readonly Uint8Array[]): Promise<void> {
    const block = buildBlock({ number: ledger.height, previousHash, envelopes: [], metadata })
    previousHash = blockHeaderHash(block.header!)
    await ledger.append({ block: encode(common.BlockSchema, block), txIds: [] })
  }

  it('gives what was signed as a block, with the signatures as they are and in their order', async () => {
    await append([])
    await append(blockMetadata({ signatures: { value, signatures } }))
    await append(blockMetadata({ signatures: { value, signatures: signatures.slice(1) } }))
    const plain = (await archive.block(1n))!.signatures.map((each) => ({
      identifierHeader: Buffer.from(each.identifierHeader),
      signature: Buffer.from(each.signature),
    }))
    expect(plain).to.deep.equal(signatures)
    const signed = (await archive.block(1n))!
    expect(Buffer.from(signed.value)).to.deep.equal(value)
    expect(signed.header.number).to.equal(1n)
    expect(signed.storedBytes).to.equal((await ledger.block(1n))!.length)
    expect((await archive.block(2n))!.signatures).to.have.length(2)
  })

  it('has none of the genesis block, which nobody signs', async () => {
    await append([signaturesSlot(value, signatures)])
    expect(await archive.block(0n)).to.equal(undefined)
  })

  it('has none of blocks that are not there', async () => {
    await append([])
    for (const number of [1n, 2n, 2n ** 64n - 1n]) {
      expect(await archive.block(number), String(number)).to.equal(undefined)
    }
  })

  it('has none of a block without metadata, and an empty list of an unsigned one', async () => {
    await append([])
    await append([])
    await append(blockMetadata({}))
    expect(await archive.block(1n)).to.equal(undefined)
    expect((await archive.block(2n))!.signatures).to.deep.equal([])
  })

  it('rejects with a coded error for a damaged slot, or a ledger that is closed', async () => {
    await append([])
    await append([Buffer.from('ff', 'hex')])
    const damaged: unknown = await archive.block(1n).catch((reason: unknown) => reason)
    expect(isCodedError(damaged, 'PROTO_MALFORMED')).to.equal(true)
    await ledger.close()
    const closed: unknown = await archive.block(1n).catch((reason: unknown) => reason)
    expect(isCodedError(closed, 'LEDGER_CLOSED')).to.equal(true)
  })
})
