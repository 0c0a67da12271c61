import { InvalidOptionsError } from './errors.ts'
import type { ReplicaDependencies } from './types.ts'

/** The methods that each port must have. */
const required: Readonly<Record<string, readonly string[]>> = {
  network: ['send'],
  journal: ['append', 'records', 'rewrite'],
  stateMachine: ['check', 'isExecuted', 'execute', 'lastExecuted', 'transfer'],
  signer: ['sign'],
  verifier: ['verify'],
  clock: ['now', 'wallTime', 'schedule'],
}

/** Those that may be left out, and must be methods when they are not. */
const optional: Readonly<Record<string, readonly string[]>> = {
  stateMachine: ['journalMark', 'earlierDigests', 'clientOf'],
}

/**
 * Refuses a port that is missing or lacks a method, when the replica is made. In JavaScript no compiler
 * says so, and it would fail in the middle of the protocol.
 *
 * @throws {InvalidOptionsError} PBFT_INVALID_OPTIONS, naming the port and the method
 */
export function checkPorts(deps: ReplicaDependencies): void {
  const ports = deps as unknown as Readonly<Record<string, unknown>> | null | undefined
  for (const [name, methods] of Object.entries(required)) {
    const port = ports?.[name] as Readonly<Record<string, unknown>> | null | undefined
    const isMissing = (method: string): boolean => typeof port?.[method] !== 'function'
    const lacking =
      methods.find(isMissing) ??
      optional[name]?.find((method) => port?.[method] !== undefined && isMissing(method))
    if (port === undefined || port === null)
      throw new InvalidOptionsError(`the port ${name} is missing: it needs ${methods.join(', ')}`)
    if (lacking !== undefined)
      throw new InvalidOptionsError(
        `${name}.${lacking} is ${typeof port[lacking]}; it must be a function`,
      )
  }
  for (const name of ['onEvent', 'randomBytes']) {
    const given = ports?.[name]
    if (given !== undefined && typeof given !== 'function')
      throw new InvalidOptionsError(`${name} is ${typeof given}; it must be a function`)
  }
}
