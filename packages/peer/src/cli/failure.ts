import { isCodedError } from '@heddle/interface'
import { cureOfCode } from '../cures.ts'
import { PeerError, messageOf } from '../errors.ts'
import { explainSystemError } from '../system-error.ts'
import { exitCodeOf } from '../exit-status.ts'

/** An error with what caused it, and so on. Bounded: a chain of causes could be a circle. */
function chainOf(error: unknown): unknown[] {
  const chain = [error]
  for (
    let cause = causeOf(error);
    cause !== undefined && chain.length < 6;
    cause = causeOf(cause)
  ) {
    chain.push(cause)
  }
  return chain
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined
}

/** What is printed on standard error: what happened, why, what to do, and the code to look up. */
export function describeFailure(error: unknown): string {
  const [first, ...causes] = chainOf(explainSystemError(error) ?? error)
  const lines = [`heddle: ${messageOf(first)}`]
  for (const text of causes.map(messageOf)) {
    // Most errors say themselves what caused them.
    if (!lines.some((line) => line.includes(text))) lines.push(`  because: ${text}`)
  }
  const chain = [first, ...causes]
  const cure = [...chain.map(cureOf), ...chain.map(generalCureOf)].find(
    (each) => each !== undefined,
  )
  if (cure !== undefined) lines.push(`  try: ${cure}`)
  const status = `exit status ${exitCodeOf(error)}`
  lines.push(`  ${isCodedError(first) ? `code: ${first.code}, ${status}` : status}`)
  return `${lines.join('\n')}\n`
}

/** For errors of packages that know nothing of whoever reads them. */
function generalCureOf(error: unknown): string | undefined {
  return isCodedError(error) ? cureOfCode(error.code) : undefined
}

function cureOf(error: unknown): string | undefined {
  return (error instanceof PeerError ? error : explainSystemError(error))?.cure
}
