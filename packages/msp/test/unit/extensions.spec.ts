import { expect } from 'chai'
import { TAG, derEncode } from '../../src/der.ts'
import { readExtensions } from '../../src/extensions.ts'
import type { Extensions } from '../../src/extensions.ts'
import { lineOf } from '../support/line-of.ts'

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex')

/** The object identifier 2.5.29.`last`. */
const oid = (last: number): Buffer => derEncode(TAG.oid, Buffer.of(0x55, 0x1d, last))
const unknown = derEncode(TAG.oid, Buffer.of(0x2a, 0x03))

/** An extension with this value; `critical` is the content of its BOOLEAN, absent by default. */
const extension = (id: Buffer, value: string, critical?: number): Buffer =>
  derEncode(
    TAG.sequence,
    id,
    ...(critical === undefined ? [] : [derEncode(TAG.boolean, Buffer.of(critical))]),
    derEncode(TAG.octetString, bytes(value)),
  )

const read = (...extensions: Buffer[]): Extensions =>
  readExtensions(derEncode(TAG.sequence, ...extensions))

const none: Extensions = {
  ...{ isCa: false, maxPathLength: undefined, keyUsage: undefined, extendedKeyUsage: [] },
  ...{ subjectKeyId: undefined, authorityKeyId: undefined, subjectAltName: undefined },
  ...{ hasNameConstraints: false, unhandledCritical: [] },
}

describe('the extensions of a certificate', () => {
  it('may be absent, or an empty list', () => {
    expect(readExtensions(undefined)).to.deep.equal(none)
    expect(read()).to.deep.equal(none)
  })

  const cases: [what: string, last: number, value: string, expected: Partial<Extensions>][] = [
    ['no CA', 19, '3000', {}],
    ['a BOOLEAN that is not true', 19, '3003010100', {}],
    ['a BOOLEAN that is true in BER only', 19, '3003010101', {}],
    ['a CA', 19, '30030101ff', { isCa: true }],
    ['a CA with no intermediates', 19, '30060101ff020100', { isCa: true, maxPathLength: 0 }],
    ['a CA with 127', 19, '30060101ff02017f', { isCa: true, maxPathLength: 127 }],
    ['a CA with 128, as any number', 19, '30070101ff02020080', { isCa: true, maxPathLength: 127 }],
    ['the usage of a key', 15, '0303070680', { keyUsage: 6 }],
    ['a usage in the second byte only', 15, '0303070080', { keyUsage: 0 }],
    ['a usage that sets no bit', 15, '03020700', {}],
    ['a usage without bits', 15, '030100', {}],
    ['purposes', 37, '300806022a0306022a04', { extendedKeyUsage: ['1.2.3', '1.2.4'] }],
    ['the id of its key', 14, '0402ab01', { subjectKeyId: 'ab01' }],
    ['the id of its CA’s key', 35, '30048002ab02', { authorityKeyId: 'ab02' }],
    ['an authority without a key', 35, '3000', { authorityKeyId: '' }],
    ['other names', 17, '30028200', { subjectAltName: '30028200' }],
    ['limits of names', 30, '3000', { hasNameConstraints: true }],
    ['policies', 32, '3000', {}],
    ['a place of revocation lists', 31, '3000', {}],
  ]
  for (const [what, last, value, expected] of cases) {
    it(`tell ${what}, critical or not`, () => {
      for (const critical of [undefined, 0, 0xff])
        expect(read(extension(oid(last), value, critical))).to.deep.equal({ ...none, ...expected })
    })
  }

  it('name those that are critical and not known, in their order', () => {
    const other = derEncode(TAG.oid, Buffer.of(0x2a, 0x04))
    const third = derEncode(TAG.oid, Buffer.of(0x2a, 0x05))
    const list = [extension(unknown, '', 0xff), extension(other, '', 0), extension(third, '', 0xff)]
    expect(read(...list).unhandledCritical).to.deep.equal(['1.2.3', '1.2.5'])
    expect(read(extension(unknown, '', 1)).unhandledCritical).to.deep.equal([])
  })

  it('are refused when they are malformed, with the reason', () => {
    const malformed = (why: string): string => `MSP_MALFORMED_IDENTITY: ${why}`
    const ca = extension(oid(19), '3000')
    const refused: [why: string, extensions: Buffer[]][] = [
      ['negative path length', [extension(oid(19), '30060101ff0201ff')]],
      ['extension "2.5.29.19" twice', [ca, ca]],
      ['malformed DER: bytes after the last element', [extension(oid(19), '30050101ff0500')]],
      [
        'malformed DER: bytes after the last element',
        [
          derEncode(
            TAG.sequence,
            oid(19),
            derEncode(TAG.octetString, bytes('3000')),
            bytes('0500'),
          ),
        ],
      ],
    ]
    for (const [why, extensions] of refused)
      expect(
        lineOf(() => read(...extensions)),
        why,
      ).to.equal(malformed(why))
  })
})
