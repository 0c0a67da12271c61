import { create, decode, encode, gossip, receive } from '@heddle/proto'
import { expect } from 'chai'
import fc from 'fast-check'
import { decodeDataEnvelope, encodeDataEnvelope } from '../../../src/messages/data-message.ts'
import { decodeFrame, encodeMessage, signMessage } from '../../../src/messages/message.ts'

const { GossipMessage_Tag: Tag } = gossip
const seed = 20261121
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const number = fc.oneof(uint64, fc.bigInt({ min: 0n, max: 300n }), fc.constant(2n ** 53n))
const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })

const dataMessages = fc
  .record({
    nonce: number,
    channel: bytes(20),
    tag: fc.constantFrom(Tag.UNDEFINED, Tag.EMPTY, Tag.ORG_ONLY, Tag.CHAN_AND_ORG, Tag.CHAN_OR_ORG),
    seqNum: number,
    data: fc.oneof(bytes(300), fc.constant(new Uint8Array(20_000))),
    privateData: fc.array(bytes(3), { maxLength: 1 }),
  })
  .map(({ nonce, channel, tag, ...payload }) =>
    create(gossip.GossipMessageSchema, {
      nonce,
      channel,
      tag,
      content: { case: 'dataMsg', value: { payload } },
    }),
  )

function byCodec(message: gossip.GossipMessage): Buffer {
  const payload = encode(gossip.GossipMessageSchema, message)
  return encode(gossip.EnvelopeSchema, create(gossip.EnvelopeSchema, { payload }))
}

describe('encodeMessage', () => {
  it('gives the same bytes as the codec for data messages of all kinds', () => {
    fc.assert(
      fc.property(dataMessages, (message) => {
        expect(encodeMessage(message).bytes.equals(byCodec(message))).to.equal(true)
      }),
      { seed, numRuns: 500 },
    )
  })

  it('gives the same bytes as the codec for other contents and unknown fields', () => {
    const others = [
      create(gossip.GossipMessageSchema),
      create(gossip.GossipMessageSchema, { content: { case: 'dataMsg', value: {} } }),
      create(gossip.GossipMessageSchema, { nonce: 1n, content: { case: 'empty', value: {} } }),
      decode(gossip.GossipMessageSchema, Buffer.from('42020a00f80701', 'hex')),
      decode(gossip.GossipMessageSchema, Buffer.from('42050a00f80701', 'hex')),
      decode(gossip.GossipMessageSchema, Buffer.from('42050a03f80701', 'hex')),
    ]
    for (const message of others) {
      const hex = encodeMessage(message).bytes.toString('hex')
      expect(hex, JSON.stringify(message.content.case)).to.equal(byCodec(message).toString('hex'))
    }
  })

  it('refuses what the codec refuses', () => {
    const message = create(gossip.GossipMessageSchema, {
      nonce: -1n,
      content: { case: 'dataMsg', value: { payload: {} } },
    })
    expect(encodeDataEnvelope(message)).to.equal(undefined)
    expect(() => encodeMessage(message)).to.throw()
  })
})

describe('decodeFrame', () => {
  const byCodecOnly = (frame: Uint8Array): unknown => {
    const envelope = receive(gossip.EnvelopeSchema, frame)
    return { envelope, message: decode(gossip.GossipMessageSchema, envelope.message.payload) }
  }

  it('gives the same objects as the codec for data messages, signed or not', () => {
    fc.assert(
      fc.property(dataMessages, bytes(72), (message, signature) => {
        const frame =
          signature.length === 0 ? encodeMessage(message) : signMessage(message, () => signature)
        expect(decodeFrame(frame.bytes)).to.deep.equal(byCodecOnly(frame.bytes))
      }),
      { seed, numRuns: 300 },
    )
  })

  it('takes the short way for a plain data message', () => {
    const message = create(gossip.GossipMessageSchema, {
      channel: Buffer.from('ch'),
      content: {
        case: 'dataMsg',
        value: { payload: { seqNum: 2n ** 48n, data: Buffer.from('x') } },
      },
    })
    expect(encodeDataEnvelope(message)).to.not.equal(undefined)
    expect(decodeDataEnvelope(encodeMessage(message).bytes)).to.not.equal(undefined)
  })

  it('agrees with the codec on every truncated prefix and every flipped bit', () => {
    const message = create(gossip.GossipMessageSchema, {
      nonce: 300n,
      channel: Buffer.from('ch'),
      tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
      content: {
        case: 'dataMsg',
        value: { payload: { seqNum: 5n, data: Buffer.alloc(140, 7) } },
      },
    })
    const { bytes: right } = signMessage(message, () => Buffer.from('sig'))
    const damaged = [...right.keys()].map((length) => right.subarray(0, length))
    for (let bit = 0; bit < right.length * 8; bit += 1) {
      const flipped = Buffer.from(right)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      damaged.push(flipped)
    }
    for (const frame of damaged) {
      let expected: unknown
      try {
        expected = byCodecOnly(frame)
      } catch {
        expected = 'COMM_MALFORMED_MESSAGE'
      }
      let actual: unknown
      try {
        actual = decodeFrame(frame)
      } catch (error) {
        actual = (error as { code: string }).code
      }
      expect(actual, frame.toString('hex')).to.deep.equal(expected)
    }
  })

  it('never throws anything but COMM_MALFORMED_MESSAGE for random bytes', () => {
    fc.assert(
      fc.property(bytes(60), (frame) => {
        try {
          decodeFrame(frame)
        } catch (error) {
          expect((error as { code: string }).code).to.equal('COMM_MALFORMED_MESSAGE')
        }
      }),
      { seed, numRuns: 2000 },
    )
  })
})
