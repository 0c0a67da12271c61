import { expect } from 'chai'
import { RunFilter, runsPerFilter } from '../../../src/index/run-filter.ts'
import { MemoryKeyValues } from '../../../src/testing/memory-key-values.ts'
import {
  decodeEntries,
  encodeChunk,
  encodeEntries,
  findInChunk,
} from '../../../src/index/tx-entries.ts'
import { hashKey, hashSeed } from '../../../src/index/tx-hash.ts'
import type { KeyHash } from '../../../src/index/tx-hash.ts'
import { packTxIds } from '../../../src/index/tx-id.ts'
import { TxRuns, runKeys } from '../../../src/index/tx-runs.ts'
import { TxTable } from '../../../src/index/tx-table.ts'

const seed = hashSeed(Buffer.from('a seed, of files'))
const keyOf = (number: number): Buffer => packTxIds([number.toString(16).padStart(64, '0')])
const hashOf = (key: Buffer): KeyHash => hashKey(key, 0, key.length, seed)

/** A table of the transactions of one block with these numbers. */
function tableOf(numbers: readonly number[], block = 7): TxTable {
  const table = new TxTable(runKeys)
  const bytes = Buffer.concat(numbers.map(keyOf))
  for (const index of numbers.keys()) {
    const key = index * (bytes.length / numbers.length)
    const hash = hashOf(keyOf(numbers[index]!))
    table.add({ block, index, bytes, key, first: hash.first, second: hash.second })
  }
  return table
}

describe('RunFilter', () => {
  const filter = new RunFilter()
  for (let run = 0; run < runsPerFilter; run += 1) {
    for (let at = 0; at < runKeys; at += 1) filter.add(run, hashOf(keyOf(run * runKeys + at)))
  }

  it('names the run of every key', () => {
    for (let run = 0; run < runsPerFilter; run += 1) {
      for (let at = 0; at < runKeys; at += 97) {
        const runs = filter.runsWith(hashOf(keyOf(run * runKeys + at)))
        expect((runs >>> run) & 1).to.equal(1)
      }
    }
  })

  it('names few runs for keys that are in none', () => {
    let named = 0
    const keys = 10_000
    for (let at = 0; at < keys; at += 1) {
      let runs = filter.runsWith(hashOf(keyOf(1e9 + at)))
      for (; runs !== 0; runs &= runs - 1) named += 1
    }
    // One in 700, as its description says, give or take a quarter.
    const share = (keys * runsPerFilter) / named
    expect(share).to.be.within(500, 900)
  })

  it('is the same again from its bytes', () => {
    const again = new RunFilter(Buffer.from(filter.bytes))
    expect(again.bytes.equals(filter.bytes)).to.equal(true)
  })
})

describe('TxTable', () => {
  it('finds what it holds, and no more', () => {
    const table = tableOf([1, 2, 3])
    expect(table.size).to.equal(3)
    const find = (number: number): unknown => table.find(keyOf(number), 0, hashOf(keyOf(number)))
    expect([1, 2, 3, 4].map(find)).to.deep.equal([
      { block: 7n, index: 0 },
      { block: 7n, index: 1 },
      { block: 7n, index: 2 },
      undefined,
    ])
  })

  it('tells keys with the same hash apart', () => {
    const table = new TxTable(4)
    const same = { first: 3, second: 5 }
    for (const index of [0, 1, 2]) {
      table.add({ block: 1, index, bytes: keyOf(index), key: 0, ...same })
    }
    const one = new TxTable(4)
    one.add({ block: 1, index: 0, bytes: keyOf(0), key: 0, ...same })
    expect(one.find(keyOf(1), 0, same)).to.equal(undefined)
    expect(one.find(keyOf(0), 0, same)).to.deep.equal({ block: 1n, index: 0 })
  })

  it('takes as many as its capacity, at any hash', () => {
    const table = new TxTable(64)
    for (let at = 0; at < 64; at += 1) {
      table.add({ block: at, index: 0, bytes: keyOf(at), key: 0, first: 0xffffffff, second: at })
    }
    for (let at = 0; at < 64; at += 1) {
      const found = table.find(keyOf(at), 0, { first: 0xffffffff, second: at })
      expect(found?.block).to.equal(BigInt(at))
    }
  })
})

describe('entries and chunks', () => {
  it('are what they were', () => {
    const table = tableOf([5, 6, 7], 2 ** 40)
    const entries = [0, 1, 2].map((at) => table.entry(at))
    const decoded = decodeEntries(encodeEntries(entries))
    for (const [at, { block, index, bytes, key }] of decoded.entries()) {
      expect({ block, index }).to.deep.equal({ block: 2 ** 40, index: at })
      expect(bytes.subarray(key, key + 35).equals(keyOf(5 + at))).to.equal(true)
    }
    const chunk = encodeChunk(entries)
    const find = (number: number): unknown =>
      findInChunk(chunk, keyOf(number), hashOf(keyOf(number)).first)
    expect(find(6)).to.deep.equal({ block: 2n ** 40n, index: 1 })
    expect(find(8)).to.equal(undefined)
  })

  it('tell keys with the same hash apart', () => {
    const chunk = encodeChunk(
      [1, 2].map((number) => ({ block: number, index: 0, bytes: keyOf(number), key: 0, first: 9 })),
    )
    expect(findInChunk(chunk, keyOf(2), 9)?.block).to.equal(2n)
    expect(findInChunk(chunk, keyOf(3), 9)).to.equal(undefined)
  })
})

describe('TxRuns', () => {
  it('find nothing in a run before it counts, and all of it then, also when opened again', () => {
    const store = new MemoryKeyValues()
    const runs = new TxRuns(store, 0)
    const numbers = Array.from({ length: runKeys }, (_, at) => at)
    const writer = runs.begin(tableOf(numbers))
    while (!writer.isDone) writer.write(5_000)
    const found = (from: TxRuns): number =>
      numbers.filter((number) => from.find(keyOf(number), hashOf(keyOf(number))) !== undefined)
        .length
    expect(found(runs)).to.equal(0)
    store.commit([runs.filterChange()])
    runs.grow()
    expect(found(runs)).to.equal(runKeys)
    expect(found(new TxRuns(store, 1))).to.equal(runKeys)
    expect(found(new TxRuns(store, 0))).to.equal(0)
  })
})
