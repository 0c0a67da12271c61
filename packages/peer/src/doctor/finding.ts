import { explainFailure } from '../cli/failure.ts'
import { exitCodes } from '../exit-status.ts'
import { conditionKinds } from '../node/condition-kinds.ts'
import type { ConditionName } from '../node/condition-kinds.ts'

/** Warn: it works, and somebody should look. Fail: it does not. */
export type Verdict = 'ok' | 'warn' | 'fail'

/** What `heddle doctor` looks at, causes before what comes of them. */
export type CheckName =
  | 'node'
  | 'files'
  | 'config'
  | 'certificate'
  | 'identity'
  | 'folder'
  | 'disk'
  | 'ports'
  | 'proxy'
  | 'network'
  | 'validator'
  | 'clock'
  | 'quorum'

/** What is looked at: a check, and the validator that it is about, if it is about one. */
export interface Subject {
  readonly check: CheckName
  readonly about?: string | undefined
}

/** What one check found. */
export interface Finding extends Subject {
  readonly verdict: Verdict
  readonly what: string
  readonly cure?: string
  /** The code of the error that a validator, or a command, would end with. */
  readonly code?: string
  /** The exit status that goes with it; 0 unless it failed. */
  readonly status: number
}

/** Nothing is wrong. */
export function ok(subject: Subject, what: string): Finding {
  return { ...subject, verdict: 'ok', what, status: exitCodes.ok }
}

/** Somebody should look. */
export function warn(subject: Subject, what: string, cure?: string): Finding {
  return { ...subject, verdict: 'warn', what, ...(cure !== undefined && { cure }), status: 0 }
}

/** What was thrown, with the cure, the code and the exit status that it has everywhere else. */
export function failed(subject: Subject, error: unknown): Finding {
  const { texts, cure, code, status } = explainFailure(error)
  const rest = { ...(cure !== undefined && { cure }), ...(code !== undefined && { code }), status }
  return { ...subject, verdict: 'fail', what: texts.join(': '), ...rest }
}

/**
 * A condition as a validator would say it, with its severity and cure.
 * @param status - exit status if it is one of those that have failed
 */
export function ofCondition(
  subject: Subject,
  { name, what, status }: { name: ConditionName; what: string; status: number },
): Finding {
  const { severity, cure } = conditionKinds[name]
  if (severity === 'degraded') return warn(subject, what, cure)
  return { ...subject, verdict: 'fail', what, cure, status }
}

/** What `look` finds; what it throws has failed. */
export async function findings(
  subject: Subject,
  look: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await look()
  } catch (error) {
    return [failed(subject, error)]
  }
}

/** The exit status of the first that failed, since causes stand before what comes of them; 0: none did. */
export function statusOf(all: readonly Finding[]): number {
  return all.find(({ verdict }) => verdict === 'fail')?.status ?? exitCodes.ok
}
