import { ClientError, Monitor, clockSentence } from '@heddle/client'
import { isCodedError } from '@heddle/interface'
import { explainFailure } from '../cli/failure.ts'
import { grouped } from '../cli/output.ts'
import { reasonOf, refuseWithoutQuorum } from '../cli/network-status.ts'
import { conditionKinds } from '../node/condition-kinds.ts'
import { failed, ok, warn } from './finding.ts'
import type { NetworkClient } from '@heddle/client'
import type { Clock } from '@heddle/interface'
import type { heddle } from '@heddle/proto'
import type { Finding, Subject } from './finding.ts'

/**
 * Asks all validators at once, over TLS, for at most `answerTimeoutMs` of the {@link Monitor}: whether
 * each answers, by how much the clock of this machine is off, and whether a quorum works.
 */
export async function validatorFindings(
  client: Pick<NetworkClient, 'validators'>,
  clock: Clock,
): Promise<Finding[]> {
  const monitor = new Monitor(client, clock)
  await monitor.ask()
  const lines = client.validators.map(({ name }, index) => {
    const status = monitor.statuses[index]
    return status === undefined ? { name } : { name, status }
  })
  return [
    ...lines.flatMap(({ name, status }, index) =>
      status === undefined ? unanswered(name, monitor.failures[index]) : answered(name, status),
    ),
    clockFinding(monitor),
    quorumFinding(monitor, lines),
  ]
}

/** One of them may be down: whether too many are, is said of the quorum. */
function unanswered(about: string, failure: unknown): Finding[] {
  const what = `no answer: ${reasonOf(failure, about)}`
  const isRefusal = isCodedError(failure, 'CLIENT_FORBIDDEN')
  const { cure } = isRefusal ? explainFailure(failure) : conditionKinds['validator-down']
  return [warn({ check: 'validator', about }, what, cure)]
}

function answered(about: string, { height, connected, problems }: heddle.StatusReply): Finding[] {
  const subject: Subject = { check: 'validator', about }
  if (problems.length === 0)
    return [ok(subject, `answers: height ${grouped(height)}, connected ${connected}`)]
  return problems.map(({ degraded, component, reason, cure }) =>
    warn(subject, `says ${degraded ? 'degraded' : 'FAILED'} ${component}: ${reason}`, cure),
  )
}

function clockFinding(monitor: Monitor): Finding {
  const subject: Subject = { check: 'clock' }
  const sentence = clockSentence(monitor)
  if (sentence !== undefined)
    return failed(subject, new ClientError('CLIENT_WRONG_CLOCK', sentence))
  if (monitor.knowsClocks) return ok(subject, 'as those of the validators')
  return warn(subject, 'not compared: too few validators answer', 'start them, and ask again')
}

function quorumFinding(
  monitor: Monitor,
  lines: Parameters<typeof refuseWithoutQuorum>[0],
): Finding {
  const subject: Subject = { check: 'quorum' }
  if (monitor.refusal !== undefined) return failed(subject, monitor.refusal)
  try {
    refuseWithoutQuorum(lines)
  } catch (error) {
    return failed(subject, error)
  }
  return ok(subject, `${monitor.answered} of ${lines.length} validators answer`)
}
