import { expect } from 'chai'
import {
  DerReader,
  TAG,
  derEncode,
  integerContent,
  oidText,
  wholeBitString,
} from '../../src/der.ts'
import { readTime } from '../../src/time.ts'
import { lineOf } from '../support/line-of.ts'

const reader = (hex: string): DerReader => new DerReader(Buffer.from(hex, 'hex'))
const malformed = (detail: string): string => `MSP_MALFORMED_IDENTITY: malformed DER: ${detail}`
const padded = (hex: string, bytes: number): string => hex + '00'.repeat(bytes)

describe('an element of DER', () => {
  const cut = malformed('ends inside an element')
  const long = malformed('element runs beyond the end')
  const fewest = malformed('length not in the fewest bytes')
  const oversized = malformed('indefinite or oversized length')
  const cases: [hex: string, expected: string][] = [
    ['', cut],
    ['02', cut],
    ['0281', cut],
    ['0201', long],
    ['020101', 'taken'],
    ['1f0100', malformed('tag of several bytes')],
    ['3f0100', malformed('tag of several bytes')],
    ['0280', oversized],
    [padded('028500000001', 1), oversized],
    [padded('028400000001', 1), fewest],
    [padded('02817f', 127), fewest],
    [padded('028180', 128), 'taken'],
    [padded('02820080', 128), fewest],
    [padded('0281ff', 255), 'taken'],
    [padded('028200ff', 255), fewest],
    [padded('02820100', 256), 'taken'],
    [padded('0283010000', 65_536), 'taken'],
    [padded('028300ffff', 65_535), fewest],
    ['0284ffffffff', long],
  ]
  for (const [hex, expected] of cases) {
    const shown = hex.length > 20 ? `${hex.slice(0, 12)}…` : hex
    it(`of the bytes ${shown === '' ? '(none)' : shown} is ${expected}`, () => {
      expect(lineOf(() => reader(hex).next())).to.equal(expected)
    })
  }

  it('is read with its content, all of its bytes, and what follows it', () => {
    const list = reader('300702010105000400')
    expect(list.done).to.equal(false)
    const inner = list.sequence()
    const one = inner.next(TAG.integer)
    expect([one.tag, one.content.toString('hex'), one.bytes.toString('hex')]).to.deep.equal([
      0x02,
      '01',
      '020101',
    ])
    expect(inner.optional(TAG.octetString)).to.equal(undefined)
    expect(inner.peek()).to.equal(0x05)
    expect(lineOf(() => inner.end())).to.equal(malformed('bytes after the last element'))
    expect(inner.optional(0x05)?.content).to.have.length(0)
    expect(lineOf(() => inner.end())).to.equal(malformed('bytes after the last element'))
    inner.next(TAG.octetString)
    inner.end()
    expect([inner.done, inner.peek(), list.done]).to.deep.equal([true, undefined, true])
  })

  it('must have the tag that is asked for', () => {
    expect(lineOf(() => reader('0500').next(TAG.sequence))).to.equal(
      malformed('expected tag 30, found 5'),
    )
    expect(lineOf(() => reader('0500').sequence())).to.equal(malformed('expected tag 30, found 5'))
  })

  it('is written with its length in the fewest bytes', () => {
    for (const [length, begins] of [
      [0, '0400'],
      [127, '047f'],
      [128, '048180'],
      [255, '0481ff'],
      [256, '04820100'],
      [65_536, '0483010000'],
    ] as const) {
      const half = Math.floor(length / 2)
      const bytes = derEncode(
        TAG.octetString,
        Buffer.alloc(half, 1),
        Buffer.alloc(length - half, 1),
      )
      expect(bytes.toString('hex').slice(0, begins.length), `${length}`).to.equal(begins)
      expect(reader(bytes.toString('hex')).next(TAG.octetString).content).to.have.length(length)
    }
  })
})

describe('values in DER', () => {
  const integers: [hex: string, expected: string][] = [
    ['0200', malformed('empty integer')],
    ['020100', 'taken'],
    ['0201ff', 'taken'],
    ['02020080', 'taken'],
    ['0202007f', malformed('integer not in the fewest bytes')],
    ['0202ff7f', 'taken'],
    ['0202ff80', malformed('integer not in the fewest bytes')],
    ['02020100', 'taken'],
  ]
  for (const [hex, expected] of integers) {
    it(`are integers in one form only: ${hex} is ${expected}`, () => {
      const node = reader(hex).next()
      expect(lineOf(() => integerContent(node))).to.equal(expected)
      if (expected === 'taken') expect(integerContent(node)).to.equal(node.content)
    })
  }

  it('are bit strings of whole bytes', () => {
    expect(wholeBitString(reader('03020080').next()).toString('hex')).to.equal('80')
    for (const hex of ['0300', '03020780']) {
      const refused = lineOf(() => wholeBitString(reader(hex).next()))
      expect(refused).to.equal(malformed('bit string with unused bits'))
    }
  })

  const identifiers: [hex: string, expected: string][] = [
    ['060100', '0.0'],
    ['060127', '0.39'],
    ['060128', '1.0'],
    ['06014f', '1.39'],
    ['060150', '2.0'],
    ['0603883703', '2.999.3'],
    ['06092a864886f70d01010b', '1.2.840.113549.1.1.11'],
    ['0600', malformed('cut object identifier')],
    ['06022a86', malformed('cut object identifier')],
    ['06028001', malformed('object identifier not in the fewest bytes')],
    ['06022a80', malformed('object identifier not in the fewest bytes')],
    ['06032a8001', malformed('object identifier not in the fewest bytes')],
    ['06032a8100', '1.2.128'],
    ['06082a8fffffffffff7f', '1.2.70368744177663'],
    ['06082a90808080808000', malformed('object identifier too large')],
  ]
  for (const [hex, expected] of identifiers) {
    it(`are object identifiers in dotted form: ${hex} is ${expected}`, () => {
      let text = ''
      const line = lineOf(() => (text = oidText(reader(hex).next())))
      expect(line === 'taken' ? text : line).to.equal(expected)
    })
  }

  const time = (tag: number, text: string): string => {
    let read: Date | undefined
    const node = reader(derEncode(tag, Buffer.from(text)).toString('hex')).next()
    const line = lineOf(() => (read = readTime(node)))
    return read?.toISOString() ?? line
  }
  const noTime = 'MSP_MALFORMED_IDENTITY: malformed time'
  const times: [tag: number, text: string, expected: string][] = [
    [TAG.utcTime, '500102030405Z', '1950-01-02T03:04:05.000Z'],
    [TAG.utcTime, '490102030405Z', '2049-01-02T03:04:05.000Z'],
    [TAG.utcTime, '991231235959Z', '1999-12-31T23:59:59.000Z'],
    [TAG.utcTime, '000101000000Z', '2000-01-01T00:00:00.000Z'],
    [TAG.utcTime, '20240101000000Z', noTime],
    [TAG.generalizedTime, '20240229000000Z', '2024-02-29T00:00:00.000Z'],
    [TAG.generalizedTime, '20230229000000Z', noTime],
    [TAG.generalizedTime, '20231301000000Z', noTime],
    [TAG.generalizedTime, '20230101240000Z', noTime],
    [TAG.generalizedTime, '20230101000000', noTime],
    [TAG.generalizedTime, '20230101000000.5Z', noTime],
    [TAG.generalizedTime, '20230101000000Z0', noTime],
    [TAG.generalizedTime, '020230101000000Z', noTime],
    [TAG.generalizedTime, '', noTime],
    [TAG.octetString, '500102030405Z', 'MSP_MALFORMED_IDENTITY: not a time'],
  ]
  for (const [tag, text, expected] of times) {
    it(`are times in whole seconds: ${tag.toString(16)} "${text}" is ${expected}`, () => {
      expect(time(tag, text)).to.equal(expected)
    })
  }
})
