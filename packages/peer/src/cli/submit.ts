import { ChainFollower, Monitor, clockSentence, startHeight } from '@heddle/client'
import { systemClock } from '@heddle/events'
import { Command } from 'commander'
import { inputLines, openInput } from '../input/ndjson.ts'
import { connectTo } from '../network/descriptor.ts'
import { Submissions } from '../network/submissions.ts'
import { LastTrouble } from '../network/last-trouble.ts'
import { DenialWatch } from '../network/denial-watch.ts'
import { clockCure } from '../cures.ts'
import { outcomeOf, standingOf } from '../network/summary.ts'
import { Submitter } from '../network/submitter.ts'
import { Waiting } from '../network/waiting.ts'
import { exitCodes } from '../exit-status.ts'
import { Interrupted, endWith } from './interrupted.ts'
import { dirOption, wholeNumber } from './options.ts'
import { grouped, standardOutput, toJson } from './output.ts'
import type { Verdict, VerifiedBlock } from '@heddle/client'
import type { Submission } from '../network/submissions.ts'
import type { LineProblem } from '../network/submitter.ts'

interface SubmitOptions {
  readonly dir: string
  readonly window: number
  readonly json?: true
}

/** Prints the outcome of one line, as soon as a block holds it. */
function printVerdict({ line, txId, contract }: Submission, verdict: Verdict, json: boolean): void {
  const { block, accepted, reason } = verdict
  if (json) {
    standardOutput.line(toJson({ line, txId, contract, block, accepted, reason }))
    return
  }
  const what = accepted ? 'accepted' : `rejected: ${reason ?? ''}`
  standardOutput.line(`line ${line}  block ${block}  ${what}`)
}

/** Says why a line did not become a transaction: to a person, and to a program that reads the outcomes. */
function printProblem({ line, problem }: LineProblem, json: boolean): void {
  standardOutput.note(`line ${line}: ${problem}`)
  if (json) standardOutput.line(toJson({ line, problem }))
}

/** The exit status tells whether all lines were accepted. */
function statusOf({ submissions, submitter }: Work): number {
  if (submitter.problemCount > 0) return exitCodes.badInput
  return submissions.counts.rejected > 0 ? exitCodes.rejected : exitCodes.ok
}

/** What ends it before its time: with how far the lines got. */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

interface Work {
  readonly submissions: Submissions
  readonly submitter: Submitter
  readonly trouble: LastTrouble
}

/** What a `submit` that makes no progress waits for. */
function waitsFor({ submissions, submitter, trouble }: Work, name: string): string {
  const { accepted, rejected, submitted } = submissions.counts
  const { inFlight } = submitter
  const unseen = submitted - accepted - rejected
  if (inFlight > 0)
    return `validators to take lines: ${grouped(inFlight)} have no answer${String(trouble)}`
  if (unseen > 0) return `blocks with lines that were taken: ${grouped(unseen)}${String(trouble)}`
  return name === '-' ? 'lines on standard input: Ctrl-D ends it' : `lines of ${name}`
}

/** Whatever changes when a `submit` gets further. */
function progressOf({ submissions, submitter }: Work): string {
  const { acknowledged, accepted, rejected, submitted } = submissions.counts
  return [submitted, acknowledged, accepted, rejected, submitter.problemCount].join(' ')
}

async function submit(file: string | undefined, options: SubmitOptions): Promise<void> {
  const name = file ?? '-'
  const source = await openInput(name)
  const network = await connectTo(options.dir)
  const { client } = network
  const abort = new AbortController()
  endWith(abort.signal, source)
  const interrupt = (): void => abort.abort(new Interrupted('interrupted'))
  for (const each of signals) process.once(each, interrupt)
  const trouble = new LastTrouble()
  const json = options.json === true
  const submissions = new Submissions((submission, verdict) =>
    printVerdict(submission, verdict, json),
  )
  const parts = { client, clock: systemClock, submissions, logger: trouble }
  const note = (text: string): void => standardOutput.note(text)
  const monitor = new Monitor(client, systemClock)
  const denials = new DenialWatch({ monitor, client, clock: systemClock, note })
  const onBlock = (verified: VerifiedBlock): void => {
    submissions.seenBlock(verified, systemClock.now())
    denials.hold(verified.block)
  }
  const onFailure = (error: unknown): void => abort.abort(error)
  const follower = new ChainFollower(
    { client, clock: systemClock, logger: trouble, onBlock },
    onFailure,
  )
  const submitter = new Submitter(parts, {
    window: options.window,
    onFailure,
    onProblem: (problem) => printProblem(problem, json),
  })
  const work = { submissions, submitter, trouble }
  const waiting = new Waiting({
    clock: systemClock,
    note,
    progress: () => progressOf(work),
    what: () => waitsFor(work, name),
  })
  try {
    follower.start(await startHeight(client, { monitor, clock: systemClock }))
    const wrongClock = clockSentence(monitor)
    if (wrongClock !== undefined) note(`${wrongClock}\n  try: ${clockCure}`)
    monitor.start()
    denials.start()
    await submitter.submitAll(inputLines(source), abort.signal)
    await submissions.allSeen(abort.signal)
    note(outcomeOf(submissions, submitter.problemCount))
    process.exitCode = denials.isDenied ? exitCodes.notProven : statusOf(work)
  } catch (error) {
    if (submissions.counts.submitted > 0) {
      note(outcomeOf(submissions, submitter.problemCount))
      note(standingOf(submissions))
    }
    if (!(error instanceof Interrupted)) throw error
    process.exitCode = exitCodes.interrupted
  } finally {
    for (const each of signals) process.off(each, interrupt)
    waiting.stop()
    denials.stop()
    monitor.stop()
    await submitter.stop()
    await follower.stop()
    await network.close()
  }
}

/** `heddle submit`. */
export function submitCommand(): Command {
  return new Command('submit')
    .description(
      'submit JSON lines to a running network, and print the outcome of each as soon as a block holds it',
    )
    .argument('[file]', 'JSON lines; standard input if - or left out')
    .addOption(dirOption())
    .option('--window <n>', 'transactions in flight', wholeNumber(1, 100_000), 1000)
    .option('--json', 'print one JSON object per line')
    .addHelpText(
      'after',
      `
Examples:
  heddle submit my.ndjson
  echo '{"from": "alice", "to": "bob", "amount": 5}' | heddle submit
  tail -f my.ndjson | heddle submit`,
    )
    .action(submit)
}
