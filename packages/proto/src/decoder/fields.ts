import type { DescField } from '@bufbuild/protobuf'
import { WireType } from '@bufbuild/protobuf/wire'
import type { Reader } from './reader.ts'
import type { ValueDecoder } from './values.ts'

/** A message as its fields by name. */
export type Fields = Record<string, unknown>

/**
 * Decodes one field into a message, its tag being read already. False when it does not take what
 * is there.
 */
export type FieldDecoder = (message: Fields, reader: Reader, end: number) => boolean

/** The decoder of a field whose values are decoded by `value`. */
export function fieldDecoder(field: DescField, value: ValueDecoder): FieldDecoder {
  const name = field.localName
  if (field.fieldKind === 'list') return field.packed ? packed(name, value) : list(name, value)
  if (field.oneof) return choice(field.oneof.localName, name, value)
  return field.message ? inner(name, value) : single(name, value)
}

/** Number and wire type that come before a field. */
export function tagOf(field: DescField, value: ValueDecoder): number {
  const isPacked = field.fieldKind === 'list' && field.packed
  return field.number * 8 + (isPacked ? WireType.LengthDelimited : value.wireType)
}

/** The last value counts. */
function single(name: string, { read }: ValueDecoder): FieldDecoder {
  return (message, reader, end) => {
    const value = read(reader, end)
    message[name] = value
    return value !== undefined
  }
}

/** A second message would have to be merged with the first: not taken. */
function inner(name: string, { read }: ValueDecoder): FieldDecoder {
  return (message, reader, end) => {
    if (message[name] !== undefined) return false
    const value = read(reader, end)
    message[name] = value
    return value !== undefined
  }
}

/** As {@link inner}: a second choice is not taken, whatever it is. */
function choice(name: string, chosen: string, { read }: ValueDecoder): FieldDecoder {
  return (message, reader, end) => {
    if ((message[name] as { case?: string }).case !== undefined) return false
    const value = read(reader, end)
    message[name] = { case: chosen, value }
    return value !== undefined
  }
}

function list(name: string, { read }: ValueDecoder): FieldDecoder {
  return (message, reader, end) => {
    const value = read(reader, end)
    return value !== undefined && (message[name] as unknown[]).push(value) > 0
  }
}

/** Numbers one after the other, under one tag and one length. */
function packed(name: string, { read }: ValueDecoder): FieldDecoder {
  return (message, reader, end) => {
    const values = message[name] as unknown[]
    const stop = reader.stop(end)
    if (stop === undefined) return false
    while (reader.position < stop) values.push(read(reader, stop))
    return reader.position === stop
  }
}
