import { ScalarType, equals } from '@bufbuild/protobuf'
import type { DescField } from '@bufbuild/protobuf'
import { expect } from 'chai'
import { decode, encode } from '../../src/index.ts'
import { accessor, jsEnums, jsMessages, load, toJs } from '../support/fabric-protos.ts'
import type { JsMessageClass, JsMethod } from '../support/fabric-protos.ts'
import { randomMessage, seeded } from '../support/random.ts'
import { fabricEnums, fabricMessages, fabricServices } from '../support/schemas.ts'

const SEED = 20261121
const MESSAGES_OF_EACH_TYPE = 60

/** Messages of the same Fabric files that nothing here needs. */
const LEFT_OUT = [
  'protos.CDSData',
  'protos.ChaincodeAdditionalParams',
  'protos.ChaincodeData',
  'protos.ChaincodeDeploymentSpec',
  'protos.LifecycleEvent',
]

describe('messages, held against @hyperledger/fabric-protos', () => {
  for (const schema of fabricMessages) {
    it(`${schema.typeName}: both write the same bytes and read what the other wrote`, () => {
      const random = seeded(SEED)
      const JsClass = jsMessages.get(schema.typeName)!
      for (let i = 0; i < MESSAGES_OF_EACH_TYPE; i++) {
        const message = randomMessage(schema, random, { exact: true })
        const ours = encode(schema, message)
        const theirs = Buffer.from(toJs(schema, message).serializeBinary())
        const note = `message ${String(i)} of seed ${String(SEED)}`
        expect(ours.toString('hex'), `${note}: same bytes`).to.equal(theirs.toString('hex'))
        const reread = Buffer.from(JsClass.deserializeBinary(ours).serializeBinary())
        expect(reread.equals(ours), `${note}: they read what we wrote`).to.equal(true)
        const back = decode(schema, theirs)
        expect(equals(schema, back, message), `${note}: we read what they wrote`).to.equal(true)
      }
    })
  }

  it('exist under the same names', () => {
    const ours = fabricMessages.map((schema) => schema.typeName)
    const theirs = [...jsMessages.keys()].filter((name) => !LEFT_OUT.includes(name))
    expect(ours.sort()).to.deep.equal(theirs.sort())
  })

  for (const schema of fabricMessages) {
    it(`${schema.typeName}: fields have the same names, numbers and types`, () => {
      const ours = schema.fields.map((field) => signature(field))
      expect(ours.sort()).to.deep.equal(jsFields(jsMessages.get(schema.typeName)!).sort())
    })
  }
})

/** Number, type and setter of a field, in the words of google-protobuf's generated code. */
function signature(field: DescField): string {
  const name = accessor(field)
  const number = String(field.number)
  if (field.fieldKind === 'map') {
    const value = field.message ? 'Message' : jsType(field)
    return `${number} ${ScalarType[field.mapKey]} ${value} get${name}Map`.toLowerCase()
  }
  const setter = field.fieldKind === 'list' ? `add${name}` : `set${name}`
  return `${number} ${field.message?.typeName ?? jsType(field)} ${setter}`.toLowerCase()
}

function jsType(field: DescField): string {
  return field.enum ? 'Enum' : ScalarType[field.scalar ?? 0]!
}

/** google-protobuf keeps no descriptors: the decoder's text tells what the fields are. */
function jsFields(JsClass: JsMessageClass): string[] {
  const text = JsClass.deserializeBinaryFromReader.toString()
  return [...text.matchAll(/case (\d+):([\s\S]*?)break;/g)].map(([, number, body]) => {
    const map = /msg\.(get\w+Map)\(\)[\s\S]*?prototype\.read(\w+), \S*prototype\.read(\w+)/.exec(
      body!,
    )
    if (map) return `${number!} ${map[2]!} ${map[3]!} ${map[1]!}`.toLowerCase()
    const message = /new ([\w.]+);/.exec(body!)?.[1]
    const scalar = /reader\.read(?!Packed)(\w+)\(\)/.exec(body!)?.[1]
    const setter = /msg\.((?:set|add)[\w$]+)\(/.exec(body!)![1]!
    return `${number!} ${message ? jsName(message) : scalar!} ${setter}`.toLowerCase()
  })
}

/** `common_policies_pb.SignaturePolicyEnvelope` and `proto.gossip.Envelope` by full name. */
function jsName(reference: string): string {
  if (reference.startsWith('proto.')) return reference.slice('proto.'.length)
  const [file, ...name] = reference.split('.')
  if (file!.startsWith('google_')) return `google.protobuf.${name.join('.')}`
  const packages: Record<string, string> = { ledger: 'rwset', msp: 'common', peer: 'protos' }
  const folder = file!.split('_')[0]!
  return `${packages[folder] ?? folder}.${name.join('.')}`
}

describe('enums, held against @hyperledger/fabric-protos', () => {
  it('exist under the same names', () => {
    const ours = fabricEnums.map((schema) => schema.typeName)
    expect(ours.sort()).to.deep.equal([...jsEnums.keys()].sort())
  })

  for (const schema of fabricEnums) {
    it(`${schema.typeName}: the same names and numbers`, () => {
      const ours = schema.values.map((value) => [value.name, value.number])
      expect(Object.fromEntries(ours)).to.deep.equal(jsEnums.get(schema.typeName))
    })
  }
})

describe('services, held against @hyperledger/fabric-protos', () => {
  const theirs = new Map(
    ['gossip/message_grpc_pb.js', 'orderer/ab_grpc_pb.js', 'peer/events_grpc_pb.js']
      .flatMap((file) => Object.values(load(file)))
      .filter((value) => typeof value === 'object' && value !== null)
      .flatMap((service) => Object.values(service as Record<string, JsMethod>))
      .map((method) => [method.path, method]),
  )

  it('have the same methods and shapes', () => {
    const paths = fabricServices.flatMap((service) =>
      service.methods.map((method) => `/${service.typeName}/${method.name}`),
    )
    expect(paths.sort()).to.deep.equal([...theirs.keys()].sort())
    for (const service of fabricServices) {
      for (const method of service.methods) {
        const path = `/${service.typeName}/${method.name}`
        const { requestStream, responseStream } = theirs.get(path)!
        expect(method.proto.clientStreaming, `${path} request`).to.equal(requestStream)
        expect(method.proto.serverStreaming, `${path} response`).to.equal(responseStream)
      }
    }
  })
})
