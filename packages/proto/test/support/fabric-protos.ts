import { createRequire } from 'node:module'
import type { DescField, DescMessage, Message } from '@bufbuild/protobuf'

/** A message of `@hyperledger/fabric-protos`: getters and setters, no reflection. */
export interface JsMessage {
  serializeBinary(): Uint8Array
  toObject(): object
}

export interface JsMessageClass {
  new (): JsMessage
  deserializeBinary(bytes: Uint8Array): JsMessage
  readonly deserializeBinaryFromReader: (...args: unknown[]) => unknown
}

export interface JsMethod {
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
}

const require = createRequire(import.meta.url)
const requireBeside = createRequire(require.resolve('@hyperledger/fabric-protos'))

export function load(file: string): Record<string, unknown> {
  return require(`@hyperledger/fabric-protos/lib/${file}`) as Record<string, unknown>
}

/** The modules that hold what this package has. */
const messageFiles: readonly (readonly [file: string, packageName: string])[] = [
  ['common/common_pb.js', 'common'],
  ['common/configtx_pb.js', 'common'],
  ['common/configuration_pb.js', 'common'],
  ['common/policies_pb.js', 'common'],
  ['common/collection_pb.js', 'common'],
  ['common/ledger_pb.js', 'common'],
  ['gossip/message_pb.js', 'gossip'],
  ['ledger/rwset/rwset_pb.js', 'rwset'],
  ['ledger/rwset/kvrwset/kv_rwset_pb.js', 'kvrwset'],
  ['msp/identities_pb.js', 'msp'],
  ['msp/msp_config_pb.js', 'msp'],
  ['msp/msp_principal_pb.js', 'common'],
  ['orderer/ab_pb.js', 'orderer'],
  ['orderer/configuration_pb.js', 'orderer'],
  ['orderer/etcdraft/configuration_pb.js', 'etcdraft'],
  ['orderer/etcdraft/metadata_pb.js', 'etcdraft'],
  ['orderer/smartbft/configuration_pb.js', 'orderer.smartbft'],
  ['peer/chaincode_event_pb.js', 'protos'],
  ['peer/chaincode_pb.js', 'protos'],
  ['peer/collection_pb.js', 'protos'],
  ['peer/configuration_pb.js', 'protos'],
  ['peer/events_pb.js', 'protos'],
  ['peer/policy_pb.js', 'protos'],
  ['peer/proposal_pb.js', 'protos'],
  ['peer/proposal_response_pb.js', 'protos'],
  ['peer/transaction_pb.js', 'protos'],
]

function isClass(value: unknown): value is JsMessageClass {
  return typeof value === 'function' && 'deserializeBinaryFromReader' in value
}

function isEnum(value: unknown): value is Record<string, number> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const numbers = Object.values(value)
  return numbers.length > 0 && numbers.every((number) => typeof number === 'number')
}

function collect(name: string, value: unknown): void {
  // The cases of a oneof look like an enum too.
  if (isEnum(value) && !name.endsWith('Case')) jsEnums.set(name, value)
  if (!isClass(value)) return
  jsMessages.set(name, value)
  for (const [nested, inner] of Object.entries(value)) collect(`${name}.${nested}`, inner)
}

/** Enums by full name. */
export const jsEnums = new Map<string, Record<string, number>>()

/** Message classes by full name. */
export const jsMessages = new Map<string, JsMessageClass>()
for (const [file, packageName] of messageFiles) {
  for (const [name, value] of Object.entries(load(file))) collect(`${packageName}.${name}`, value)
}

/** How google-protobuf derives an accessor's name from a field's. */
export function accessor(field: DescField): string {
  const name = field.name
    .split('_')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1).toLowerCase())
    .join('')
  return name === 'Extension' ? 'Extension$' : name
}

/** The same message, built through the setters of `@hyperledger/fabric-protos`. */
export function toJs(schema: DescMessage, message: Message): JsMessage {
  const JsClass = jsMessages.get(schema.typeName) ?? wellKnown(schema.typeName)
  const target = new JsClass() as JsMessage & Record<string, (...args: unknown[]) => unknown>
  for (const field of schema.fields) {
    const value = valueOf(field, message)
    if (value !== undefined) set(target, field, value)
  }
  return target
}

function wellKnown(typeName: string): JsMessageClass {
  const file = requireBeside('google-protobuf/google/protobuf/timestamp_pb.js') as Record<
    string,
    JsMessageClass
  >
  return file[typeName.replace('google.protobuf.', '')]!
}

function valueOf(field: DescField, message: Message): unknown {
  const record = message as unknown as Record<string, unknown>
  if (!field.oneof) return record[field.localName]
  const oneof = record[field.oneof.localName] as { case?: string; value?: unknown }
  return oneof.case === field.localName ? oneof.value : undefined
}

function set(
  target: Record<string, (...args: unknown[]) => unknown>,
  field: DescField,
  value: unknown,
): void {
  const name = accessor(field)
  if (field.fieldKind === 'map') {
    const map = target[`get${name}Map`]!() as Map<unknown, unknown>
    for (const [key, element] of Object.entries(value as object)) {
      map.set(key, convert(field, element))
    }
  } else if (field.fieldKind === 'list') {
    target[`set${name}List`]!((value as unknown[]).map((element) => convert(field, element)))
  } else target[`set${name}`]!(convert(field, value))
}

function convert(field: DescField, value: unknown): unknown {
  if (field.message) return toJs(field.message, value as Message)
  return typeof value === 'bigint' ? Number(value) : value
}
