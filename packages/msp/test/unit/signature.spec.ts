import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { isLowS, toLowS } from '../../src/index.ts'
import { checkCanonical, signatureFault } from '../../src/signature.ts'
import { expectCode } from '../support/expect-code.ts'

const halfOrder = 0x7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8n
const order = 2n * halfOrder + 1n
const halfOrder384 =
  0x7fffffffffffffffffffffffffffffffffffffffffffffffe3b1a6c0fa1b96efac0d06d9245853bd76760cb5666294b9n

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

/** R and S as a reader without any checks finds them; of a short signature only. */
function plainScalars(signature: Buffer): [r: bigint, s: bigint] {
  const at = 4 + (signature[3] ?? 0)
  const number = (bytes: Buffer): bigint => BigInt(`0x0${bytes.toString('hex')}`)
  return [number(signature.subarray(4, at)), number(signature.subarray(at + 2))]
}

/** Numbers of any length up to beyond the order, many with a first byte that decides the padding. */
const scalar = fc
  .tuple(fc.constantFrom(0x01, 0x7f, 0x80, 0xff), fc.uint8Array({ maxLength: 49 }))
  .map(([first, rest]) => BigInt(`0x${Buffer.of(first, ...rest).toString('hex')}`))

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

  it('is reached on every curve', () => {
    for (const [curve, namedCurve] of [
      ['P-224', 'secp224r1'],
      ['P-256', 'prime256v1'],
      ['P-384', 'secp384r1'],
      ['P-521', 'secp521r1'],
    ] as const) {
      const keys = generateKeyPairSync('ec', { namedCurve })
      let changed = 0
      for (let at = 0; at < 30; at += 1) {
        const message = Buffer.of(at)
        const made = sign('sha256', message, keys.privateKey)
        const low = toLowS(made, curve)
        if (low !== made) changed += 1
        expect(isLowS(low, curve)).to.equal(true)
        expect(verify('sha256', message, keys.publicKey, low), curve).to.equal(true)
      }
      expect(changed, `${curve}: half of them were high`).to.be.within(1, 29)
    }
  })

  it('is told apart as numbers are, at half the order and at every length, on two curves', () => {
    for (const [curve, half] of [
      ['P-256', halfOrder],
      ['P-384', halfOrder384],
    ] as const) {
      const lengths = Array.from({ length: 52 }, (_, index) => 1n << BigInt(8 * index))
      const values = [...lengths, half, (half * 3n) / 2n].flatMap((v) => [v - 1n, v, v + 1n])
      for (const s of values.filter((value) => value > 0n)) {
        expect(isLowS(der(1n, s), curve), `${curve} ${s}`).to.equal(s <= half)
      }
    }
  })

  it('is found and reached as with numbers, whatever R and S are', () => {
    const s = fc.oneof(scalar, fc.bigInt({ min: 1n, max: order - 1n }))
    fc.assert(
      fc.property(scalar, s, (r, value) => {
        const signature = der(r, value)
        expect(isLowS(signature)).to.equal(value <= halfOrder)
        if (value >= order) return
        const low = value <= halfOrder ? value : order - value
        expect(Buffer.from(toLowS(signature)).equals(der(r, low))).to.equal(true)
      }),
      { seed: 2, numRuns: 10_000 },
    )
  })

  it('cannot be reached from an S that is not below the order', () => {
    for (const s of [order, order + 1n, order << 8n]) {
      expectCode('MSP_MALFORMED_SIGNATURE', () => toLowS(der(1n, s)))
    }
    expect(Buffer.from(toLowS(der(1n, order - 1n)))).to.deep.equal(der(1n, 1n))
    expect(Buffer.from(toLowS(der(1n, order - 128n)))).to.deep.equal(der(1n, 128n))
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

  it('a damaged signature, unless the damage left the one encoding of other numbers', () => {
    const damage = fc.tuple(fc.nat(), fc.nat(1), fc.uint8Array({ maxLength: 2 }))
    fc.assert(
      fc.property(scalar, scalar, damage, (r, s, [where, taken, put]) => {
        const whole = der(r, s)
        const at = where % whole.length
        const bytes = Buffer.concat([whole.subarray(0, at), put, whole.subarray(at + taken)])
        const [newR, newS] = plainScalars(bytes)
        const isGood = newR > 0n && newS > 0n && der(newR, newS).equals(bytes)
        const code = signatureFault(bytes, 'P-256')?.code
        const good = newS <= halfOrder ? undefined : 'MSP_HIGH_S'
        expect(code, bytes.toString('hex')).to.equal(isGood ? good : 'MSP_MALFORMED_SIGNATURE')
      }),
      { seed: 3, numRuns: 10_000 },
    )
  })

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
