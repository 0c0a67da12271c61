import { expect } from 'chai'
import fc from 'fast-check'
import { certificateDer, decodePem, encodePem, pemBlocksIn } from '../../src/pem.ts'
import { expectCode } from '../support/expect-code.ts'

const block = encodePem('CERTIFICATE', Buffer.from('some bytes that are no certificate'))

describe('decodePem', () => {
  it('reads what encodePem wrote, whatever its length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (der) => {
        const found = decodePem(encodePem('X509 CRL', der))
        const expected = { type: 'X509 CRL', der: Buffer.from(der), isEncrypted: false, rest: '' }
        expect(found).to.deep.equal(expected)
      }),
      { seed: 1 },
    )
  })

  it('skips text before the block and gives what follows it', () => {
    const found = decodePem(`Certificate:\n  Data\n${block}\nmore`)
    expect(found?.type).to.equal('CERTIFICATE')
    expect(found?.rest).to.equal('\nmore')
    expect(decodePem(`${block}mehr für Zürich`)?.rest).to.equal('mehr für Zürich')
  })

  it('takes CRLF, a missing last line end, and headers', () => {
    expect(decodePem(block.replaceAll('\n', '\r\n'))?.rest).to.equal('')
    expect(decodePem(block.trimEnd())?.rest).to.equal('')
    const headed = block.replace('CERTIFICATE-----\n', 'CERTIFICATE-----\nName: value\n\n')
    expect(decodePem(headed)?.der).to.deep.equal(decodePem(block)?.der)
  })

  it('gives the first of several blocks', () => {
    const two = block + encodePem('CERTIFICATE', Buffer.from('second'))
    expect(decodePem(two)?.der.toString()).to.equal('some bytes that are no certificate')
  })

  it('passes over broken blocks and begins without an end, as Go does', () => {
    const cut = '-----BEGIN CERTIFICATE-----\nAAAA\n'
    const damaged = block.replace('c29', 'c*9')
    for (const before of [cut, damaged, cut + damaged, '-----END CERTIFICATE-----\n']) {
      expect(decodePem(before + block)?.der, before).to.deep.equal(decodePem(block)?.der)
    }
  })

  it('says whether the headers call it encrypted', () => {
    const headed = (header: string): string =>
      block.replace('CERTIFICATE-----\n', `CERTIFICATE-----\n${header}\n\n`)
    expect(decodePem(headed('Proc-Type: 4,ENCRYPTED\nDEK-Info: X'))?.isEncrypted).to.equal(true)
    const second = headed('Comment: x\nProc-Type: 4,ENCRYPTED')
    expect(decodePem(second)?.isEncrypted).to.equal(true)
    expect(decodePem(headed('Proc-Type: 4,MIC-CLEAR'))?.isEncrypted).to.equal(false)
    expect(decodePem(headed('Comment: Proc-Type: ENCRYPTED'))?.isEncrypted).to.equal(false)
  })

  const broken: [string, string][] = [
    ['nothing', ''],
    ['no block', 'hello'],
    ['no begin', 'XXXXXXXXXXCERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
    ['no dashes behind the begin', block.replace('CERTIFICATE-----', 'CERTIFICATE=====')],
    ['no end', block.replace(/-----END.*/, '')],
    ['another end', block.replace('END CERTIFICATE', 'END CRL')],
    ['text behind the begin', block.replace('CERTIFICATE-----', 'CERTIFICATE----- x')],
    ['text behind the end', `${block.trimEnd()} x`],
    ['no content', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
    ['characters that are not base64', block.replace('c29', 'c*9')],
    ['cut base64', block.replace('=', '')],
    ['begin in the middle of a line', ` ${block}`],
  ]
  for (const [why, text] of broken) {
    it(`refuses ${why}`, () => {
      expect(decodePem(text)).to.equal(undefined)
      expectCode('MSP_MALFORMED_IDENTITY', () => certificateDer(text))
    })
  }

  it('takes time in proportion to the text, whatever it holds', () => {
    // Seconds, if it were quadratic.
    const hostile = '-----BEGIN A-----\n'.repeat(20_000) + ':'.repeat(200_000)
    expect(decodePem(hostile)).to.equal(undefined)
    expect(decodePem('\n-----END A-----'.repeat(50_000))).to.equal(undefined)
    expect(decodePem('-----BEGIN A-----\n-----END B-----\n'.repeat(20_000))).to.equal(undefined)
  })
})

describe('certificateDer', () => {
  it('takes a block without a type and refuses one of another type', () => {
    expect(certificateDer(block.replaceAll('CERTIFICATE', '')).length).to.be.above(0)
    const other = block.replaceAll('CERTIFICATE', 'PRIVATE KEY')
    expectCode('MSP_MALFORMED_IDENTITY', () => certificateDer(other))
  })
})

describe('pemBlocksIn', () => {
  it('counts the lines that begin a block, whatever becomes of it', () => {
    const count = (text: string): number => pemBlocksIn(Buffer.from(text))
    expect(count('nothing')).to.equal(0)
    expect(count(block)).to.equal(1)
    expect(count(`-----BEGIN X\n${block}${block}`)).to.equal(3)
    expect(count(` ${block}`)).to.equal(0)
  })
})
