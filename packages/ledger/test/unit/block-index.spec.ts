import { expect } from 'chai'
import { BlockIndex, commitMargin, maxUnindexedKeys, roundKeys } from '../../src/block-index.ts'
import { LedgerError } from '../../src/errors.ts'
import type { KeyChange, KeyValueStore } from '../../src/storage.ts'
import { MemoryStorage } from '../../src/testing.ts'
import { packTxIds } from '../../src/tx-id.ts'

const identity = Buffer.from('of files')
const perBlock = 100
/** A block and its transactions: as many keys. */
const perBlockKeys = perBlock + 1

/** Ids that are spread over the key space, as digests are. */
const idOf = (block: number, index: number): string =>
  ((block * perBlock + index) * 2_654_435_761).toString(16).padStart(16, '0')

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
      index.add(position, txIds, packTxIds(txIds).packed)
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

  it('commits nothing until roundKeys have gathered', () => {
    const blocks = Math.ceil(roundKeys / perBlockKeys)
    add(blocks)
    expect(commits).to.have.length(0)
    expectAll(blocks)
    index.flushSome()
    expect(commits).to.have.length(1)
  })

  it('commits about as much with each block as was added, and finds all at any moment', () => {
    for (let round = 0; round < 20; round += 1) {
      add(10)
      expectAll(height)
    }
    const sizes = commits.map((changes) => changes.length)
    expect(sizes.length).to.be.at.least(100)
    // The last commit of a round also holds its blocks and the height.
    const most = perBlockKeys + commitMargin + (2 * roundKeys) / perBlockKeys
    expect(Math.max(...sizes.slice(1))).to.be.at.most(most)
    // What waits stays bounded: a round is over before the next is due.
    const indexed = BigInt(height) - new BlockIndex(store, identity).height
    expect(Number(indexed) * perBlockKeys).to.be.lessThan(3 * roundKeys)
  })

  it('is behind, and right when it is brought up, wherever a crash cut a round', async () => {
    const before = 100
    add(before)
    for (let cut = 0; cut < 40; cut += 7) {
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

  it('keeps the first place of an id that comes again, also while a round is under way', async () => {
    const twice = (block: number, at: number): string => idOf(at === 0 ? 5 : block, at)
    add(60, twice)
    expect(commits, 'a round has begun').not.to.have.length(0)
    expect(store.get(Buffer.from('m')), 'and is not over').to.equal(undefined)
    expect(index.transaction(idOf(5, 0))).to.deep.equal({ block: 0n, index: 0 })
    index.flush()
    expect(index.transaction(idOf(5, 0))).to.deep.equal({ block: 0n, index: 0 })
    await open()
    expect(index.transaction(idOf(5, 0))).to.deep.equal({ block: 0n, index: 0 })
  })

  it('loses nothing of a round whose commits fail, and tries again when as much has gathered', () => {
    add(60)
    const done = commits.length
    storage.keyValueFailure = new LedgerError('LEDGER_DISK_FULL', 'no room')
    index.flushSome()
    storage.keyValueFailure = undefined
    add(Math.floor(roundKeys / perBlockKeys))
    expect(commits, 'too early').to.have.length(done)
    expectAll(height)
    add(2)
    expect(commits).to.have.length(done + 1)
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
})
