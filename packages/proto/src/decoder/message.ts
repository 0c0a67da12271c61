import type { FieldDecoder, Fields } from './fields.ts'
import type { Reader } from './reader.ts'

/** As many messages inside one another as `fromBinary` takes. */
const MAX_DEPTH = 100

/** A property that is there in every message from the beginning. */
export interface Property {
  readonly name: string
  /** Its value in an empty message. */
  readonly value: unknown
  /** For what messages must not share: lists, maps, oneofs. */
  readonly make: (() => unknown) | undefined
}

/** Decodes the messages of one type. */
export class MessageDecoder {
  /** Decoders by tag. A field in any other form than theirs is not taken. */
  readonly fields: (FieldDecoder | undefined)[] = []
  readonly #typeName: string
  readonly #properties: readonly Property[]

  /** @param properties - in the order in which `create` makes them */
  constructor(typeName: string, properties: readonly Property[]) {
    this.#typeName = typeName
    this.#properties = properties
  }

  /** Reads what is before `end`. `undefined` when it is not taken, or does not end there. */
  read(reader: Reader, end: number): Fields | undefined {
    const message = this.#empty()
    while (reader.position < end) {
      const read = this.fields[reader.tag()]
      if (read === undefined || !read(message, reader, end)) return undefined
    }
    return reader.position === end ? message : undefined
  }

  /** Reads a message inside another, and the length before it. `undefined` as {@link read}. */
  readInner(reader: Reader, end: number): Fields | undefined {
    const stop = reader.stop(end)
    if (stop === undefined || ++reader.depth >= MAX_DEPTH) return undefined
    const message = this.read(reader, stop)
    reader.depth--
    return message
  }

  /** Like `create`, but without looking at the descriptor. */
  #empty(): Fields {
    const message: Fields = { $typeName: this.#typeName }
    for (const { name, value, make } of this.#properties) message[name] = make ? make() : value
    return message
  }
}
