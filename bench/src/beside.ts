// One attack beside an honest load: what others get, and what a validator holds, without it and with it.
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HandStarted, sendAt } from './hand-started.ts'
import { percentile } from './measure.ts'
import type { Figure } from './report.ts'

/** Long beside the wait for the last answer, which counts. */
const seconds = 45
export const mebibyte = 1024 * 1024

/** An attack, and what it has to leave to others. */
export interface Trial {
  /** What its figures are called. */
  readonly name: string
  /** Records a second of the honest client. */
  readonly rate: number
  /** Records that are ordered before, and bytes of each. */
  readonly before: { readonly records: number; readonly bytes: number }
  /** What is so without the attack, too. */
  readonly prepare?: (network: HandStarted) => Promise<void>
  /** Begins it; the processes that have begun, each to be ended by its parent. */
  readonly begin: (network: HandStarted) => Promise<ChildProcess[]>
  /** What shows that there was an attack, asked after so many seconds of it. */
  readonly shown: (processes: readonly ChildProcess[], seconds: number) => Promise<Figure[]>
  /** Least share of their answers that others keep; undefined where it is only reported. */
  readonly share: number | undefined
}

function writeInput(file: string, { records, bytes }: Trial['before']): void {
  const text = 'x'.repeat(bytes)
  const lines = Array.from({ length: records }, (_, id) => JSON.stringify({ id, text }))
  writeFileSync(file, lines.join('\n') + '\n')
}

async function measure(network: HandStarted, trial: Trial): Promise<Figure[]> {
  const { name, rate, prepare, begin, shown, share } = trial
  await prepare?.(network)
  await sendAt(network, { rate, seconds: 5, prefix: 'warm' })
  const alone = await sendAt(network, { rate, seconds, prefix: 'alone' })
  const peakAlone = network.peakBytes() / mebibyte
  const processes = await begin(network)
  const start = performance.now()
  const attacked = await sendAt(network, { rate, seconds, prefix: 'attacked' })
  const figures = await shown(processes, (performance.now() - start) / 1000)
  for (const process of processes) process.kill('SIGKILL')
  return [
    // Without these there was no attack.
    ...figures.map((figure) => ({ ...figure, name: `${name}: ${figure.name}` })),
    {
      name: `${name}: answers to others`,
      value: attacked.perSecond,
      unit: 'tx/s',
      limit: alone.perSecond,
      ...(share !== undefined && { bar: { of: 'ratio', atLeast: share } as const }),
    },
    {
      name: `${name}: latency p99 of others`,
      value: percentile(attacked.latencies, 0.99),
      unit: 'ms',
      limit: percentile(alone.latencies, 0.99),
    },
    {
      name: `${name}: peak memory of a validator`,
      value: network.peakBytes() / mebibyte,
      unit: 'MiB',
      limit: peakAlone,
      bar: { of: 'value', atMost: 1024 },
    },
  ]
}

/** The figures of an attack on a network of its own. */
export async function besideHonestLoad(trial: Trial): Promise<Figure[]> {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
  try {
    const input = join(dir, 'input.ndjson')
    writeInput(input, trial.before)
    const network = HandStarted.start(join(dir, 'network'), input)
    try {
      return await measure(network, trial)
    } finally {
      await network.stop()
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
