import type { DescField, DescMessage, DescOneof } from '@bufbuild/protobuf'
import type { FieldEncoder, Fields } from './field-encoder.ts'
import { mapField } from './maps.ts'
import { LENGTH_DELIMITED, int32, scalars } from './values.ts'
import type { ValueEncoder } from './values.ts'
import { varintSize } from './writer.ts'

/** Gives the encoder of a message inside a message, its length before it. */
export type InnerMessageEncoder = (schema: DescMessage) => ValueEncoder

/** `undefined` when the field is of a type that only `toBinary` writes. */
export function fieldEncoder(
  field: DescField,
  innerMessage: InnerMessageEncoder,
): FieldEncoder | undefined {
  const value = elementEncoder(field, innerMessage)
  if (!value) return undefined
  if (field.fieldKind === 'map') return mapField(field, value)
  if (field.fieldKind !== 'list') return singleField(field, value)
  return field.packed ? packedField(field, value) : listField(field, value)
}

/** Writes the one field of the oneof that is set. `undefined` as for {@link fieldEncoder}. */
export function oneofEncoder(
  oneof: DescOneof,
  innerMessage: InnerMessageEncoder,
): FieldEncoder | undefined {
  const cases = new Map<string, FieldEncoder>()
  for (const field of oneof.fields) {
    const value = elementEncoder(field, innerMessage)
    if (!value) return undefined
    cases.set(field.localName, alwaysWritten(field, value))
  }
  const name = oneof.localName
  const chosen = (message: Fields): FieldEncoder | undefined => {
    const choice = message[name] as { case?: string }
    return choice.case === undefined ? undefined : cases.get(choice.case)
  }
  return {
    size: (message, writer) => chosen(message)?.size(message[name] as Fields, writer) ?? 0,
    write: (message, writer) => chosen(message)?.write(message[name] as Fields, writer),
  }
}

function elementEncoder(
  field: DescField,
  innerMessage: InnerMessageEncoder,
): ValueEncoder | undefined {
  if (field.message) return innerMessage(field.message)
  if (field.enum) return int32
  return scalars.get(field.scalar)
}

/** A field of a oneof: the "message" is `{ case, value }`, and defaults are written too. */
function alwaysWritten(field: DescField, encoder: ValueEncoder): FieldEncoder {
  const tag = tagOf(field, encoder.wireType)
  const tagSize = varintSize(tag)
  return {
    size: ({ value }, writer) => tagSize + encoder.size(value, writer),
    write: ({ value }, writer) => {
      writer.varint(tag)
      encoder.write(value as never, writer)
    },
  }
}

function singleField(field: DescField, encoder: ValueEncoder): FieldEncoder {
  const name = field.localName
  const tag = tagOf(field, encoder.wireType)
  const tagSize = varintSize(tag)
  const explicit = field.message !== undefined || field.proto.proto3Optional
  const isAbsent = explicit ? isUndefined : isDefault
  return {
    size: (message, writer) => {
      const value = message[name]
      return isAbsent(value) ? 0 : tagSize + encoder.size(value, writer)
    },
    write: (message, writer) => {
      const value = message[name]
      if (isAbsent(value)) return
      writer.varint(tag)
      encoder.write(value as never, writer)
    },
  }
}

function isUndefined(value: unknown): boolean {
  return value === undefined
}

function isDefault(value: unknown): boolean {
  if (typeof value === 'object') return value instanceof Uint8Array && value.length === 0
  return value === '' || value === 0 || value === 0n || value === false
}

function listField(field: DescField, encoder: ValueEncoder): FieldEncoder {
  const name = field.localName
  const tag = tagOf(field, encoder.wireType)
  const tagSize = varintSize(tag)
  return {
    size: (message, writer) => {
      let size = 0
      for (const value of message[name] as unknown[]) size += tagSize + encoder.size(value, writer)
      return size
    },
    write: (message, writer) => {
      for (const value of message[name] as never[]) {
        writer.varint(tag)
        encoder.write(value, writer)
      }
    },
  }
}

/** Numbers one after the other, under one tag and one length. */
function packedField(field: DescField, encoder: ValueEncoder): FieldEncoder {
  const name = field.localName
  const tag = tagOf(field, LENGTH_DELIMITED)
  const tagSize = varintSize(tag)
  return {
    size: (message, writer) => {
      const values = message[name] as unknown[]
      if (values.length === 0) return 0
      const place = writer.reserve()
      let length = 0
      for (const value of values) length += encoder.size(value, writer)
      writer.note(place, length)
      return tagSize + varintSize(length) + length
    },
    write: (message, writer) => {
      const values = message[name] as never[]
      if (values.length === 0) return
      writer.varint(tag)
      writer.length()
      for (const value of values) encoder.write(value, writer)
    },
  }
}

function tagOf(field: DescField, wireType: number): number {
  return field.number * 8 + wireType
}
