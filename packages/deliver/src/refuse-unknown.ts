import { unknownOption } from '@heddle/interface'
import { DeliverError } from './errors.ts'

/** The names of options, each with true. */
export type Known<Options> = Readonly<Record<keyof Options, true>>

/** @throws {DeliverError} DELIVER_INVALID_OPTIONS when one of the options has another name than those that are known */
export function refuseUnknown(options: object, known: Readonly<Record<string, true>>): void {
  const unknown = unknownOption(options, Object.keys(known))
  if (unknown !== undefined) throw new DeliverError('DELIVER_INVALID_OPTIONS', unknown)
}
