import type { Writer } from './writer.ts'

/** A message as its fields by name. */
export type Fields = Readonly<Record<string, unknown>>

/** Encodes one field of a message, tag and all. */
export interface FieldEncoder {
  /** First pass: 0 when the field is not written, NaN when this encoder does not take the value. */
  readonly size: (message: Fields, writer: Writer) => number
  /** Second pass. */
  readonly write: (message: Fields, writer: Writer) => void
}
