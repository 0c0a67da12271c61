import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { systemClock } from '@heddle/events'
import { isCodedError } from '@heddle/interface'
import { faultsTolerated } from '@heddle/pbft'
import { common, decode } from '@heddle/proto'
import { Command } from 'commander'
import { countLines, inputLines, openInput } from '../input/ndjson.ts'
import { PeerError } from '../errors.ts'
import { findDescriptor } from '../network/descriptor.ts'
import { createProgressDisplay } from '../network/progress.ts'
import { Run } from '../network/run.ts'
import { NetworkSession } from '../network/session.ts'
import { accountsLine, nextStepLines, problemLines, summaryLines } from '../network/summary.ts'
import { genesisAccountsOf, readGenesisAccounts } from '../node/genesis-state.ts'
import { readNamed } from '../read-named.ts'
import { packageRoot } from '../package-root.ts'
import { exitCodes } from '../exit-status.ts'
import { describeFailure } from './failure.ts'
import { Interrupted, endWith } from './interrupted.ts'
import { defaultDir, dirOption, validatorCount, wholeNumber } from './options.ts'
import { markUnverified, standardOutput, toJson } from './output.ts'
import type { NetworkClient } from '@heddle/client'
import type { UpNetwork } from '../network/session.ts'
import type { RunSummary } from '../network/summary.ts'
import type { Output } from './output.ts'

interface UpOptions {
  readonly dir: string
  readonly validators?: number
  readonly basePort?: number
  readonly input?: string
  readonly genesisAccounts?: string
  readonly batchSize: number
  readonly batchTimeout: number
  readonly window?: number
  readonly logSpec: string
  readonly acceptLostBlocks?: true
  readonly exit?: true
  readonly json?: true
}

/** A file of this repository's examples, if this is the repository. */
function example(name: string): string | undefined {
  const path = fileURLToPath(new URL(`../../examples/data/${name}`, packageRoot()))
  return existsSync(path) ? path : undefined
}

async function genesisAccounts(
  file: string | undefined,
  dir: string,
): Promise<Map<string, bigint>> {
  if (file !== undefined && (await findDescriptor(dir)) !== undefined) {
    throw new PeerError(
      'PEER_INVALID_OPTION',
      `the network in ${dir} already has its genesis accounts: they cannot be changed`,
      { cure: 'leave --genesis-accounts out to go on with it, or choose another --dir' },
    )
  }
  const path = file ?? example('accounts.json')
  if (path === undefined) return new Map()
  const text = await readNamed(path, { cure: 'check --genesis-accounts' })
  return readGenesisAccounts(text.toString(), path)
}

/** The way from Ctrl-C, SIGTERM, `network stop` and failing validators to the end. */
class Ending {
  readonly #abort = new AbortController()
  #signals = 0
  kill: () => void = () => undefined

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  readonly onSignal = (): void => {
    this.#signals++
    // Whoever presses Ctrl-C again does not want to wait.
    if (this.#signals > 1) {
      this.kill()
      process.exit(exitCodes.interrupted)
    }
    this.stop(undefined)
  }

  stop(reason: Error | undefined): void {
    this.#abort.abort(reason ?? new Interrupted('interrupted'))
  }

  /** Resolves with what ended it. */
  async wait(): Promise<unknown> {
    if (!this.signal.aborted) {
      await new Promise((resolve) => this.signal.addEventListener('abort', resolve, { once: true }))
    }
    return this.signal.reason
  }
}

function report(summary: RunSummary, name: string, options: UpOptions, output: Output): number {
  for (const line of problemLines(name, summary)) output.note(line)
  if (options.json === true)
    output.line(toJson({ type: 'summary', ...markUnverified(summary, ['cpuSeconds']) }))
  else for (const line of summaryLines(summary)) output.line(line)
  if (!summary.proof.held) return exitCodes.notProven
  return summary.notSubmitted > 0 ? exitCodes.badInput : exitCodes.ok
}

interface Work {
  readonly options: UpOptions
  readonly output: Output
  readonly input: string | undefined
  readonly source: AsyncIterable<Buffer> | undefined
}

async function runInput(client: NetworkClient, work: Work, signal: AbortSignal): Promise<number> {
  const { options, output, input, source } = work
  if (source === undefined || input === undefined) return exitCodes.ok
  const display = createProgressDisplay({
    json: options.json === true,
    stream: process.stdout,
    output,
  })
  const run = new Run(
    { client, clock: systemClock, display, note: (text) => output.note(text) },
    {
      lines: inputLines(source),
      total: await countLines(input),
      window: options.window ?? Math.max(100, 2 * options.batchSize),
    },
  )
  return report(await run.toEnd(signal), input, options, output)
}

/** The status of a run. Without `--exit` others may use the network, though nobody gave out a state. */
export async function orGoOn(
  run: Promise<number>,
  { options, output }: { options: Pick<UpOptions, 'exit'>; output: Pick<Output, 'note'> },
): Promise<number> {
  try {
    return await run
  } catch (error) {
    if (options.exit === true || !isCodedError(error, 'PEER_PROOF_FAILED')) throw error
    output.note(describeFailure(error))
    return exitCodes.notProven
  }
}

function announce({ client, descriptor }: UpNetwork, { options, output, input }: Work): void {
  const { validators } = descriptor
  if (options.json === true) {
    output.line(toJson({ type: 'started', network: descriptor, input: input ?? null }))
    return
  }
  const from = input === undefined ? '' : `, input ${input === '-' ? 'standard input' : input}`
  output.line(
    `${validators.length} validators run (f = ${faultsTolerated(validators.length)}), ` +
      `batches of ${options.batchSize}, folder ${options.dir}${from}`,
  )
  output.line(accountsLine(genesisAccountsOf(decode(common.BlockSchema, client.genesis))))
}

async function up(session: NetworkSession, ending: Ending, work: Work): Promise<number> {
  const { options, output } = work
  let status: number | undefined
  try {
    const network = await session.up(ending.signal)
    announce(network, work)
    status = await orGoOn(runInput(network.client, work, ending.signal), work)
    if (options.exit === true) return status
    const dir = options.dir === defaultDir ? '' : ` --dir ${options.dir}`
    if (options.json !== true)
      for (const line of nextStepLines(network.descriptor, dir)) output.note(line)
    const reason = await ending.wait()
    if (reason instanceof Interrupted) return status
    throw reason
  } catch (error) {
    if (error instanceof Interrupted) return exitCodes.interrupted
    throw error
  } finally {
    await session.down()
  }
}

async function networkUp(options: UpOptions): Promise<void> {
  const output = standardOutput
  const ending = new Ending()
  // What can be wrong with files is found out before anything is started.
  const accounts = await genesisAccounts(options.genesisAccounts, options.dir)
  const input = options.input ?? example('transfers.ndjson')
  const source = input === undefined ? undefined : await openInput(input)
  if (source !== undefined) endWith(ending.signal, source)
  const session = new NetworkSession(
    {
      dir: options.dir,
      validators: options.validators,
      basePort: options.basePort,
      accounts,
      batchSize: options.batchSize,
      batchTimeoutMs: options.batchTimeout,
      loggingSpec: options.logSpec,
      acceptLostBlocks: options.acceptLostBlocks === true,
    },
    systemClock,
    { note: (text) => output.note(text), stop: (reason) => ending.stop(reason) },
  )
  ending.kill = () => session.kill()
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, ending.onSignal)
  try {
    process.exitCode = await up(session, ending, { options, output, input, source })
  } finally {
    for (const signal of signals) process.off(signal, ending.onSignal)
  }
}

/** `heddle network up`. */
export function networkUpCommand(): Command {
  return new Command('up')
    .description(
      'start validators on this machine, run an input through them, and prove the result',
    )
    .addOption(dirOption())
    .option('--validators <n>', 'number of validators, 3f+1 or more (default: 4)', validatorCount)
    .option(
      '--base-port <port>',
      'first port; three fixed ports per validator',
      wholeNumber(1, 65_000),
    )
    .option('--input <file>', 'JSON lines; - is standard input (default: the example transfers)')
    .option(
      '--genesis-accounts <file>',
      'accounts of a new network (default: the example accounts)',
    )
    .option('--batch-size <n>', 'most transactions in a block', wholeNumber(1, 10_000), 500)
    .option('--batch-timeout <ms>', 'longest wait for a batch to fill', wholeNumber(1, 1000), 150)
    .option('--window <n>', 'transactions in flight (default: 2 batches)', wholeNumber(1, 100_000))
    .option('--log-spec <spec>', 'log levels of the validators', 'info')
    .option('--accept-lost-blocks', 'as for `heddle peer start`, on all validators')
    .option('--exit', 'end when the input is done; exit status 0 only if the proof held')
    .option('--json', 'print JSON lines')
    .addHelpText(
      'after',
      `
Examples:
  heddle network up                                  # 4 validators, the example transfers
  heddle network up --exit --input my.ndjson --validators 7
  cat my.ndjson | heddle network up --exit --json --input -`,
    )
    .action(networkUp)
}
