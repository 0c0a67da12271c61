import { DerReader, TAG, derEncode, integerContent } from './der.ts'
import { MspError } from './errors.ts'

/** Curves whose keys this package signs and verifies with. */
export type Curve = 'P-224' | 'P-256' | 'P-384' | 'P-521'

const order: Readonly<Record<Curve, bigint>> = {
  'P-224': 0xffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3dn,
  'P-256': 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  'P-384':
    0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  'P-521':
    0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
}
const halfOrder: Readonly<Record<Curve, Buffer>> = {
  'P-224': integerOf(order['P-224'] >> 1n),
  'P-256': integerOf(order['P-256'] >> 1n),
  'P-384': integerOf(order['P-384'] >> 1n),
  'P-521': integerOf(order['P-521'] >> 1n),
}

/** As the contents of DER integers: big-endian, above zero, in the fewest bytes. */
interface Scalars {
  readonly r: Buffer
  readonly s: Buffer
}

/** The content of the DER integer of a positive number. */
function integerOf(value: bigint): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return bytes.readUInt8(0) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes])
}

function scalar(content: Buffer): Buffer {
  const first = content.readUInt8(0)
  if (first >= 0x80) throw new MspError('MSP_MALFORMED_SIGNATURE', 'negative scalar')
  const isZero = first === 0 && content.length === 1
  if (isZero) throw new MspError('MSP_MALFORMED_SIGNATURE', 'scalar is zero')
  return content
}

/** R and S of a DER signature; `MSP_MALFORMED_SIGNATURE` unless it is the one DER encoding of them. */
function scalarsOf(signature: Uint8Array): Scalars {
  try {
    const outer = new DerReader(signature)
    const inner = outer.sequence()
    const r = scalar(integerContent(inner.next(TAG.integer)))
    const s = scalar(integerContent(inner.next(TAG.integer)))
    inner.end()
    outer.end()
    return { r, s }
  } catch (cause) {
    throw new MspError('MSP_MALFORMED_SIGNATURE', 'not a DER-encoded ECDSA signature', { cause })
  }
}

/** Whether S is at most half the order; of integers in the fewest bytes the longer is the larger. */
function isLow(s: Buffer, curve: Curve): boolean {
  const half = halfOrder[curve]
  return s.length === half.length ? s.compare(half) <= 0 : s.length < half.length
}

/** Throws `MSP_MALFORMED_SIGNATURE` unless `signature` is the one DER encoding of positive R and S. */
export function checkCanonical(signature: Uint8Array): void {
  scalarsOf(signature)
}

/**
 * Whether S is at most half the order of the curve (that value itself is still low).
 *
 * @param signature - ECDSA, DER
 * @throws MspError `MSP_MALFORMED_SIGNATURE` when it is not canonical DER
 * @see fabric-lib-go v1.1.3 bccsp/utils/ecdsa.go
 */
export function isLowS(signature: Uint8Array, curve: Curve = 'P-256'): boolean {
  return isLow(scalarsOf(signature).s, curve)
}

/**
 * The signature with S replaced by N − S when it was above half the order; both verify, but only
 * the low one is accepted by Fabric.
 *
 * @param signature - ECDSA, DER
 * @returns the same object when it was low already
 * @throws MspError `MSP_MALFORMED_SIGNATURE` when it is not canonical DER, or S is not below the order
 */
export function toLowS(signature: Uint8Array, curve: Curve = 'P-256'): Uint8Array {
  const { r, s } = scalarsOf(signature)
  if (isLow(s, curve)) return signature
  const negated = order[curve] - BigInt(`0x${s.toString('hex')}`)
  if (negated <= 0n) throw new MspError('MSP_MALFORMED_SIGNATURE', 'S is not below the order')
  return derEncode(
    TAG.sequence,
    derEncode(TAG.integer, r),
    derEncode(TAG.integer, integerOf(negated)),
  )
}

/**
 * Why a signature must not even be verified, or undefined.
 *
 * Fabric's rule (bccsp/sw/ecdsa.go): R and S positive, S low; here also exact DER, so that a
 * signature has one encoding only.
 */
export function signatureFault(signature: Uint8Array, curve: Curve): MspError | undefined {
  try {
    if (isLowS(signature, curve)) return undefined
    return new MspError('MSP_HIGH_S', 'S of the signature is larger than half the order')
  } catch (error) {
    return error as MspError
  }
}
