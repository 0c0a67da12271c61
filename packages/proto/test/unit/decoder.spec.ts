import { create, equals, fromBinary, isMessage, toBinary } from '@bufbuild/protobuf'
import type { DescMessage } from '@bufbuild/protobuf'
import { StringValueSchema, StructSchema } from '@bufbuild/protobuf/wkt'
import { expect } from 'chai'
import { common, encode, etcdraft, gossip, kvrwset, msp, pbft } from '../../src/index.ts'
import { decodeFast } from '../../src/decoder/decoder.ts'
import { expectSameDecoding } from '../support/decodings.ts'
import { blockFiles, fixture, networks } from '../support/fixtures.ts'
import { mutated } from '../support/mutations.ts'
import { randomMessage, seeded } from '../support/random.ts'
import { allMessages } from '../support/schemas.ts'
import { oldMessage, unusualMessage } from '../support/unusual.ts'

const SEED = 99
const MESSAGES_OF_EACH_TYPE = 12
const CHANGES_OF_EACH_MESSAGE = 20

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

/** Whether such messages may hold maps, which are not taken. */
function holdsMaps(schema: DescMessage, around: readonly DescMessage[] = []): boolean {
  if (around.includes(schema)) return false
  return schema.fields.some(
    (field) =>
      field.fieldKind === 'map' ||
      (field.message !== undefined && holdsMaps(field.message, [...around, schema])),
  )
}

/** An empty message is left to `fromBinary`. */
function expectTaken(schema: DescMessage, bytes: Uint8Array, note: string): void {
  expect(expectSameDecoding(schema, bytes, note), `${note}: is taken`).to.equal(bytes.length > 0)
}

describe('decodeFast', () => {
  for (const schema of allMessages) {
    it(`${schema.typeName}: gives what fromBinary gives, from Buffers and from plain bytes`, () => {
      const random = seeded(SEED)
      for (let i = 0; i < MESSAGES_OF_EACH_TYPE; i++) {
        const bytes = encode(schema, randomMessage(schema, random))
        for (const input of [
          bytes,
          new Uint8Array(bytes),
          Buffer.concat([hex('ff'), bytes]).subarray(1),
        ]) {
          const taken = expectSameDecoding(
            schema,
            input,
            `message ${String(i)} of seed ${String(SEED)}`,
          )
          const isLeft = bytes.length === 0 || holdsMaps(schema)
          expect(taken || isLeft, `message ${String(i)}: is taken`).to.equal(true)
        }
      }
    })

    it(`${schema.typeName}: never differs from fromBinary when the bytes are changed`, () => {
      const random = seeded(SEED + 1)
      for (let i = 0; i < MESSAGES_OF_EACH_TYPE; i++) {
        const bytes = encode(schema, randomMessage(schema, random))
        for (let change = 0; change < CHANGES_OF_EACH_MESSAGE; change++) {
          const changed = mutated(bytes, random)
          expectSameDecoding(schema, changed, `${schema.typeName} from ${changed.toString('hex')}`)
        }
      }
    })
  }

  it('never differs from fromBinary on random bytes', () => {
    const random = seeded(SEED + 2)
    for (let i = 0; i < 10_000; i++) {
      const bytes = Buffer.from(Array.from({ length: random(40) }, () => random(256)))
      const schema = allMessages[random(allMessages.length)]!
      expectSameDecoding(schema, bytes, `${schema.typeName} from ${bytes.toString('hex')}`)
    }
  })

  it('takes recorded blocks', () => {
    for (const path of networks.flatMap(blockFiles)) {
      expectTaken(common.BlockSchema, fixture(path), path)
    }
  })

  it('reads numbers of every length', () => {
    for (let bit = 0n; bit < 64n; bit++) {
      for (const number of [2n ** bit - 1n, 2n ** bit, 2n ** bit + 1n, 2n ** 64n - 2n ** bit]) {
        const nonce = BigInt.asUintN(64, number)
        const epoch = BigInt.asIntN(64, number)
        const type = Number(BigInt.asIntN(32, number))
        const note = String(number)
        const of = (schema: DescMessage, init: Record<string, unknown>): void => {
          expectTaken(schema, toBinary(schema, create(schema, init)), `${schema.typeName} ${note}`)
        }
        of(gossip.GossipMessageSchema, { nonce })
        of(msp.IdemixMSPConfigSchema, { epoch })
        of(common.ChannelHeaderSchema, { type })
        of(common.IdentifierHeaderSchema, { identifier: type >>> 0 })
        of(etcdraft.BlockMetadataSchema, { consenterIds: [nonce, 0n, 1n] })
      }
    }
  })

  it('reads numbers that are longer than they need to be', () => {
    expectTaken(gossip.GossipMessageSchema, hex('08858000'), 'a number')
    expectTaken(gossip.GossipMessageSchema, hex('0885808080808080808000'), 'a number of ten bytes')
    expectTaken(gossip.EnvelopeSchema, hex('0a818000ff'), 'a length')
    expectTaken(gossip.EnvelopeSchema, hex('8a0001ff'), 'a tag')
    expectTaken(kvrwset.KVReadSchema, hex('1203088100'), 'a number inside')
  })

  it('takes any number but 0 as true', () => {
    for (const number of [
      '00',
      '01',
      '02',
      '8000',
      '8001',
      '80808080808080808001',
      'ffffffffffffffffff01',
    ]) {
      expectTaken(kvrwset.KVWriteSchema, hex(`10${number}`), number)
    }
  })

  it('reads text of every length, ASCII or not', () => {
    for (let length = 0; length <= 70; length++) {
      for (const last of ['', 'é', '漢', '😀', '\u0000', '\u007f']) {
        const key = 'k'.repeat(length) + last
        const bytes = encode(kvrwset.KVReadSchema, create(kvrwset.KVReadSchema, { key }))
        expectTaken(kvrwset.KVReadSchema, bytes, JSON.stringify(key))
        expectTaken(kvrwset.KVReadSchema, new Uint8Array(bytes), JSON.stringify(key))
      }
    }
    const marked = create(kvrwset.KVReadSchema, { key: '\ufeffk\ufeff' })
    expectTaken(kvrwset.KVReadSchema, encode(kvrwset.KVReadSchema, marked), 'byte order marks')
  })

  it('takes fields in any order, the last value of a number, and lists with others between', () => {
    expectTaken(gossip.EnvelopeSchema, hex('1201aa0a01bb'), 'signature first')
    expectTaken(gossip.EnvelopeSchema, hex('0a01bb0a01cc'), 'payload twice')
    expectTaken(kvrwset.KVWriteSchema, hex('10011000'), 'true, then false')
    const { view } = fromBinary(pbft.PrePrepareSchema, hex('0802100108031a00'))
    expect(view).to.equal(3n)
    expectTaken(pbft.PrePrepareSchema, hex('1a00080210010803'), 'a message first')
    expectTaken(pbft.BatchSchema, hex('0a01aa0a000a01bb'), 'a list')
  })

  it('makes messages that protobuf-es takes for its own, and shares nothing between them', () => {
    const bytes = hex('1801')
    const [one, other] = [0, 0].map(() => decodeFast(gossip.GossipMessageSchema, bytes)!)
    expect(isMessage(one, gossip.GossipMessageSchema)).to.equal(true)
    expect(equals(gossip.GossipMessageSchema, one as never, other as never)).to.equal(true)
    expect((one as gossip.GossipMessage).content).not.to.equal(
      (other as gossip.GossipMessage).content,
    )
    const groups = [0, 0].map(
      () => decodeFast(common.ConfigGroupSchema, hex('0801')) as common.ConfigGroup,
    )
    expect(groups[0]!.groups).not.to.equal(groups[1]!.groups)
    const batches = [0, 0].map(() => decodeFast(pbft.BatchSchema, hex('0a00')) as pbft.Batch)
    expect(batches[0]!.requests).not.to.equal(batches[1]!.requests)
  })

  it('takes optional fields and those with numbers of up to 2047', () => {
    for (const bytes of ['0800', '1200', '1201610805', 'f87f05']) {
      expectTaken(unusualMessage, hex(bytes), bytes)
    }
  })
})

/** SignaturePolicy and NOutOf by turns: field 2 of each holds the next. */
function nested(depth: number): Buffer {
  let bytes = hex('')
  for (let i = 1; i < depth; i++) {
    const rest = bytes.length
    const length = rest < 0x80 ? [rest] : [(rest & 0x7f) | 0x80, rest >>> 7]
    bytes = Buffer.concat([Buffer.of(0x12, ...length), bytes])
  }
  return bytes
}

/** Its memory is another thread's now, say: nothing of it can be read. */
function givenAway(bytes: Uint8Array): Uint8Array {
  const array = new Uint8Array(bytes)
  structuredClone(array.buffer, { transfer: [array.buffer] })
  return array
}

describe('what decodeFast leaves to fromBinary', () => {
  class Bytes extends Uint8Array {}
  const cases: [what: string, schema: DescMessage, bytes: Uint8Array][] = [
    ['an unknown field', gossip.EnvelopeSchema, hex('0a01aa2001')],
    ['an unknown field with a tag of five bytes', gossip.EnvelopeSchema, hex('f8ffffff0f05')],
    ['a number in place of bytes', gossip.EnvelopeSchema, hex('0805')],
    ['bytes in place of a number', gossip.GossipMessageSchema, hex('0a0105')],
    ['a list of numbers that is not packed', etcdraft.BlockMetadataSchema, hex('08010802')],
    ['a map', common.ConfigGroupSchema, hex('12050a01611200')],
    ['a group', gossip.EnvelopeSchema, hex('2324')],
    ['a message that comes twice', pbft.PrePrepareSchema, hex('1a030a01aa1a030a01bb')],
    ['a second choice', common.SignaturePolicySchema, hex('08010802')],
    ['a second message chosen', common.SignaturePolicySchema, hex('1202080112020802')],
    ['a message that ends after the one around it', pbft.PrePrepareSchema, hex('1a020a0310011801')],
    ['a packed list that ends inside a number', etcdraft.BlockMetadataSchema, hex('0a02018001')],
    ['text that is not UTF-8', kvrwset.KVReadSchema, hex('0a02ff41')],
    ['long text that is not UTF-8', kvrwset.KVReadSchema, hex(`0a50${'ff41'.repeat(40)}`)],
    ['half of a character', kvrwset.KVReadSchema, hex('0a02e6bc')],
    ['field number 0', gossip.EnvelopeSchema, hex('0001')],
    ['a number of 11 bytes', gossip.GossipMessageSchema, hex('08ffffffffffffffffffff01')],
    ['a length beyond the end', gossip.EnvelopeSchema, hex('0affffffff0f')],
    ['a tag cut off', gossip.EnvelopeSchema, hex('8a')],
    ['a number cut off', gossip.GossipMessageSchema, hex('0880')],
    ['101 messages inside one another', common.SignaturePolicySchema, nested(101)],
    ['bytes of another class', gossip.EnvelopeSchema, Bytes.from(hex('0a01aa'))],
    ['an empty message', gossip.EnvelopeSchema, hex('')],
    ['memory that was given away', gossip.EnvelopeSchema, givenAway(hex('0a01aa'))],
    ['no bytes', gossip.EnvelopeSchema, undefined as never],
    ['a message of proto2', oldMessage, hex('0801')],
    ['a message of proto2 inside', unusualMessage, hex('42020801')],
    ['a number of a closed enum', unusualMessage, hex('3801')],
    ['a wrapper', StringValueSchema, hex('0a0161')],
    ['a structure', StructSchema, hex('')],
    ['a wrapper inside', unusualMessage, hex('32030a0161')],
    ['a number of another type', unusualMessage, hex('1801')],
    ['a fixed number', unusualMessage, hex('210102030405060708')],
    ['a number given as text', unusualMessage, hex('2801')],
    ['a field number above 2047', unusualMessage, hex('80800105')],
    ['half of a field number above 2047', unusualMessage, hex('808001')],
    ['the last field number', unusualMessage, hex('f8ffffff0f05')],
  ]
  for (const [what, schema, bytes] of cases) {
    it(`is ${what}`, () => {
      expect(expectSameDecoding(schema, bytes, what)).to.equal(false)
    })
  }

  it('is not 100 messages inside one another, or any number beside one another', () => {
    expectTaken(common.SignaturePolicySchema, nested(100), '100 messages')
    expectTaken(pbft.FrameSchema, hex('0a00'.repeat(1000)), '1000 messages')
  })
})
