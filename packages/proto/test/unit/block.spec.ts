import { createHash } from 'node:crypto'
import { expect } from 'chai'
import {
  ProtoInvalidMessageError,
  blockDataHash,
  blockHeaderBytes,
  blockHeaderHash,
  common,
  create,
} from '../../src/index.ts'

function header(number: bigint, previousHash = '', dataHash = ''): common.BlockHeader {
  return create(common.BlockHeaderSchema, {
    number,
    previousHash: Buffer.from(previousHash, 'hex'),
    dataHash: Buffer.from(dataHash, 'hex'),
  })
}

describe('blockHeaderBytes', () => {
  const integers: [bigint, string][] = [
    [0n, '020100'],
    [127n, '02017f'],
    [128n, '02020080'],
    [255n, '020200ff'],
    [256n, '02020100'],
    [32767n, '02027fff'],
    [32768n, '0203008000'],
    [2n ** 63n - 1n, '02087fffffffffffffff'],
  ]
  for (const [number, integer] of integers) {
    it(`writes ${String(number)} in as few bytes as keep it positive`, () => {
      const bytes = blockHeaderBytes(header(number)).toString('hex')
      const length = (integer.length / 2 + 4).toString(16).padStart(2, '0')
      expect(bytes).to.equal(`30${length}${integer}04000400`)
    })
  }

  it('writes lengths from 128 on in more bytes', () => {
    const of = (size: number): string =>
      blockHeaderBytes(header(1n, 'ab'.repeat(size))).toString('hex')
    expect(of(120), '127 in all').to.match(/^307f0201010478abab/)
    expect(of(127), '127 inside').to.match(/^308186020101047fabab/)
    expect(of(128)).to.match(/^308188020101048180abab/)
    expect(of(256)).to.match(/^3082010902010104820100abab/)
  })

  for (const number of [-1n, 2n ** 64n]) {
    it(`refuses block number ${String(number)}`, () => {
      expect(() => blockHeaderBytes(header(number))).to.throw(ProtoInvalidMessageError)
    })
  }

  it('refuses a block number that is no bigint', () => {
    const wrong = { ...header(0n), number: 5 as never }
    expect(() => blockHeaderBytes(wrong)).to.throw(ProtoInvalidMessageError)
  })
})

describe('blockHeaderHash', () => {
  it('is the SHA-256 of the header bytes', () => {
    const block = header(7n, '01'.repeat(32), '02'.repeat(32))
    const digest = createHash('sha256').update(blockHeaderBytes(block)).digest('hex')
    expect(blockHeaderHash(block).toString('hex')).to.equal(digest)
  })
})

describe('blockDataHash', () => {
  it('is the SHA-256 of nothing for a block without transactions', () => {
    expect(blockDataHash([]).toString('hex')).to.match(/^e3b0c44298fc1c149afbf4c8996fb924/)
  })
})
