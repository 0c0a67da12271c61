import { readFileSync } from 'node:fs'

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

/** The value that `share` (0 … 1) of the values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

/** Seconds that `action` takes. */
export async function seconds(action: () => Promise<void> | void): Promise<number> {
  const start = performance.now()
  await action()
  return (performance.now() - start) / 1000
}

/**
 * Measures two things by turns, so that a noisy neighbour hits both, and gives the round with the
 * middle ratio. Both return a rate. A round before, in which code is compiled and files are first
 * touched, does not count.
 */
export async function paired(
  rounds: number,
  ours: () => Promise<number>,
  limit: () => Promise<number>,
): Promise<{ ours: number; limit: number }> {
  await limit()
  await ours()
  const results: { ours: number; limit: number }[] = []
  for (let round = 0; round < rounds; round += 1) {
    results.push({ limit: await limit(), ours: await ours() })
  }
  results.sort((a, b) => a.ours / a.limit - b.ours / b.limit)
  return results[Math.floor(results.length / 2)] ?? { ours: NaN, limit: NaN }
}

/** CPU seconds of all child processes that have ended; 0 where the system does not tell. */
export function childCpuSeconds(): number {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = Number(fields[13]) + Number(fields[14]) // cutime + cstime, 100 a second
    return ticks / 100
  } catch {
    return 0
  }
}
