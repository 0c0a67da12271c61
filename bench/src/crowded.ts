// Clients that are permitted have all under way that they may have, at all validators at once.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Crowded, Crowding } from './crowder.ts'
import { HandStarted, sendAt } from './hand-started.ts'
import { attacksOn, begin, heard } from './intruders.ts'
import { percentile } from './measure.ts'
import type { Figure } from './report.ts'

const rate = 100
/** Long beside the wait for the last answer, which counts. */
const seconds = 45
const mebibyte = 1024 * 1024
/** What the window of a client takes, in MiB: see `broadcastWindowBytesPerClient`. */
const windowMebibytes = 32

/** Their records, and what of the window such fill: 4,000 small ones are as many as it takes. */
const large = { recordBytes: 1_000_000, filledMebibytes: windowMebibytes }
const small = { recordBytes: 1_000, filledMebibytes: 4 }
const crowds = [
  { name: 'crowded by one, 1 MB records', clients: ['greedy0'], ...large },
  { name: 'crowded by one, 1 KB records', clients: ['greedy0'], ...small },
  { name: 'crowded by two, 1 KB records', clients: ['greedy0', 'greedy1'], ...small },
]

async function measure(
  network: HandStarted,
  { name, clients, recordBytes, filledMebibytes }: (typeof crowds)[0],
): Promise<Figure[]> {
  await sendAt(network, { rate, seconds: 5, prefix: 'warm' })
  const alone = await sendAt(network, { rate, seconds, prefix: 'alone' })
  const peakAlone = network.peakBytes() / mebibyte
  const attacks = await attacksOn(network, clients)
  const crowders = await Promise.all(
    attacks.map((attack) => begin('crowder.ts', { ...attack, recordBytes } as Crowding)),
  )
  const start = performance.now()
  const crowded = await sendAt(network, { rate, seconds, prefix: 'crowded' })
  const forSeconds = (performance.now() - start) / 1000
  const all: Crowded[] = []
  for (const crowder of crowders) {
    crowder.send('count')
    all.push(
      await heard(crowder, (message) => typeof message === 'object' && 'written' in message!),
    )
    crowder.kill('SIGKILL')
  }
  return [
    // Without it there was no attack.
    {
      name: `${name}: each validator has read of each client`,
      value: Math.min(...all.map(({ written }) => written)) / mebibyte,
      unit: 'MiB',
      bar: { of: 'value', atLeast: filledMebibytes },
    },
    {
      name: `${name}: answers to others`,
      value: crowded.perSecond,
      unit: 'tx/s',
      limit: alone.perSecond,
      ...(clients.length === 1 && { bar: { of: 'ratio', atLeast: 0.9 } as const }),
    },
    {
      name: `${name}: answers to each of these`,
      value: Math.max(...all.map(({ taken }) => taken)) / forSeconds,
      unit: 'tx/s',
    },
    {
      name: `${name}: latency p99 of others`,
      value: percentile(crowded.latencies, 0.99),
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
  const figures: Figure[] = []
  for (const crowd of crowds) {
    const dir = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
    try {
      const input = join(dir, 'input.ndjson')
      writeFileSync(input, '{"id":"first"}\n')
      const network = HandStarted.start(join(dir, 'network'), input)
      try {
        figures.push(...(await measure(network, crowd)))
      } finally {
        await network.stop()
      }
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  }
  return figures
}
