import { unknownOption } from '@heddle/interface'
import { LedgerError } from './errors.ts'

/** @throws LedgerError LEDGER_INVALID_OPTIONS when one of the options has another name than those that are known */
export function refuseUnknown(options: object, known: Readonly<Record<string, true>>): void {
  const unknown = unknownOption(options, Object.keys(known))
  if (unknown !== undefined) throw new LedgerError('LEDGER_INVALID_OPTIONS', unknown)
}

/**
 * The value of an option, or its default.
 *
 * @throws LedgerError LEDGER_INVALID_OPTIONS unless it is a whole number within `range`
 */
export function numberOption(
  name: string,
  value: number | undefined,
  fallback: number,
  range: readonly [least: number, most: number],
): number {
  const chosen = value ?? fallback
  const [least, most] = range
  if (Number.isInteger(chosen) && chosen >= least && chosen <= most) return chosen
  const message = `${name} is ${chosen}: it must be a whole number from ${least} to ${most}`
  throw new LedgerError('LEDGER_INVALID_OPTIONS', message)
}
