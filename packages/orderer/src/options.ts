import { unknownOption } from '@heddle/interface'
import { OrdererError } from './errors.ts'

/**
 * @param within - the option that holds these; default: they are the options themselves
 * @throws {OrdererError} ORDERER_INVALID_OPTIONS when one has another name than those that are known
 */
export function refuseUnknown(
  options: object,
  known: Readonly<Record<string, true>>,
  within?: string,
): void {
  const unknown = unknownOption(options, Object.keys(known), within)
  if (unknown !== undefined) throw new OrdererError('ORDERER_INVALID_OPTIONS', unknown)
}

/**
 * Checks settings that count something.
 *
 * @param values - name to value; each must be a whole number, 1 or more
 * @throws {OrdererError} ORDERER_INVALID_OPTIONS, naming the first that is not
 */
export function assertAtLeastOne(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new OrdererError('ORDERER_INVALID_OPTIONS', `${name} must be 1 or more, not ${value}`)
    }
  }
}
