import { unknownOption } from '@heddle/interface'
import { MspError } from './errors.ts'

/** @throws {MspError} MSP_INVALID_OPTIONS when one of the options has another name than those that are known */
export function refuseUnknown(options: object, known: Readonly<Record<string, true>>): void {
  const unknown = unknownOption(options, Object.keys(known))
  if (unknown !== undefined) throw new MspError('MSP_INVALID_OPTIONS', unknown)
}
