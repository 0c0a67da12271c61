import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { isLowS, toLowS } from '../../src/index.ts'
import { checkCanonical, signatureFault } from '../../src/signature.ts'
import { expectCode } from '../support/expect-code.ts'

const halfOrder = 0x7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8n
const order = 2n * halfOrder + 1n

function integer(value: bigint): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  const padded = bytes[0]! >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes
  return Buffer.concat([Buffer.of(2, padded.length), padded])
}

function der(r: bigint, s: bigint): Buffer {
  const content = Buffer.concat([integer(r), integer(s)])
  return Buffer.concat([Buffer.of(0x30, content.length), content])
}

function highOf(signature: Uint8Array): Buffer {
  const rLength = signature[3]!
  const r = BigInt(`0x${Buffer.from(signature.subarray(4, 4 + rLength)).toString('hex')}`)
  const s = BigInt(`0x${Buffer.from(signature.subarray(6 + rLength)).toString('hex')}`)
  return der(r, order - s)
}

describe('low S', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

  it('is half the order and below', () => {
    expect(isLowS(der(1n, halfOrder))).to.equal(true)
    expect(isLowS(der(1n, halfOrder + 1n))).to.equal(false)
    expect(isLowS(der(1n, 1n))).to.equal(true)
  })

  it('is reached by replacing S by N − S, and both verify', () => {
    const message = Buffer.from('message')
    for (let i = 0; i < 32; i += 1) {
      const low = toLowS(sign('sha256', message, privateKey))
      expect(isLowS(low)).to.equal(true)
      expect(verify('sha256', message, publicKey, low)).to.equal(true)
      const high = highOf(low)
      expect(isLowS(high)).to.equal(false)
      expect(verify('sha256', message, publicKey, high)).to.equal(true)
      expect(Buffer.from(toLowS(high))).to.deep.equal(Buffer.from(low))
      expect(toLowS(low)).to.equal(low)
    }
  })

  it('goes by the order of the curve', () => {
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const message = Buffer.from('message')
    for (let i = 0; i < 16; i += 1) {
      const low = toLowS(sign('sha256', message, p384.privateKey), 'P-384')
      expect(isLowS(low, 'P-384')).to.equal(true)
      expect(verify('sha256', message, p384.publicKey, low)).to.equal(true)
    }
  })
})

describe('toLowS, isLowS and verification refuse', () => {
  const cases: [string, Buffer][] = [
    ['an empty signature', Buffer.alloc(0)],
    ['an R of zero', der(0n, 1n)],
    ['an S of zero', der(1n, 0n)],
    ['a negative R', Buffer.from('3006020180020101', 'hex')],
    ['a negative S', Buffer.from('30060201010201ff', 'hex')],
    ['a padded R', Buffer.from('300702020001020101', 'hex')],
    ['an empty R', Buffer.from('30050200020101', 'hex')],
    ['three integers', Buffer.from('3009020101020101020101', 'hex')],
    ['one integer', Buffer.from('3003020101', 'hex')],
    ['trailing bytes', Buffer.concat([der(1n, 1n), Buffer.of(0)])],
    ['a long length', Buffer.from('308106020101020101', 'hex')],
    ['an indefinite length', Buffer.from('30800201010201010000', 'hex')],
    ['another tag', Buffer.from('3106020101020101', 'hex')],
    ['a length beyond the end', Buffer.from('3007020101020101', 'hex')],
  ]
  for (const [why, bytes] of cases) {
    it(why, () => {
      expectCode('MSP_MALFORMED_SIGNATURE', () => toLowS(bytes))
      expectCode('MSP_MALFORMED_SIGNATURE', () => isLowS(bytes))
      expectCode('MSP_MALFORMED_SIGNATURE', () => checkCanonical(bytes))
      expect(signatureFault(bytes, 'P-256')?.code).to.equal('MSP_MALFORMED_SIGNATURE')
    })
  }

  it('bytes at random with one of their codes, or not at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const code = signatureFault(bytes, 'P-256')?.code
        expect(code).to.be.oneOf([undefined, 'MSP_MALFORMED_SIGNATURE', 'MSP_HIGH_S'])
      }),
      { seed: 1, numRuns: 500 },
    )
  })
})
