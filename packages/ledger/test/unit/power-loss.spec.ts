import { expect } from 'chai'
import fc from 'fast-check'
import {
  makeTestChain,
  MemoryStorage,
  openMemoryJournal,
  openMemoryLedger,
} from '../../src/testing.ts'
import type { CrashMode } from '../../src/testing.ts'

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Lets `count` promises that are due run. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await Promise.resolve()
}

const modes: readonly CrashMode[] = ['lose', 'keep', 'torn', 'process']
const round = fc.record({
  groups: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 5 }),
  /** Appends that are under way when the power goes. */
  underWay: fc.integer({ min: 0, max: 6 }),
  turns: fc.integer({ min: 0, max: 25 }),
  mode: fc.constantFrom(...modes),
  seed: fc.integer(),
})
const chain = makeTestChain(400, { transactions: 3, bytes: 300 })

describe('crash or power loss at any moment', function () {
  this.timeout(60_000)

  it('leaves every acknowledged block, a whole chain, and a state that is not ahead', async () => {
    const property = fc.asyncProperty(
      fc.array(round, { minLength: 1, maxLength: 6 }),
      fc.constantFrom('all', 'tail'),
      async (rounds, verifyOnOpen) => {
        const storage = new MemoryStorage()
        const options = { maxSegmentBytes: 8_192, verifyOnOpen } as const
        let acknowledged = 0
        for (const { groups, underWay, turns: count, mode, seed } of rounds) {
          const ledger = await openMemoryLedger(options, storage)
          expect(Number(ledger.height)).to.be.at.least(acknowledged)
          expect(ledger.state.savepoint.height <= ledger.height, 'state not ahead').to.equal(true)
          acknowledged = Number(ledger.height)
          for (let at = Number(ledger.state.savepoint.height); at < acknowledged; at += 1) {
            const value = Buffer.from(String(at))
            const writes = [{ namespace: 'n', key: 'height', value }]
            await ledger.state.apply(BigInt(at + 1), BigInt(at), writes)
          }
          for (const size of groups) {
            const group = chain.slice(acknowledged, acknowledged + size)
            await Promise.all(group.map((block) => ledger.append(block)))
            acknowledged += group.length
          }
          for (const block of chain.slice(acknowledged, acknowledged + underWay)) {
            ledger.append(block).then(
              () => (acknowledged += 1),
              () => undefined,
            )
          }
          await turns(count)
          storage.crash(mode, seeded(seed))
          // What is cut off must not count as acknowledged because of what it still believes.
          const known = acknowledged
          await turns(100)
          acknowledged = known
        }
        const last = await openMemoryLedger(options, storage)
        const height = Number(last.height)
        expect(height).to.be.at.least(acknowledged)
        for (const [number, { block, txIds }] of chain.slice(0, height).entries()) {
          const found = Buffer.from((await last.block(BigInt(number)))!)
          expect(found.equals(block), `block ${number}`).to.equal(true)
          const location = { block: BigInt(number), index: 2 }
          expect(last.txLocation(txIds[2]!), `block ${number}`).to.deep.equal(location)
        }
        const savepoint = Number(last.state.savepoint.height)
        const value = last.state.get('n', 'height')
        const text = value && Buffer.from(value).toString()
        expect(text).to.equal(savepoint === 0 ? undefined : String(savepoint - 1))
        await last.close()
      },
    )
    await fc.assert(property, { seed: 7, numRuns: 150 })
  })

  it('leaves a journal with every acknowledged append and every finished rewrite', async () => {
    const step = fc.record({
      appends: fc.integer({ min: 0, max: 8 }),
      rewrite: fc.boolean(),
      turns: fc.integer({ min: 0, max: 40 }),
      mode: fc.constantFrom(...modes),
      seed: fc.integer(),
    })
    const property = fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (steps) => {
      const storage = new MemoryStorage()
      let next = 0
      for (const { appends, rewrite, turns: count, mode, seed } of steps) {
        const journal = await openMemoryJournal({}, storage)
        const before = (await journal.records()).map((record) =>
          Number(Buffer.from(record).toString()),
        )
        const numbers = Array.from({ length: appends }, () => (next += 1))
        const done: number[] = []
        for (const number of numbers) {
          journal.append([Buffer.from(String(number))]).then(
            () => done.push(number),
            () => undefined,
          )
        }
        // Keeps only the last of what was there: a checkpoint.
        const kept = [...before, ...numbers].slice(-1)
        let rewritten = false
        if (rewrite) {
          const records = kept.map((number) => Buffer.from(String(number)))
          journal.rewrite(records).then(
            () => (rewritten = true),
            () => undefined,
          )
        }
        await turns(count)
        const finished = { done: [...done], rewritten }
        storage.crash(mode, seeded(seed))
        const again = await openMemoryJournal({}, storage)
        const after = (await again.records()).map((record) =>
          Number(Buffer.from(record).toString()),
        )
        const all = [...before, ...numbers]
        const isOld =
          after.length >= before.length && all.slice(0, after.length).join() === after.join()
        const isNew = rewrite && after.join() === kept.join()
        expect(isOld || isNew, `${after.join()} of ${all.join()}`).to.equal(true)
        if (finished.rewritten) expect(after).to.deep.equal(kept)
        else if (!isNew) expect(after).to.include.members(finished.done)
        await again.close()
      }
    })
    await fc.assert(property, { seed: 11, numRuns: 300 })
  })
})
