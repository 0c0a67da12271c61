import { blockHeaderHash, common, create, decode, encode } from '@heddle/proto'
import { expect } from 'chai'
import { headerOf } from '../../../src/blocks/block-record.ts'
import { makeTestBlock } from '../../../src/testing.ts'

/** What the codec says of a block: its header as text, or that there is none. */
function byCodec(block: Uint8Array): string {
  try {
    const { header } = decode(common.BlockSchema, block)
    if (header === undefined) return 'no header'
    const hash = Buffer.from(blockHeaderHash(header)).toString('hex')
    return `${header.number} ${Buffer.from(header.previousHash).toString('hex')} ${hash}`
  } catch {
    return 'no block'
  }
}

function byLedger(block: Uint8Array): string {
  try {
    const { number, previousHash, hash } = headerOf(block)
    const hex = [previousHash, hash].map((bytes) => Buffer.from(bytes).toString('hex'))
    return `${number} ${hex.join(' ')}`
  } catch (error) {
    return (error as Error).message.includes('no header') ? 'no header' : 'no block'
  }
}

/** As a validator stores it, with metadata. */
const stored = decode(common.BlockSchema, makeTestBlock(undefined, { transactions: 3 }).block)
stored.metadata = create(common.BlockMetadataSchema, { metadata: [Buffer.from('signed'), none()] })
const block = Buffer.from(encode(common.BlockSchema, stored))

function none(): Uint8Array {
  return new Uint8Array()
}

describe('headerOf', () => {
  it('gives what the codec gives for blocks in every form', () => {
    const { header } = decode(common.BlockSchema, block)
    const only = encode(common.BlockSchema, create(common.BlockSchema, { header }))
    const rest = block.subarray(only.length)
    const forms = {
      plain: block,
      'no metadata': makeTestBlock(undefined).block,
      'header alone': only,
      'header behind the rest': Buffer.concat([rest, only]),
      'header twice': Buffer.concat([only, block]),
      'an unknown field': Buffer.concat([block, Buffer.from([0x78, 1])]),
      'no header': rest,
      nothing: Buffer.alloc(0),
    }
    for (const [form, bytes] of Object.entries(forms)) {
      expect(byLedger(bytes), form).to.equal(byCodec(bytes))
    }
    expect(byLedger(block)).to.match(/^0 /)
  })

  it('refuses what the codec refuses: cut at any byte, or with any byte changed', () => {
    for (let at = 0; at < block.length; at += 1) {
      const cut = block.subarray(0, at)
      expect(byLedger(cut), `cut at ${at}`).to.equal(byCodec(cut))
      for (const change of [0x01, 0x08, 0x7f, 0x80, 0xff]) {
        const changed = Buffer.from(block)
        changed[at]! ^= change
        expect(byLedger(changed), `byte ${at} ^ ${change}`).to.equal(byCodec(changed))
      }
    }
  })
})
