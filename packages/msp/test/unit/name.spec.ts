import { expect } from 'chai'
import { TAG, derEncode } from '../../src/der.ts'
import { decodeName } from '../../src/name.ts'
import { maxShownCharacters } from '../../src/shown.ts'
import { expectCode } from '../support/expect-code.ts'
import { lineOf } from '../support/line-of.ts'

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

  const attribute = (type: string, value: string, after = ''): Buffer =>
    derEncode(
      TAG.sequence,
      derEncode(TAG.oid, Buffer.from(type, 'hex')),
      derEncode(TAG.utf8String, Buffer.from(value)),
      Buffer.from(after, 'hex'),
    )

  it('shows the subject as Go does: last attribute first, by short names where there are some', () => {
    const types = ['03', '05', '06', '07', '08', '09', '0a', '0b', '0c']
    const sets = types.map((last) => derEncode(TAG.set, attribute(`5504${last}`, last)))
    const { subjectText, commonName } = decodeName(Buffer.concat(sets))
    expect(commonName).to.equal('03')
    expect(subjectText).to.equal(
      '2.5.4.12=0c,OU=0b,O=0a,STREET=09,ST=08,L=07,C=06,SERIALNUMBER=05,CN=03',
    )
  })

  it('reads all attributes of a set', () => {
    const set = derEncode(TAG.set, attribute('55040b', 'a'), attribute('55040b', 'b'))
    expect(decodeName(set).organizationalUnits).to.deep.equal(['a', 'b'])
  })

  it('shows no more of a subject than maxShownCharacters', () => {
    const long = 'x'.repeat(maxShownCharacters)
    const { subjectText, commonName } = decodeName(derEncode(TAG.set, attribute('550403', long)))
    expect(subjectText).to.equal(`CN=${long}`.slice(0, maxShownCharacters))
    expect(commonName).to.equal(long)
  })

  it('says what is wrong with a name', () => {
    const odd = nameOf(TAG.printableString, Buffer.from('a@b'))
    expect(lineOf(() => decodeName(odd))).to.equal(
      'MSP_MALFORMED_IDENTITY: a name holds characters that its type excludes',
    )
    const more = derEncode(TAG.set, attribute('550403', 'a', '0500'))
    expect(lineOf(() => decodeName(more))).to.equal(
      'MSP_MALFORMED_IDENTITY: malformed DER: bytes after the last element',
    )
  })

  it('takes every character of a PrintableString, wherever it stands, and no other', () => {
    const characters = " '()+,-./:=?*&azAZ09"
    expect(decodeName(nameOf(TAG.printableString, Buffer.from(characters)))).to.deep.include({
      organizationalUnits: [characters],
    })
    for (const text of ['@a', 'a@', '_', ';', '"', '<', '[', '`', '{', '!'])
      expectCode('MSP_MALFORMED_IDENTITY', () =>
        decodeName(nameOf(TAG.printableString, Buffer.from(text))),
      )
    for (const text of ['\x80a', 'a\x80'])
      expectCode('MSP_MALFORMED_IDENTITY', () =>
        decodeName(nameOf(TAG.ia5String, Buffer.from(text, 'latin1'))),
      )
  })
})
