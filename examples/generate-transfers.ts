/**
 * Writes data/accounts.json and data/transfers.ndjson, the default input of `npm start`.
 * Always the same bytes: `pnpm --filter @heddle/examples exec tsx generate-transfers.ts`.
 */
import { writeFileSync } from 'node:fs'

const accountCount = 200
const transferCount = 12_000
/** The top of the range of amounts: high enough that some accounts run dry now and then. */
const largestAmount = 400

/** Mulberry32: a small generator of the public domain; the same seed gives the same numbers. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const random = randomFrom(20_261_121)
const below = (limit: number): number => Math.floor(random() * limit)
const names = Array.from(
  { length: accountCount },
  (_, index) => `account-${String(index + 1).padStart(3, '0')}`,
)
const pick = (): string => names[below(names.length)] ?? ''

const accounts = Object.fromEntries(names.map((name) => [name, 500 + below(2000)]))
writeFileSync(
  new URL('data/accounts.json', import.meta.url),
  `${JSON.stringify(accounts, null, 2)}\n`,
)

const lines = Array.from({ length: transferCount }, () =>
  JSON.stringify({ from: pick(), to: pick(), amount: 1 + below(largestAmount) }),
)
writeFileSync(new URL('data/transfers.ndjson', import.meta.url), `${lines.join('\n')}\n`)
