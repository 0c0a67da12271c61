import { isCodedError } from '@heddle/interface'
import { PeerError, messageOf } from '../errors.ts'

/** Exit codes of `heddle`: those of sysexits.h where it has one. */
export const exitCodes = {
  ok: 0,
  /** The proof at the end of `network up` did not hold, or `blocks` found a chain that is not valid. */
  notProven: 1,
  usage: 64,
  badInput: 65,
  noInput: 66,
  unavailable: 69,
  internal: 70,
  ledger: 74,
  portBusy: 75,
  forbidden: 77,
  config: 78,
  interrupted: 130,
} as const

const byCode: Readonly<Record<string, number>> = {
  PEER_INVALID_CONFIG: exitCodes.config,
  PEER_WRONG_CERTIFICATE: exitCodes.config,
  PEER_INVALID_OPTION: exitCodes.usage,
  PEER_FILE_MISSING: exitCodes.noInput,
  PEER_PORT_BUSY: exitCodes.portBusy,
  PEER_LEDGER_FAILED: exitCodes.ledger,
  PEER_BAD_LINE: exitCodes.badInput,
  PEER_INVALID_ENVELOPE: exitCodes.badInput,
  PEER_NETWORK_RUNNING: exitCodes.portBusy,
  PEER_NETWORK_NOT_RUNNING: exitCodes.unavailable,
  PEER_NETWORK_UNAVAILABLE: exitCodes.unavailable,
  PEER_NO_AGREEMENT: exitCodes.unavailable,
  PEER_PROOF_FAILED: exitCodes.notProven,
  PEER_FORBIDDEN: exitCodes.forbidden,
  PEER_STOPPED: exitCodes.unavailable,
  LEDGER_LOCKED: exitCodes.portBusy,
  PBFT_JOURNAL_FAILED: exitCodes.ledger,
}

const byPackage: readonly (readonly [string, number])[] = [
  ['LEDGER_', exitCodes.ledger],
  ['MSP_', exitCodes.config],
  ['DELIVER_', exitCodes.unavailable],
  ['COMM_', exitCodes.unavailable],
]

function knownExitCode(code: string): number | undefined {
  return byCode[code] ?? byPackage.find(([prefix]) => code.startsWith(prefix))?.[1]
}

/** The exit code for what was thrown; when that says nothing, for what caused it. */
export function exitCodeOf(error: unknown): number {
  if (!isCodedError(error)) return exitCodes.internal
  return knownExitCode(error.code) ?? exitCodeOf(error.cause)
}

function causes(error: unknown): string[] {
  const lines: string[] = []
  let cause = error instanceof Error ? error.cause : undefined
  // Bounded: a chain of causes could be a circle.
  for (let depth = 0; cause !== undefined && depth < 5; depth++) {
    lines.push(`  because: ${messageOf(cause)}`)
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return lines
}

/** What is printed on standard error: what happened, why, what to do, and the code to look up. */
export function describeFailure(error: unknown): string {
  const lines = [`heddle: ${messageOf(error)}`, ...causes(error)]
  if (error instanceof PeerError && error.cure !== undefined) lines.push(`  try: ${error.cure}`)
  if (isCodedError(error)) lines.push(`  code: ${error.code}, exit status ${exitCodeOf(error)}`)
  return `${lines.join('\n')}\n`
}
