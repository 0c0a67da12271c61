// A client that is permitted takes every bound to its limit, at all validators at once.
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Held } from './attacker.ts'
import { HandStarted, sendAt } from './hand-started.ts'
import { attacksOn, begin } from './intruders.ts'
import { percentile } from './measure.ts'
import type { Figure } from './report.ts'

const rate = 200
const seconds = 45
/** What is delivered: more than every bound on unread bytes. */
const blocks = { lines: 384, bytes: 400_000 }
const mebibyte = 1024 * 1024

function writeInput(file: string): void {
  const text = 'x'.repeat(blocks.bytes)
  const lines = Array.from({ length: blocks.lines }, (_, id) => JSON.stringify({ id, text }))
  writeFileSync(file, lines.join('\n') + '\n')
}

async function measure(network: HandStarted): Promise<Figure[]> {
  await sendAt(network, { rate, seconds: 5, prefix: 'warm' })
  const alone = await sendAt(network, { rate, seconds, prefix: 'alone' })
  const peakAlone = network.peakBytes() / mebibyte
  const [attack] = await attacksOn(network, ['attacker'])
  const attacker = await begin('attacker.ts', attack!)
  const attacked = await sendAt(network, { rate, seconds, prefix: 'attacked' })
  attacker.send('count')
  const [held] = (await once(attacker, 'message')) as [Held]
  attacker.kill('SIGKILL')
  const name = 'attacked by a client'
  return [
    // Half of what each validator allows: without these there was no attack.
    {
      name: `${name}: connections that it has`,
      value: held.connections,
      unit: '',
      bar: { of: 'value', atLeast: 32 * network.endpoints.length },
    },
    {
      name: `${name}: streams that it does not read`,
      value: held.streams,
      unit: '',
      bar: { of: 'value', atLeast: 8 * network.endpoints.length },
    },
    {
      name: `${name}: answers to others`,
      value: attacked.perSecond,
      unit: 'tx/s',
      limit: alone.perSecond,
      bar: { of: 'ratio', atLeast: 0.9 },
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

export async function run(): Promise<Figure[]> {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
  try {
    const input = join(dir, 'input.ndjson')
    writeInput(input)
    const network = HandStarted.start(join(dir, 'network'), input)
    try {
      return await measure(network)
    } finally {
      await network.stop()
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
