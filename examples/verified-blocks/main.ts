// Starts a network, and a feed of its transactions for an explorer. kill -9 for the validator that the
// feed reads from, then for the feed itself: each transaction is in the file once all the same.
import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Line } from './lines.ts'
import { Program } from './program.ts'

const dir = await mkdtemp(join(tmpdir(), 'feed-'))
const network = join(dir, 'network')
const output = join(dir, 'output')
await mkdir(output)
const started: Program[] = []
const start = (program: Program): Program => (started.push(program), program)
process.exitCode = 1 // until the end is reached
process.once('SIGTERM', () => process.exit())
process.once('exit', () => {
  for (const program of started) program.kill('SIGTERM')
})

// 1. A network of four validators, blocks of 20 transactions, and the feed.
const up = start(
  Program.heddle([
    'network',
    'up',
    '--json',
    '--dir',
    network,
    '--batch-size',
    '20',
    '--input',
    '-',
  ]),
)
await up.until((line) => line.includes('"type":"summary"'))
const startFeed = (): Program => start(Program.script('feed.ts', [network, output]))
let feed = startFeed()
const reached = async (height: number): Promise<{ height: number; endpoint: string }> => {
  const line = await feed.until((text) => (JSON.parse(text) as { height: number }).height >= height)
  return JSON.parse(line) as { height: number; endpoint: string }
}

/** What `heddle submit --json` says about a line. */
type Submitted = Pick<Line, 'txId' | 'block'>
const submitted: Submitted[] = []
async function submit(name: string, count: number): Promise<void> {
  const records = Array.from({ length: count }, (_, n) => JSON.stringify({ id: `${name}-${n}` }))
  const args = ['submit', '--json', '--dir', network, '-']
  const program = start(Program.heddle(args, records.join('\n')))
  assert.equal(await program.ended(), 0)
  submitted.push(...program.lines.map((line) => JSON.parse(line) as Submitted))
}
await submit('before', 100)
const { height, endpoint } = await reached(2)
console.log(`the feed is at block ${height - 1} and reads from ${endpoint}`)

// 2. kill -9 for that validator. `network up` starts it again; the feed does not wait for that.
interface Descriptor {
  readonly validators: readonly { readonly orderer: string; readonly pid: number }[]
}
const descriptor = await readFile(join(network, 'network.json'), 'utf8')
const { validators } = JSON.parse(descriptor) as Descriptor
process.kill(validators.find(({ orderer }) => orderer === endpoint)!.pid, 'SIGKILL')
const last = Math.max(...submitted.map(({ block }) => block))
await submit('during', 100)
const next = await reached(last + 2)
assert.notEqual(next.endpoint, endpoint)
console.log(`that one was killed: block ${next.height - 1} came from ${next.endpoint}`)

// 3. kill -9 for the feed while blocks come, and half a line, as a crash in a write leaves it.
const more = submit('after', 200)
await reached(next.height + 1)
feed.kill('SIGKILL')
assert.equal(await feed.ended(), 'SIGKILL')
await appendFile(join(output, 'transactions.ndjson'), '{"block":7,"ind')
await more
feed = startFeed()
console.log(`the feed was killed and goes on at block ${(await reached(0)).height}`)
await reached(Math.max(...submitted.map(({ block }) => block)) + 1)
feed.kill('SIGTERM')
assert.equal(await feed.ended(), 0)

// 4. Each transaction once, in the block that the client was told; block 0 holds the configuration.
const text = await readFile(join(output, 'transactions.ndjson'), 'utf8')
const [first, ...lines] = text
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Line)
assert.deepEqual([first?.block, first?.type], [0, 'CONFIG'])
const sorted = (all: readonly Submitted[]): string[] =>
  all.map(({ txId, block }) => `${txId} ${block}`).sort()
assert.deepEqual(sorted(lines), sorted(submitted))
console.log(`${lines.length} transactions were submitted, and each is in the feed once`)

await Program.heddle(['network', 'stop', '--dir', network]).ended()
assert.equal(await up.ended(), 0)
await rm(dir, { recursive: true })
process.exitCode = 0
console.log('all of it held')
