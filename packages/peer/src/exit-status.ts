import { isCodedError } from '@heddle/interface'
import { GaveUp } from './errors.ts'
import { explainSystemError } from './system-error.ts'

/** Exit statuses of `heddle`: those of sysexits.h where it has one. */
export const exitCodes = {
  ok: 0,
  notProven: 1,
  rejected: 3,
  usage: 64,
  badInput: 65,
  noInput: 66,
  unavailable: 69,
  internal: 70,
  limit: 71,
  noAccess: 73,
  disk: 74,
  busy: 75,
  forbidden: 77,
  config: 78,
  interrupted: 130,
} as const

/** What each means, as `heddle --help` and the README say. */
export const exitMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: 'done',
  notProven: 'the proof did not hold, or validators lack a block that a quorum signed',
  rejected: 'some lines were rejected',
  usage: 'wrong option or argument',
  badInput: 'input lines that are not JSON objects, or were refused',
  noInput: 'no such file, or no such key',
  unavailable: 'network or validator not available; Node too old',
  internal: 'an error of heddle itself: please report it',
  limit: 'too few open files, processes or memory allowed',
  noAccess: 'a file or folder that may not be read, written or made',
  disk: 'disk full or failing, ledger damaged',
  busy: 'port or folder in use',
  forbidden: 'not allowed by the network',
  config: 'configuration, genesis block, certificate or clock',
  interrupted: 'interrupted',
}

const byCode: Readonly<Record<string, number>> = {
  PEER_INVALID_CONFIG: exitCodes.config,
  PEER_WRONG_CERTIFICATE: exitCodes.config,
  PEER_WRONG_FOLDER: exitCodes.config,
  PEER_INVALID_OPTION: exitCodes.usage,
  PEER_FILE_MISSING: exitCodes.noInput,
  PEER_PORT_BUSY: exitCodes.busy,
  PEER_LEDGER_FAILED: exitCodes.disk,
  PEER_UNKNOWN_RULES: exitCodes.config,
  PEER_STATE_DIVERGED: exitCodes.disk,
  PEER_BAD_LINE: exitCodes.badInput,
  PEER_INVALID_ENVELOPE: exitCodes.badInput,
  PEER_DUPLICATE_TRANSACTION: exitCodes.badInput,
  PEER_NETWORK_RUNNING: exitCodes.busy,
  PEER_NETWORK_NOT_RUNNING: exitCodes.unavailable,
  PEER_NETWORK_UNAVAILABLE: exitCodes.unavailable,
  PEER_VALIDATOR_GAVE_UP: exitCodes.unavailable,
  PEER_PROOF_FAILED: exitCodes.notProven,
  PEER_FORBIDDEN: exitCodes.forbidden,
  PEER_STOPPED: exitCodes.unavailable,
  PEER_STATE_TRANSFER_FAILED: exitCodes.unavailable,
  PEER_NO_ACCESS: exitCodes.noAccess,
  PEER_DISK_FULL: exitCodes.disk,
  PEER_SYSTEM_LIMIT: exitCodes.limit,
  CLIENT_INVALID_OPTIONS: exitCodes.config,
  CLIENT_INVALID_DESCRIPTOR: exitCodes.config,
  CLIENT_WRONG_CERTIFICATE: exitCodes.config,
  CLIENT_WRONG_CLOCK: exitCodes.config,
  CLIENT_UNKNOWN_RULES: exitCodes.config,
  CLIENT_FORBIDDEN: exitCodes.forbidden,
  CLIENT_BLOCK_ALTERED: exitCodes.disk,
  CLIENT_REFUSED: exitCodes.badInput,
  LEDGER_LOCKED: exitCodes.busy,
  DELIVER_INVALID_OPTIONS: exitCodes.config,
  DELIVER_SIGNER_NOT_VALID: exitCodes.config,
  LEDGER_INVALID_OPTIONS: exitCodes.config,
  PBFT_INVALID_OPTIONS: exitCodes.config,
  PBFT_JOURNAL_FAILED: exitCodes.disk,
  PBFT_EXECUTION_FAILED: exitCodes.disk,
  PBFT_STATE_DIVERGED: exitCodes.disk,
  PBFT_MALFORMED: exitCodes.disk,
  COMM_INVALID_OPTIONS: exitCodes.config,
  LISTENER_INVALID_OPTIONS: exitCodes.config,
  ORDERER_INVALID_OPTIONS: exitCodes.config,
}

/** Codes that say where something failed: their cause says more about what, when it is known. */
const lessThanTheirCause = ['LEDGER_IO', 'PBFT_JOURNAL_FAILED', 'PBFT_EXECUTION_FAILED']

const byPackage: readonly (readonly [string, number])[] = [
  ['CLIENT_', exitCodes.unavailable],
  ['LEDGER_', exitCodes.disk],
  ['MSP_', exitCodes.config],
  ['CHANNEL_', exitCodes.config],
  ['IDENTITY_', exitCodes.config],
  ['DELIVER_', exitCodes.unavailable],
  ['COMM_', exitCodes.unavailable],
  ['LISTENER_', exitCodes.unavailable],
  ['PBFT_', exitCodes.unavailable],
  ['ORDERER_', exitCodes.unavailable],
]

function statusOfCode(code: string): number | undefined {
  return byCode[code] ?? byPackage.find(([prefix]) => code.startsWith(prefix))?.[1]
}

/** Statuses that say what was wrong with a validator; the others say only that it ended. */
function tells(status: number | null): status is number {
  return (
    status !== null &&
    status >= exitCodes.usage &&
    Object.values<number>(exitCodes).includes(status)
  )
}

/**
 * The exit status for what was thrown: what the operating system refused says more than who was
 * refused, and a cause says more than an error that says nothing.
 */
export function exitCodeOf(error: unknown): number {
  return statusOf(error, 0) ?? exitCodes.internal
}

function statusOf(error: unknown, depth: number): number | undefined {
  // Bounded: a chain of causes could be a circle.
  if (!(error instanceof Error) || depth > 4) return undefined
  if (error instanceof GaveUp) return tells(error.status) ? error.status : byCode[error.code]
  const system = explainSystemError(error)
  if (system !== undefined) return byCode[system.code]
  const code = isCodedError(error) ? error.code : undefined
  const known = code === undefined ? undefined : statusOfCode(code)
  const decides = known !== undefined && !lessThanTheirCause.includes(code ?? '')
  return decides ? known : (statusOf(error.cause, depth + 1) ?? known)
}
