// The whole of it: `heddle network up` with four validators, as a person runs it.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { childCpuSeconds } from './measure.ts'
import type { Figure } from './report.ts'

const cli = fileURLToPath(new URL('../../packages/peer/bin/heddle.js', import.meta.url))
const transactionBytes = 1024
const runs = [
  { batchSize: 1, transactions: 500 },
  { batchSize: 10, transactions: 4_000 },
  { batchSize: 100, transactions: 15_000 },
  { batchSize: 500, transactions: 20_000 },
]
const bar = { of: 'value', atLeast: 1_500 } as const

interface Summary {
  readonly type: string
  readonly txPerSecond: number
  readonly latencyMs: { readonly p50: number; readonly p99: number }
  readonly proof: { readonly held: boolean }
}

/** Records of one kibibyte each. */
function writeInput(file: string, transactions: number): void {
  const lines = Array.from({ length: transactions }, (_, index) => {
    const id = `record-${String(index)}`
    const empty = JSON.stringify({ id, text: '' }).length
    return JSON.stringify({ id, text: 'x'.repeat(transactionBytes - empty) })
  })
  writeFileSync(file, lines.join('\n') + '\n')
}

/** Runs the command to its end; the summary that it printed. */
async function networkUp(args: readonly string[]): Promise<Summary> {
  const child = spawn(process.execPath, [cli, 'network', 'up', '--exit', '--json', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const status = await new Promise((resolve) => child.on('close', resolve))
  const lines = output.trim().split('\n')
  const summary = JSON.parse(lines[lines.length - 1] ?? 'null') as Summary | null
  if (status !== 0 || summary?.type !== 'summary' || !summary.proof.held) {
    throw new Error(`heddle network up ended with status ${String(status)}`)
  }
  return summary
}

async function measure({ batchSize, transactions }: (typeof runs)[0]): Promise<Figure[]> {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
  try {
    const input = join(dir, 'input.ndjson')
    writeInput(input, transactions)
    const before = childCpuSeconds()
    const network = ['--dir', join(dir, 'network'), '--input', input]
    const summary = await networkUp([...network, '--batch-size', String(batchSize)])
    const cpu = (childCpuSeconds() - before) / (transactions / 1_000)
    const name = `network of 4, batch ${String(batchSize)}`
    return [
      { name, value: summary.txPerSecond, unit: 'tx/s', ...(batchSize === 500 && { bar }) },
      { name: `${name}, latency p50`, value: summary.latencyMs.p50, unit: 'ms' },
      { name: `${name}, latency p99`, value: summary.latencyMs.p99, unit: 'ms' },
      // All five processes from start to end: keys, start-up and the proof included.
      { name: `${name}, CPU of all processes`, value: cpu, unit: 's/1,000 tx' },
    ]
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

export async function run(): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const settings of runs) figures.push(...(await measure(settings)))
  return figures
}
