import { expect } from 'chai'
import {
  BlockIndex,
  maxUnindexedKeys,
  pieceKeys,
  pieceMargin,
} from '../../../src/index/block-index.ts'
import { LedgerError } from '../../../src/errors.ts'
import type { KeyChange, KeyValueStore } from '../../../src/storage/storage.ts'
import { MemoryStorage } from '../../../src/testing.ts'
import { filterWords, runsPerFilter } from '../../../src/index/run-filter.ts'
import { packTxIds } from '../../../src/index/tx-id.ts'
import { runKeys } from '../../../src/index/tx-runs.ts'

const identity = Buffer.from('of files')
const perBlock = 100
/** A block and its transactions: as many keys. */
const perBlockKeys = perBlock + 1

/** Ids that are spread over the key space, as digests are. */
const idOf = (block: number, index: number): string =>
  ((block * perBlock + index) * 2_654_435_761).toString(16).padStart(16, '0')

/** The first byte of the keys of chunks. */
const chunk = 't'.charCodeAt(0)
/** The first byte of the keys of filters, which are committed with the end of a run. */
const filter = 'f'.charCodeAt(0)
const tailKey = Buffer.from('w')
/** Chunks hold 64 keys each, give or take what chance does. */
const keysOf = (keys: number): number => 1.5 * keys
const written = (commits: readonly (readonly KeyChange[])[]): number =>
  commits.flat().reduce((sum, { value }) => sum + (value?.length ?? 0), 0)

describe('BlockIndex', () => {
  let storage: MemoryStorage
  let store: KeyValueStore
  let commits: (readonly KeyChange[])[]
  let index: BlockIndex
  let height: number

  async function open(): Promise<void> {
    const opened = await storage.openKeyValues('index', 'synced')
    commits = []
    store = {
      get: (key) => opened.get(key),
      range: (from, to, limit) => opened.range(from, to, limit),
      snapshot: () => opened.snapshot(),
      commit: (changes) => {
        opened.commit(changes)
        commits.push(changes)
      },
      clear: () => opened.clear(),
      close: () => opened.close(),
    }
    index = new BlockIndex(store, identity)
  }

  beforeEach(async () => {
    storage = new MemoryStorage()
    height = 0
    await open()
  })

  /** Adds the next blocks, as a ledger does. */
  function add(blocks: number, ids = idOf): void {
    for (const end = height + blocks; height < end; height += 1) {
      const txIds = Array.from({ length: perBlock }, (_, at) => ids(height, at))
      const position = { sequence: BigInt(height), offset: height * 1_000, length: 1_000 }
      index.flushSome()
      index.add(position, packTxIds(txIds))
    }
  }

  function expectAll(blocks: number): void {
    for (let block = 0; block < blocks; block += 1) {
      const position = { sequence: BigInt(block), offset: block * 1_000, length: 1_000 }
      expect(index.block(BigInt(block))).to.deep.equal(position)
      for (const at of [0, 57, perBlock - 1]) {
        const location = index.transaction(idOf(block, at))
        expect(location).to.deep.equal({ block: BigInt(block), index: at })
      }
    }
  }

  it('commits nothing until a run has gathered', () => {
    const blocks = Math.ceil(runKeys / perBlock)
    add(blocks)
    expect(commits).to.have.length(0)
    expectAll(blocks)
    index.flushSome()
    expect(commits).to.have.length(1)
  })

  it('commits about as much as was added, and finds all at any moment', () => {
    for (let round = 0; round < 40; round += 1) {
      add(20)
      expectAll(height)
    }
    const runs = Math.floor((height * perBlock) / runKeys)
    const chunks = commits.map((changes) => changes.filter(({ key }) => key[0] === chunk).length)
    expect(Math.max(...chunks)).to.be.at.most(keysOf(2 * pieceKeys + pieceMargin) / 64)
    expect(commits.length, 'pieces, not runs').to.be.greaterThan(10 * runs)
    // What waits stays bounded: a run is over before the next is due.
    const indexed = BigInt(height) - new BlockIndex(store, identity).height
    expect(Number(indexed) * perBlock).to.be.lessThan(2 * runKeys)
  })

  it('writes some hundred values for a run, wherever its ids belong', () => {
    add(Math.ceil(runKeys / perBlock))
    index.flush()
    expect(commits.flat().length).to.be.lessThan(300)
  })

  it('is behind, and right when it is brought up, wherever a crash cut a run', async () => {
    add(100)
    for (let cut = 1; cut < 400; cut += 57) {
      add(cut)
      storage.crash('keep')
      await open()
      expect(Number(index.height)).to.be.lessThan(height)
      const known = height
      height = Number(index.height)
      add(known - height)
      expectAll(known)
    }
  })

  it('does not find what only an attempt that a crash cut short had written', async () => {
    add(Math.ceil(runKeys / perBlock))
    index.flushSome()
    const lost = written(commits)
    storage.crash('keep')
    await open()
    expect(index.height).to.equal(0n)
    // Another chain: its run takes the place of the one that was not ended.
    const other = (block: number, at: number): string => idOf(block + 1_000_000, at)
    height = 0
    add(Math.ceil(runKeys / perBlock), other)
    index.flush()
    expect(lost, 'some were written').to.be.greaterThan(100)
    for (let block = 0; block < height; block += 1) {
      expect(index.transaction(idOf(block, 0))).to.equal(undefined)
      expect(index.transaction(other(block, 0))?.block).to.equal(BigInt(block))
    }
  })

  it('keeps what no run holds when it is closed, and goes on with it', async () => {
    for (const blocks of [3, 0, 40, 150, 7]) {
      add(blocks)
      await index.close()
      await open()
      expect(index.height).to.equal(BigInt(height))
      expectAll(height)
    }
    expect(store.get(tailKey)).not.to.equal(undefined)
    while (commits.at(-1)?.some(({ key }) => key[0] === filter) !== true) add(1)
    expect(store.get(tailKey), 'now in a run').to.equal(undefined)
    storage.crash('keep')
    await open()
    expect(index.height).to.equal(BigInt(Math.floor((2 * runKeys) / perBlock)))
  })

  it('keeps the first place of an id that comes again, also while a run is under way', async () => {
    const twice = (block: number, at: number): string => idOf(at === 0 ? 5 : block, at)
    const first = { block: 0n, index: 0 }
    add(10, twice)
    expect(index.transaction(idOf(5, 0)), 'before any run').to.deep.equal(first)
    add(Math.ceil((2 * runKeys) / perBlock), twice)
    expect(commits, 'a run has begun').not.to.have.length(0)
    expect(index.transaction(idOf(5, 0))).to.deep.equal(first)
    index.flush()
    expect(index.transaction(idOf(5, 0))).to.deep.equal(first)
    await open()
    expect(index.transaction(idOf(5, 0))).to.deep.equal(first)
    // Younger than the run that holds it: a run of its own.
    add(Math.ceil(runKeys / perBlock), (block, at) => idOf(at === 0 ? 5 : block + 7_777, at))
    index.flush()
    expect(index.transaction(idOf(5, 0))).to.deep.equal(first)
  })

  it('ends a run within a block, and is right after a crash behind it', async () => {
    const size = Math.floor(runKeys * 0.75)
    const ids = (block: number): string[] =>
      Array.from({ length: size }, (_, at) => idOf(block * 1_000, at))
    const addLarge = (block: number): void => {
      const position = { sequence: BigInt(block), offset: block, length: 1 }
      index.add(position, packTxIds(ids(block)))
      index.flushSome()
    }
    for (const block of [0, 1, 2, 3]) addLarge(block)
    expect(index.transaction(ids(1).at(-1)!)).to.deep.equal({ block: 1n, index: size - 1 })
    storage.crash('keep')
    await open()
    expect(index.height, 'block 1 is only half in a run').to.equal(1n)
    for (const block of [1, 2, 3]) addLarge(block)
    index.flush()
    for (const block of [0, 1, 2, 3]) {
      for (const at of [0, size >> 1, size - 1]) {
        const location = index.transaction(ids(block)[at]!)
        expect(location).to.deep.equal({ block: BigInt(block), index: at })
      }
    }
  })

  it('is empty when a filter is missing or of another size, and made again', async () => {
    add(Math.ceil(runKeys / perBlock))
    await index.close()
    const filterKey = Buffer.from('f\0\0\0\0', 'latin1')
    for (const value of [undefined, Buffer.alloc(filterWords)]) {
      await open()
      expect(index.height).to.equal(BigInt(height))
      store.commit([{ key: filterKey, value }])
      await open()
      expect(index.height).to.equal(0n)
      height = 0
      add(Math.ceil(runKeys / perBlock))
      expectAll(height)
      await index.close()
    }
  })

  it('finds blocks without transactions', async () => {
    for (let block = 0; block < 200; block += 1) {
      const position = { sequence: BigInt(block), offset: 2 ** 40 + block, length: 77 }
      index.add(position, packTxIds([]))
      if (block % 50 === 49) index.flush()
    }
    await index.close()
    await open()
    for (const block of [0n, 63n, 64n, 199n]) {
      const position = { sequence: block, offset: 2 ** 40 + Number(block), length: 77 }
      expect(index.block(block)).to.deep.equal(position)
    }
    expect(index.block(200n)).to.equal(undefined)
  })

  it('tells any ids apart, and finds nothing under the empty one', () => {
    const ids = ['ab'.repeat(32), 'abcd', 'ABCD', 'abcd0', 'xabcd', '', 'é'.repeat(300), 'ab cd']
    index.add({ sequence: 0n, offset: 0, length: 1 }, packTxIds(ids))
    for (const [at, id] of ids.entries()) {
      const place = id === '' ? undefined : { block: 0n, index: at }
      expect(index.transaction(id)).to.deep.equal(place)
    }
  })

  it('loses nothing of a run whose commits fail, and tries again when as much has gathered', () => {
    const perRun = Math.ceil(runKeys / perBlock)
    add(perRun + 20)
    const done = commits.length
    storage.keyValueFailure = new LedgerError('LEDGER_DISK_FULL', 'no room')
    add(20)
    storage.keyValueFailure = undefined
    add(Math.floor(perRun / 2))
    expect(commits, 'too early').to.have.length(done)
    expectAll(height)
    add(perRun)
    expect(commits.length).to.be.greaterThan(done)
    expectAll(height)
    index.flush()
    expect(new BlockIndex(store, identity).height).to.equal(BigInt(height))
    expectAll(height)
  })

  it('refuses to go on with maxUnindexedKeys waiting while commits fail', () => {
    storage.keyValueFailure = new LedgerError('LEDGER_DISK_FULL', 'no room')
    add(Math.ceil(maxUnindexedKeys / perBlockKeys) - 1)
    index.checkRoom()
    add(1)
    expect(() => index.checkRoom()).to.throw(LedgerError, 'no room')
    storage.keyValueFailure = undefined
    index.checkRoom()
    expectAll(height)
  })

  it('begins a filter when one has its runs', async () => {
    expect(filterWords / runKeys, 'bits for each key').to.equal(16)
    add(Math.ceil(((runsPerFilter + 1) * runKeys) / perBlock))
    index.flush()
    await open()
    for (const block of [0, 1, height >> 1, height - 2]) {
      expect(index.transaction(idOf(block, 3))).to.deep.equal({ block: BigInt(block), index: 3 })
    }
    const keys = commits.flat().map(({ key }) => Buffer.from(key).toString('latin1'))
    expect(keys).to.have.length(0)
    expect(store.get(Buffer.from('f\0\0\0\x01', 'latin1'))).not.to.equal(undefined)
  }).timeout(20_000)
})
