import { grouped } from '../cli/output.ts'
import type { NetworkDescriptor } from './descriptor.ts'
import type { RunSummary } from './run.ts'

/** Problems shown with their text. */
const maxShown = 10

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
  const why = reasons.map(({ reason, count }) => `${reason}: ${grouped(count)}`).join(', ')
  return [
    '',
    `accepted   ${grouped(accepted)}`,
    `rejected   ${grouped(rejected)}${why === '' ? '' : ` (${why})`}`,
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
