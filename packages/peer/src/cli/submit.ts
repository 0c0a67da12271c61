import { systemClock } from '@heddle/events'
import { weakQuorumOf } from '@heddle/pbft'
import { Command } from 'commander'
import { inputLines, openInput } from '../input/ndjson.ts'
import { openClient } from '../network/client.ts'
import { readDescriptor } from '../network/descriptor.ts'
import { Submissions } from '../network/submissions.ts'
import { ChainFollower } from '../network/chain-follower.ts'
import { Monitor } from '../network/monitor.ts'
import { Submitter } from '../network/submitter.ts'
import { PeerError } from '../errors.ts'
import { exitCodes } from '../exit-status.ts'
import { dirOption, wholeNumber } from './options.ts'
import { standardOutput, toJson } from './output.ts'
import type { NetworkClient } from '../network/client.ts'

interface SubmitOptions {
  readonly dir: string
  readonly window: number
  readonly json?: true
}

/** Starts to follow the chain where the validators are now. */
async function follow(client: NetworkClient, follower: ChainFollower): Promise<void> {
  const monitor = new Monitor(client, systemClock)
  await monitor.ask()
  const heights = monitor.statuses.flatMap((each) => (each === undefined ? [] : [each.height]))
  if (heights.length < weakQuorumOf(client.validators.length)) {
    throw new PeerError(
      'PEER_NETWORK_UNAVAILABLE',
      `${heights.length} of ${client.validators.length} validators answer`,
      { cure: 'start the network with `heddle network up`' },
    )
  }
  const lowest = heights.reduce((a, b) => (b < a ? b : a))
  follower.start(lowest > 0n ? lowest - 1n : 0n)
}

function report(submissions: Submissions, submitter: Submitter, json: boolean): void {
  for (const { submission, verdict } of submissions.all()) {
    const { line, txId, contract } = submission
    if (json) standardOutput.line(toJson({ line, txId, contract, ...verdict }))
    else {
      const what = verdict?.accepted === true ? 'accepted' : `rejected: ${verdict?.reason ?? ''}`
      standardOutput.line(`line ${line}  block ${verdict?.block ?? '?'}  ${what}`)
    }
  }
  for (const { line, problem } of submitter.problems)
    standardOutput.note(`line ${line}: ${problem}`)
  if (submitter.problemCount > 0) process.exitCode = exitCodes.badInput
}

async function submit(file: string | undefined, options: SubmitOptions): Promise<void> {
  const source = await openInput(file ?? '-')
  const client = await openClient(options.dir, await readDescriptor(options.dir))
  const abort = new AbortController()
  const parts = { client, clock: systemClock, submissions: new Submissions() }
  const follower = new ChainFollower(parts, (error) => abort.abort(error))
  const submitter = new Submitter(parts, { window: options.window })
  try {
    await follow(client, follower)
    await submitter.submitAll(inputLines(source), abort.signal)
    await parts.submissions.allSeen(abort.signal)
    report(parts.submissions, submitter, options.json === true)
  } finally {
    await submitter.stop()
    await follower.stop()
    client.close()
  }
}

/** `heddle submit`. */
export function submitCommand(): Command {
  return new Command('submit')
    .description('submit JSON lines to a running network and print what became of each')
    .argument('[file]', 'JSON lines; - or nothing is standard input')
    .addOption(dirOption())
    .option('--window <n>', 'transactions under way', wholeNumber(1, 100_000), 1000)
    .option('--json', 'print one JSON object for each line')
    .addHelpText(
      'after',
      `
Examples:
  heddle submit my.ndjson
  echo '{"from": "alice", "to": "bob", "amount": 5}' | heddle submit`,
    )
    .action(submit)
}
