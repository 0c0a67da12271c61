import { createFileRegistry, create, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, Message } from '@bufbuild/protobuf'
import {
  DoubleValueSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
  StructSchema,
} from '@bufbuild/protobuf/wkt'
import { WireType } from '@bufbuild/protobuf/wire'
import { expect } from 'chai'
import { common, decode, encode, etcdraft, gossip, kvrwset, msp, protos } from '../../src/index.ts'
import { encodeFast } from '../../src/encoder/encoder.ts'
import { blockFiles, fixture, networks } from '../support/fixtures.ts'
import { randomMessage, seeded } from '../support/random.ts'
import { allMessages } from '../support/schemas.ts'

const SEED = 77
const MESSAGES_OF_EACH_TYPE = 80

/** `message M { oneof choice { uint32 a = 1; uint32 c = 3; } uint32 b = 2; }` */
const interleaved: DescMessage = createFileRegistry(
  create(FileDescriptorProtoSchema, {
    name: 'interleaved.proto',
    syntax: 'proto3',
    messageType: [
      {
        name: 'M',
        oneofDecl: [{ name: 'choice' }],
        field: [
          { name: 'a', number: 1, type: Type.UINT32, label: Label.OPTIONAL, oneofIndex: 0 },
          { name: 'c', number: 3, type: Type.UINT32, label: Label.OPTIONAL, oneofIndex: 0 },
          { name: 'b', number: 2, type: Type.UINT32, label: Label.OPTIONAL },
        ],
      },
    ],
  }),
  () => undefined,
).getMessage('M')!

function expectSame(schema: DescMessage, message: Message, note: string): void {
  const fast = encodeFast(schema, message)
  expect(fast, `${note}: taken`).to.be.instanceOf(Buffer)
  const reference = Buffer.from(toBinary(schema, message))
  expect(fast!.toString('hex'), note).to.equal(reference.toString('hex'))
}

describe('encodeFast', () => {
  for (const schema of allMessages) {
    it(`${schema.typeName}: writes what toBinary writes, unknown fields too`, () => {
      const random = seeded(SEED)
      for (let i = 0; i < MESSAGES_OF_EACH_TYPE; i++) {
        const message = randomMessage(schema, random)
        if (random(4) === 0) {
          const data = Uint8Array.of(3, random(256), random(256), random(256))
          message.$unknown = [
            { no: 2 ** random(29) + 1000, wireType: WireType.LengthDelimited, data },
            { no: 536870911, wireType: WireType.Bit32, data },
          ]
        }
        expectSame(schema, message, `message ${String(i)} of seed ${String(SEED)}`)
      }
    })
  }

  it('writes numbers of every length', () => {
    for (let bit = 0n; bit < 64n; bit++) {
      for (const nonce of [2n ** bit - 1n, 2n ** bit, 2n ** bit + 1n, 2n ** 64n - 2n ** bit]) {
        const message = create(gossip.GossipMessageSchema, { nonce: BigInt.asUintN(64, nonce) })
        expectSame(gossip.GossipMessageSchema, message, `uint64 ${String(nonce)}`)
        const epoch = BigInt.asIntN(64, nonce)
        const config = create(msp.IdemixMSPConfigSchema, { epoch })
        expectSame(msp.IdemixMSPConfigSchema, config, `int64 ${String(epoch)}`)
        const type = Number(BigInt.asIntN(32, nonce))
        const header = create(common.ChannelHeaderSchema, { type })
        expectSame(common.ChannelHeaderSchema, header, `int32 ${String(type)}`)
        const identifier = type >>> 0
        const numbered = create(common.IdentifierHeaderSchema, { identifier })
        expectSame(common.IdentifierHeaderSchema, numbered, `uint32 ${String(identifier)}`)
        const raft = create(etcdraft.BlockMetadataSchema, { consenterIds: [message.nonce, 0n, 1n] })
        expectSame(etcdraft.BlockMetadataSchema, raft, `packed ${String(nonce)}`)
      }
    }
  })

  it('writes lengths of one, two, three and four bytes', () => {
    for (const length of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
      const value = new Uint8Array(length).fill(1)
      const header = { previousHash: value }
      const block = create(common.BlockSchema, { header, data: { data: [value, value] } })
      const note = `${String(length)} bytes`
      expectSame(common.BlockSchema, block, note)
      const text = create(kvrwset.KVReadSchema, { key: 'k'.repeat(length) })
      expectSame(kvrwset.KVReadSchema, text, `${note} of text`)
    }
  })

  it('writes text of every kind as UTF-8, halves of pairs as replacement characters', () => {
    for (const key of ['ascii', 'é', 'ÿ\u0080', '漢字', '😀', '\ud800', 'a\udc00b', '\u0000']) {
      const message = create(kvrwset.KVReadSchema, { key })
      expectSame(kvrwset.KVReadSchema, message, JSON.stringify(key))
    }
  })

  it('writes the chosen field of a oneof even when it is a default', () => {
    const zero = create(common.SignaturePolicySchema, { Type: { case: 'signedBy', value: 0 } })
    expectSame(common.SignaturePolicySchema, zero, 'signed_by 0')
    expect(encode(common.SignaturePolicySchema, zero).toString('hex')).to.equal('0800')
  })

  it('writes map entries in full, and the largest key', () => {
    const message = create(protos.BlockAndPrivateDataSchema, {
      privateDataMap: { '0': {}, '18446744073709551615': {} },
    })
    expectSame(protos.BlockAndPrivateDataSchema, message, 'keys of 64 bits')
    const group = create(common.ConfigGroupSchema, { groups: { '': {} }, values: { __proto: {} } })
    expectSame(common.ConfigGroupSchema, group, 'empty key')
  })

  it('writes recorded blocks', () => {
    for (const path of networks.flatMap(blockFiles)) {
      expectSame(common.BlockSchema, decode(common.BlockSchema, fixture(path)), path)
    }
  })

  it('gives a buffer of exactly the size', () => {
    const message = create(common.EnvelopeSchema, { payload: new Uint8Array(100_000) })
    const bytes = encodeFast(common.EnvelopeSchema, message)!
    expect(bytes.buffer.byteLength).to.equal(bytes.length)
  })
})

describe('what encodeFast leaves to toBinary', () => {
  function unusual<T extends Message>(message: T, name: keyof T, value: unknown): T {
    return Object.assign(message, { [name]: value })
  }
  const cases: [what: string, schema: DescMessage, message: Message][] = [
    ['a message of another type', common.EnvelopeSchema, create(common.BlockSchema)],
    ['nothing', common.EnvelopeSchema, undefined as never],
    [
      'text in place of bytes',
      common.EnvelopeSchema,
      unusual(create(common.EnvelopeSchema), 'payload', 'text'),
    ],
    [
      'a missing value',
      common.EnvelopeSchema,
      unusual(create(common.EnvelopeSchema), 'payload', undefined),
    ],
    [
      'a number in place of a bigint',
      common.LastConfigSchema,
      unusual(create(common.LastConfigSchema), 'index', 5),
    ],
    [
      'a bigint of 65 bits',
      common.LastConfigSchema,
      unusual(create(common.LastConfigSchema), 'index', 2n ** 64n),
    ],
    [
      'a negative bigint',
      common.LastConfigSchema,
      unusual(create(common.LastConfigSchema), 'index', -1n),
    ],
    [
      'a number of 33 bits',
      common.IdentifierHeaderSchema,
      unusual(create(common.IdentifierHeaderSchema), 'identifier', 2 ** 32),
    ],
    [
      'a fraction',
      common.ChannelHeaderSchema,
      unusual(create(common.ChannelHeaderSchema), 'type', 0.5),
    ],
    [
      'another message inside',
      common.BlockSchema,
      unusual(create(common.BlockSchema), 'header', create(common.BlockDataSchema)),
    ],
    ['a message of floating numbers', DoubleValueSchema, create(DoubleValueSchema, { value: 1.5 })],
    [
      'a message of floating numbers further in',
      StructSchema,
      create(StructSchema, { fields: { a: { kind: { case: 'numberValue', value: 1 } } } }),
    ],
    [
      'a message of proto2',
      FileDescriptorProtoSchema,
      create(FileDescriptorProtoSchema, { name: 'a.proto' }),
    ],
    ['a oneof with another field between its own', interleaved, create(interleaved, { b: 1 })],
  ]
  for (const [what, schema, message] of cases) {
    it(`is ${what}`, () => {
      expect(encodeFast(schema, message)).to.equal(undefined)
    })
  }

  it('still encodes, in the order of the numbers', () => {
    const message = create(interleaved, { b: 1, choice: { case: 'c', value: 2 } })
    expect(encode(interleaved, message).toString('hex')).to.equal('10011802')
    const file = create(FileDescriptorProtoSchema, { name: 'a' })
    expect(encode(FileDescriptorProtoSchema, file).toString('hex')).to.equal('0a0161')
  })
})
