import { OrdererError } from './errors.ts'

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
