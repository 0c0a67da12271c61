import { writeSync } from 'node:fs'
import { openJournal, openLedger } from '../../src/index.ts'
import { makeTestBlock } from '../../src/testing.ts'

/*
 * Appends until it is killed, and writes what was acknowledged to standard output, at once:
 * `block <number>` and `record <number>`. Several appends are under way at any time.
 */
const [dir = ''] = process.argv.slice(2)
const ledger = await openLedger({ dir: `${dir}/ledger` }, { maxSegmentBytes: 256 * 1024 })
const journal = await openJournal({ dir: `${dir}/journal` })
const say = (line: string): void => void writeSync(1, `${line}\n`)
const stateOf = (height: bigint): Promise<void> =>
  ledger.state.apply(height, height, [
    { namespace: 'n', key: 'height', value: Buffer.from(height.toString()) },
    { namespace: 'n', key: `block ${height.toString()}`, value: Buffer.alloc(100) },
  ])
for (let height = ledger.state.savepoint.height; height < ledger.height;)
  await stateOf((height += 1n))
say('ready')

async function appendBlocks(): Promise<never> {
  const underWay = new Set<Promise<void>>()
  let previous: Parameters<typeof makeTestBlock>[0] = ledger.lastHeader
  for (;;) {
    const { block, txIds, header } = makeTestBlock(previous, { transactions: 20, bytes: 500 })
    previous = header
    const done = ledger.append({ block, txIds }).then(async () => {
      say(`block ${header.number.toString()}`)
      await stateOf(header.number + 1n)
      underWay.delete(done)
    })
    underWay.add(done)
    if (underWay.size >= 6) await Promise.race(underWay)
  }
}

async function appendRecords(): Promise<never> {
  const stored = await journal.records()
  let next = stored.length === 0 ? 0 : Number(Buffer.from(stored.at(-1)!).toString().trim()) + 1
  for (;;) {
    const numbers = [next, next + 1, next + 2]
    next += 3
    const encoded = (number: number): Buffer => Buffer.from(String(number).padEnd(2_000))
    await Promise.all(numbers.map((number) => journal.append([encoded(number)])))
    say(`record ${next - 1}`)
    // Now and then only the last few are still needed.
    if (next % 30 === 0) await journal.rewrite(numbers.map(encoded))
  }
}

await Promise.all([appendBlocks(), appendRecords()])
