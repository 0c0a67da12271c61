import { InvalidArgumentError, Option } from 'commander'
import { minValidators } from '../network/prepare.ts'
import { maxValidators } from '../config/setting.ts'

/** Default folder of a network. */
export const defaultDir = '.heddle'

/** `--dir`: the folder of the network. */
export function dirOption(): Option {
  return new Option('--dir <folder>', 'folder of the network').default(defaultDir)
}

/** Reads a whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number): (raw: string) => number {
  return (raw) => {
    const value = Number(raw)
    if (/^\d+$/.test(raw) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`give a whole number from ${min} to ${max}`)
  }
}

/** Reads a block number. */
export function blockNumber(raw: string): bigint {
  if (/^\d{1,19}$/.test(raw)) return BigInt(raw)
  throw new InvalidArgumentError('give a block number, 0 or more')
}

/** Reads a number of validators: 3f + 1 or more. */
export function validatorCount(raw: string): number {
  return wholeNumber(minValidators, maxValidators)(raw)
}
