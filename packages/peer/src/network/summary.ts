import { shown } from '@heddle/msp'
import { grouped } from '../cli/output.ts'
import { countReasons } from './count-reasons.ts'
import type { NetworkDescriptor } from '@heddle/client'
import type { ReasonCount } from './count-reasons.ts'
import type { Proof } from './proof.ts'
import type { LineRun, Submissions } from './submissions.ts'
import type { LineProblem } from './submitter.ts'

/** What came of a run. */
export interface RunSummary {
  readonly accepted: number
  readonly rejected: number
  /** Lines that are not JSON objects, or that validators refused. */
  readonly notSubmitted: number
  readonly problems: readonly LineProblem[]
  /** The first lines that stand in a block as rejected, and why. */
  readonly firstRejected: readonly LineProblem[]
  /** Reasons of rejections with how often each kind came, most frequent first. */
  readonly reasons: readonly ReasonCount[]
  /** Blocks with a transaction of this run. */
  readonly blocks: number
  readonly seconds: number
  readonly txPerSecond: number
  readonly latencyMs: { readonly p50: number; readonly p99: number }
  /** Processor time of each validator from the first line to the last block; null if it is not known. */
  readonly cpuSeconds: readonly (number | null)[]
  readonly proof: Proof
}

/** Lines shown each with their number. */
export const maxShown = 10

/** How far the lines got that were sent, of a run that ends before its time. */
export function standingOf(submissions: Submissions): string {
  const runs = submissions.openRuns()
  const open = linesIn(runs)
  const { submitted } = submissions.counts
  const last = submissions.lastLine
  const sent = `lines sent: ${grouped(submitted)}, the last is line ${last}; acknowledged: ${grouped(submitted - open)}`
  if (open === 0) return sent
  const shown = runs.slice(0, maxShown)
  const more = open - linesIn(shown)
  const first = shown.map((run) => (run.count === 1 ? run.first : `${run.first} to ${run.last}`))
  const others = more > 0 ? `, and ${grouped(more)} more` : ''
  return `${sent}; not acknowledged, though perhaps in a block: ${first.join(', ')}${others}`
}

function linesIn(runs: readonly LineRun[]): number {
  return runs.reduce((sum, { count }) => sum + count, 0)
}

/** What became of the lines that were sent, in a few words. */
export function outcomeOf(submissions: Submissions, notSubmitted: number): string {
  const { accepted, rejected } = submissions.counts
  const refused = notSubmitted === 0 ? '' : `; not submitted: ${grouped(notSubmitted)}`
  return `accepted: ${grouped(accepted)}; rejected: ${rejectedOf(rejected, countReasons(submissions.all()))}${refused}`
}

/** Such as `3 (overdraws: 2, first line 7; no such account: line 9)`. */
function rejectedOf(rejected: number, reasons: readonly ReasonCount[]): string {
  const why = reasons.map(({ reason, count, line }) =>
    count === 1 ? `${reason}: line ${line}` : `${reason}: ${grouped(count)}, first line ${line}`,
  )
  return `${grouped(rejected)}${why.length === 0 ? '' : ` (${why.join('; ')})`}`
}

/** The first lines that stand in a block as rejected, with the reason, in order. */
export function rejectedLines(submissions: Submissions): LineProblem[] {
  const first: LineProblem[] = []
  for (const { submission, verdict } of submissions.all()) {
    if (verdict === undefined || verdict.accepted) continue
    first.push({ line: submission.line, problem: verdict.reason ?? '' })
    first.sort((a, b) => a.line - b.line)
    first.splice(maxShown)
  }
  return first
}

/** The lines that could not be submitted, for standard error. */
export function problemLines(name: string, { problems, notSubmitted }: RunSummary): string[] {
  const shown = problems
    .slice(0, maxShown)
    .map(({ line, problem }) => `${name}: line ${line}: ${problem}`)
  const more = notSubmitted - shown.length
  return more > 0 ? [...shown, `${name}: ${grouped(more)} more lines with a problem`] : shown
}

/** The summary and the proof, for people. */
export function summaryLines(summary: RunSummary): string[] {
  const { accepted, rejected, reasons, blocks, seconds, txPerSecond, latencyMs, proof } = summary
  const { firstRejected } = summary
  return [
    '',
    `accepted   ${grouped(accepted)}`,
    `rejected   ${rejectedOf(rejected, reasons)}`,
    ...firstRejected.map(({ line, problem }) => `  line ${line}: ${problem}`),
    ...(rejected > firstRejected.length
      ? [`  and ${grouped(rejected - firstRejected.length)} more`]
      : []),
    `blocks     ${grouped(blocks)}`,
    `time       ${seconds.toFixed(2)} s`,
    `throughput ${grouped(Math.round(txPerSecond))} tx/s`,
    `latency    p50 ${Math.round(latencyMs.p50)} ms, p99 ${Math.round(latencyMs.p99)} ms (submitted to acknowledged)`,
    '',
    proof.held ? 'proof: held' : 'proof: DID NOT HOLD',
    ...proof.checks.map(
      ({ name, held, detail }) => `  ${held ? 'ok    ' : 'FAILED'} ${name}: ${detail}`,
    ),
    '',
  ]
}

/** Genesis accounts shown by name. */
const maxAccounts = 3

/** Which accounts of a genesis block hold how much. */
export function accountsLine(balances: ReadonlyMap<string, bigint>): string {
  const accounts = [...balances]
  if (accounts.length === 0) return 'no genesis account holds money'
  const first = accounts
    .slice(0, maxAccounts)
    .map(([name, balance]) => `${shown(name)} ${grouped(balance)}`)
  const more = accounts.length - first.length
  const total = accounts.reduce((sum, [, balance]) => sum + balance, 0n)
  const others = more > 0 ? ` and ${grouped(more)} more` : ''
  return `genesis accounts: ${first.join(', ')}${others}; ${grouped(total)} in all`
}

/** What a person can do while the network runs. */
export function nextStepLines(descriptor: NetworkDescriptor, dirOption: string): string[] {
  const operations = descriptor.validators[0]?.operations ?? ''
  return [
    'The network runs until Ctrl-C. From another terminal try:',
    `  npx heddle query accounts account-001${dirOption}`,
    `  echo '{"from": "account-001", "to": "account-002", "amount": 5}' | npx heddle submit${dirOption}`,
    `  npx heddle blocks --from 1 --to 3${dirOption}`,
    `  npx heddle network status${dirOption}`,
    `  curl http://${operations}/metrics`,
  ]
}
