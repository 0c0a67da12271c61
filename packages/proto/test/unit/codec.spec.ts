import { isCodedError } from '@heddle/interface'
import { expect } from 'chai'
import {
  ProtoInvalidMessageError,
  ProtoMalformedError,
  common,
  create,
  decode,
  encode,
  gossip,
  receive,
} from '../../src/index.ts'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

function errorOf(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  return undefined
}

describe('decode', () => {
  const malformed: [what: string, bytes: string][] = [
    ['a tag cut off', '80'],
    ['a value cut off', '0a0301'],
    ['a length beyond the end', '0affffffff0f'],
    ['a length of 2^63', '0a8080808080808080800100'],
    ['a number of 11 bytes', '10ffffffffffffffffffff01'],
    ['field number 0', '0001'],
    ['field number 0 at the end', '0a01ff00'],
    ['wire type 6', '0e00'],
    ['wire type 7', '0f00'],
    ['an end of a group that never began', '0c'],
    ['a group that never ends', '23'],
    ['a message that ends inside its parent', '1a030a05ff'],
  ]
  for (const [what, bytes] of malformed) {
    it(`refuses ${what}`, () => {
      const error = errorOf(() => decode(gossip.EnvelopeSchema, hex(bytes)))
      expect(error).to.be.instanceOf(ProtoMalformedError)
      expect(isCodedError(error, 'PROTO_MALFORMED')).to.equal(true)
      expect(error).to.have.property('type', 'gossip.Envelope')
      expect((error as Error).cause).to.be.instanceOf(Error)
    })
  }

  it('refuses text that is not UTF-8', () => {
    const error = errorOf(() => decode(common.ChannelHeaderSchema, hex('2202ff41')))
    expect(error).to.be.instanceOf(ProtoMalformedError)
  })

  it('refuses what is no bytes at all', () => {
    const error = errorOf(() => decode(common.EnvelopeSchema, undefined as never))
    expect(error).to.be.instanceOf(ProtoMalformedError)
  })

  it('takes 100 messages inside one another and refuses 101', () => {
    const nested = (depth: number): Uint8Array => {
      let bytes: Uint8Array = Buffer.alloc(0)
      for (let i = 1; i < depth; i++) {
        // Alternately SignaturePolicy and NOutOf: field 2 holds the next one in both.
        bytes = Buffer.concat([Buffer.of(0x12), lengthOf(bytes), bytes])
      }
      return bytes
    }
    expect(() => decode(common.SignaturePolicySchema, nested(100))).not.to.throw()
    const error = errorOf(() => decode(common.SignaturePolicySchema, nested(101)))
    expect(error).to.be.instanceOf(ProtoMalformedError)
    const deep = errorOf(() => decode(common.SignaturePolicySchema, nested(20_000)))
    expect(deep).to.be.instanceOf(ProtoMalformedError)
  })

  it('reads 64-bit numbers exactly, up to the largest', () => {
    for (const number of [0n, 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      const bytes = encode(
        gossip.GossipMessageSchema,
        create(gossip.GossipMessageSchema, { nonce: number }),
      )
      expect(decode(gossip.GossipMessageSchema, bytes).nonce, String(number)).to.equal(number)
    }
  })

  it('copies nothing: bytes are views of the input', () => {
    const bytes = hex('0a0201021201aa')
    const { payload } = decode(gossip.EnvelopeSchema, bytes)
    bytes[2] = 0x77
    expect([...payload]).to.deep.equal([0x77, 2])
  })
})

describe('encode', () => {
  it('gives a Buffer', () => {
    expect(encode(common.EnvelopeSchema, create(common.EnvelopeSchema))).to.be.instanceOf(Buffer)
  })

  it('keeps unknown fields, at the end and in their order', () => {
    const unknown = '9a06021122' + '50ff01' + '55aabbccdd'
    const message = decode(gossip.EnvelopeSchema, hex(unknown + '0a0101'))
    expect(encode(gossip.EnvelopeSchema, message).toString('hex')).to.equal('0a0101' + unknown)
  })

  it('writes what it would write itself, not what it read', () => {
    const unusual = hex('1201aa0a8100ff') // signature first, and a length in two bytes
    const { message, bytes } = receive(gossip.EnvelopeSchema, unusual)
    expect(encode(gossip.EnvelopeSchema, message).toString('hex')).to.equal('0a01ff1201aa')
    expect(bytes, 'the bytes as they came').to.equal(unusual)
  })

  const invalid: [what: string, action: () => unknown][] = [
    ['a negative unsigned number', () => encodeNonce(-1n)],
    ['a number above 64 bits', () => encodeNonce(2n ** 64n)],
    ['a fraction', () => encodeIdentifier(0.5)],
    ['a number above 32 bits', () => encodeIdentifier(2 ** 32)],
    ['a message of another type', () => encode(common.EnvelopeSchema, undefined as never)],
  ]
  for (const [what, action] of invalid) {
    it(`refuses ${what}`, () => {
      const error = errorOf(action)
      expect(error).to.be.instanceOf(ProtoInvalidMessageError)
      expect(isCodedError(error, 'PROTO_INVALID_MESSAGE')).to.equal(true)
    })
  }
})

function encodeNonce(nonce: bigint): Buffer {
  const message = create(gossip.GossipMessageSchema)
  message.nonce = nonce
  return encode(gossip.GossipMessageSchema, message)
}

function encodeIdentifier(identifier: number): Buffer {
  const message = create(common.IdentifierHeaderSchema)
  message.identifier = identifier
  return encode(common.IdentifierHeaderSchema, message)
}

function lengthOf(bytes: Uint8Array): Buffer {
  const digits = []
  let rest = bytes.length
  for (; rest >= 0x80; rest >>>= 7) digits.push((rest & 0x7f) | 0x80)
  return Buffer.of(...digits, rest)
}
