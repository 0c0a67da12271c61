import { expect } from 'chai'
import { TAG, derEncode } from '../../src/der.ts'
import { decodeName } from '../../src/name.ts'
import { expectCode } from '../support/expect-code.ts'

const organizationalUnit = Buffer.from('060355040b', 'hex')

function nameOf(tag: number, content: Uint8Array): Buffer {
  return derEncode(TAG.set, derEncode(TAG.sequence, organizationalUnit, derEncode(tag, content)))
}

describe('decodeName', () => {
  const texts: [string, number, Buffer, string][] = [
    ['UTF8String', TAG.utf8String, Buffer.from('Zürich €'), 'Zürich €'],
    ['PrintableString', TAG.printableString, Buffer.from("a*&'()-?"), "a*&'()-?"],
    ['IA5String', TAG.ia5String, Buffer.from('a@b'), 'a@b'],
    ['T61String', TAG.t61String, Buffer.from('é', 'latin1'), 'é'],
    ['BMPString', TAG.bmpString, Buffer.from('0041 20ac'.replace(' ', ''), 'hex'), 'A€'],
  ]
  for (const [type, tag, content, text] of texts) {
    it(`reads a ${type}`, () => {
      expect(decodeName(nameOf(tag, content)).organizationalUnits).to.deep.equal([text])
    })
  }

  const broken: [string, number, Buffer][] = [
    ['UTF8String', TAG.utf8String, Buffer.from([0xc3, 0x28])],
    ['PrintableString', TAG.printableString, Buffer.from('a@b')],
    ['IA5String', TAG.ia5String, Buffer.from([0x80])],
    ['BMPString', TAG.bmpString, Buffer.from([0, 0x41, 0])],
  ]
  for (const [type, tag, content] of broken) {
    it(`refuses characters that a ${type} excludes`, () => {
      expectCode('MSP_MALFORMED_IDENTITY', () => decodeName(nameOf(tag, content)))
    })
  }

  it('skips what is no text, and takes the last common name', () => {
    const commonName = (value: string): Buffer =>
      derEncode(
        TAG.set,
        derEncode(
          TAG.sequence,
          Buffer.from('0603550403', 'hex'),
          derEncode(TAG.utf8String, Buffer.from(value)),
        ),
      )
    const name = Buffer.concat([
      nameOf(TAG.integer, Buffer.of(1)),
      commonName('a'),
      commonName('b'),
    ])
    expect(decodeName(name)).to.deep.equal({
      organizationalUnits: [],
      commonName: 'b',
      subjectText: 'CN=b,CN=a',
    })
  })
})
