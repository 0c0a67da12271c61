import { expect } from 'chai'
import { nextStateDigest } from '../../../src/index.ts'

describe('nextStateDigest', () => {
  const previous = Buffer.alloc(32, 1)

  it('is what it was in every version: quorums have signed it', () => {
    const digest = nextStateDigest(previous, 7n, [
      { namespace: 'a', key: 'k', value: Buffer.from('v') },
      { namespace: 'näme', key: 'ü', value: undefined },
      { namespace: 'a', key: 'empty', value: new Uint8Array() },
    ])
    expect(Buffer.from(digest).toString('hex')).to.equal(
      'fc9ade06fd80b6545a71221eacd0b1aaad14934a477528d2ae6158b615c8496f',
    )
  })

  it('differs for another border between namespace, key and value, and for a removal', () => {
    const value = Buffer.from('c')
    const variants = [
      [{ namespace: 'a', key: 'b', value }],
      [{ namespace: 'ab', key: '', value }],
      [{ namespace: 'a', key: 'bc', value: new Uint8Array() }],
      [{ namespace: 'a', key: 'b', value: undefined }],
      [],
    ]
    const digests = variants.map((writes) =>
      Buffer.from(nextStateDigest(previous, 7n, writes)).toString('hex'),
    )
    expect(new Set(digests).size).to.equal(variants.length)
  })
})
