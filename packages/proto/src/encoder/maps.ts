import { ScalarType } from '@bufbuild/protobuf'
import type { DescField } from '@bufbuild/protobuf'
import type { FieldEncoder, Fields } from './field-encoder.ts'
import { LENGTH_DELIMITED, scalars } from './values.ts'
import type { ValueEncoder } from './values.ts'
import { varintSize } from './writer.ts'

const KEY = 1
const VALUE = 2

/**
 * Each entry is a message of a key and a value, both always written, in the order of the object's
 * keys. `undefined` when only `toBinary` writes such keys.
 */
export function mapField(
  field: DescField & { fieldKind: 'map' },
  encoder: ValueEncoder,
): FieldEncoder | undefined {
  const key = scalars.get(field.mapKey)
  const toKey = keyConverters.get(field.mapKey)
  if (!key || !toKey) return undefined
  const name = field.localName
  const tag = field.number * 8 + LENGTH_DELIMITED
  const tagSize = varintSize(tag)
  const [keyTag, valueTag] = [KEY * 8 + key.wireType, VALUE * 8 + encoder.wireType]
  return {
    size: (message, writer) => {
      let size = 0
      for (const [text, value] of Object.entries(message[name] as Fields)) {
        const place = writer.reserve()
        const length = 2 + key.size(toKey(text), writer) + encoder.size(value, writer)
        writer.note(place, length)
        size += tagSize + varintSize(length) + length
      }
      return size
    },
    write: (message, writer) => {
      for (const [text, value] of Object.entries(message[name] as Fields)) {
        writer.varint(tag)
        writer.length()
        writer.varint(keyTag)
        key.write(toKey(text) as never, writer)
        writer.varint(valueTag)
        encoder.write(value as never, writer)
      }
    },
  }
}

/** Keys of an object are text, whatever they are on the wire. */
const keyConverters = new Map<ScalarType, (text: string) => unknown>([
  [ScalarType.STRING, (text: string) => text],
  [ScalarType.UINT64, (text: string) => (/^\d{1,20}$/.test(text) ? BigInt(text) : undefined)],
])
