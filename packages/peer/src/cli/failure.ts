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

/** What can be said about an error. */
export interface Failure {
  /** What happened, then what caused it and is not said in that already. */
  readonly texts: readonly [string, ...string[]]
  readonly cure: string | undefined
  /** Code to look up. */
  readonly code: string | undefined
  /** Exit status. */
  readonly status: number
}

/** What happened, why, what to do, the code to look up and the exit status. */
export function explainFailure(error: unknown): Failure {
  const chain = chainOf(explainSystemError(error) ?? error)
  const [first, ...causes] = chain
  const texts: [string, ...string[]] = [messageOf(first)]
  for (const text of causes.map(messageOf)) {
    // Most errors say themselves what caused them.
    if (!texts.some((said) => said.includes(text))) texts.push(text)
  }
  const cures = [...chain.map(cureOf), ...chain.map(generalCureOf)]
  const cure = cures.find((each) => each !== undefined)
  const code = isCodedError(first) ? first.code : undefined
  return { texts, cure, code, status: exitCodeOf(error) }
}

/** The same for standard error. */
export function describeFailure(error: unknown): string {
  const { texts, cure, code, status } = explainFailure(error)
  const [what, ...causes] = texts
  const lines = [
    `heddle: ${what}`,
    ...causes.map((text) => `  because: ${text}`),
    ...(cure === undefined ? [] : [`  try: ${cure}`]),
    `  ${code === undefined ? '' : `code: ${code}, `}exit status ${status}`,
  ]
  return `${lines.join('\n')}\n`
}

/** For errors of packages that know nothing of whoever reads them. */
function generalCureOf(error: unknown): string | undefined {
  return isCodedError(error) ? cureOfCode(error.code) : undefined
}

/** The client library knows nothing of commands, but what it says is about them. */
function cureOf(error: unknown): string | undefined {
  if (isCodedError(error) && error.code.startsWith('CLIENT_')) return cureOfCode(error.code)
  return (error instanceof PeerError ? error : explainSystemError(error))?.cure
}
