import { isCodedError } from '@heddle/interface'
import { expect } from 'chai'
import { LedgerError } from '../../src/index.ts'
import type { BlockRecord, JournalOptions, Ledger, LedgerOptions } from '../../src/index.ts'
import { maxUnindexedKeys } from '../../src/index/block-index.ts'
import { maxWaitingChanges } from '../../src/state/state-store.ts'
import {
  FaultyFiles,
  makeTestBlock,
  makeTestChain,
  MemoryStorage,
  openMemoryJournal,
  openMemoryLedger,
} from '../../src/testing.ts'
import type { Faults } from '../../src/testing.ts'

interface Faulty {
  readonly storage: MemoryStorage
  readonly faults: Faults
}

function faulty(faults: Faults = {}): Faulty {
  const storage = new MemoryStorage()
  storage.files = new FaultyFiles(storage.memory, faults)
  return { storage, faults }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'none'
  } catch (error) {
    return isCodedError(error) ? error.code : `foreign: ${String(error)}`
  }
}

async function assertHolds(ledger: Ledger, chain: readonly BlockRecord[]): Promise<void> {
  expect(ledger.height).to.equal(BigInt(chain.length))
  for (const [number, { block }] of chain.entries()) {
    const found = Buffer.from((await ledger.block(BigInt(number)))!)
    expect(found.equals(block), `block ${number}`).to.equal(true)
  }
}

const journalTexts = async (journal: { records(): Promise<Uint8Array[]> }): Promise<string[]> =>
  (await journal.records()).map((record) => Buffer.from(record).toString())

describe('ledger on a failing disk', function () {
  this.timeout(60_000)

  const chain = makeTestChain(6, { bytes: 100 })

  it('refuses a block for which there is no room, whatever fits, and takes it when there is', async () => {
    const size = 32 + 4 + chain[2]!.block.length + 2 * 35
    for (let free = 0; free < size; free += 3) {
      const { storage, faults } = faulty()
      const ledger = await openMemoryLedger({}, storage)
      await ledger.append(chain[0]!)
      await ledger.append(chain[1]!)
      faults.freeBytes = free
      expect(await codeOf(ledger.append(chain[2]!)), `${free} free`).to.equal('LEDGER_DISK_FULL')
      await assertHolds(ledger, chain.slice(0, 2))
      expect(ledger.txLocation(chain[2]!.txIds[0]!), `${free} free`).to.equal(undefined)
      faults.freeBytes = undefined
      await ledger.append(chain[2]!)
      storage.crash('lose')
      const again = await openMemoryLedger({}, storage)
      await assertHolds(again, chain.slice(0, 3))
      await again.close()
    }
  })

  it('rejects everything that waits behind a failed block, in order, and goes on', async () => {
    const { storage, faults } = faulty()
    const ledger = await openMemoryLedger({}, storage)
    await ledger.append(chain[0]!)
    faults.write = 'EIO'
    const codes = await Promise.all(chain.slice(1).map((block) => codeOf(ledger.append(block))))
    expect(new Set(codes)).to.deep.equal(new Set(['LEDGER_IO']))
    faults.write = undefined
    expect(await codeOf(ledger.append(chain[2]!))).to.equal('LEDGER_GAP')
    await Promise.all(chain.slice(1).map((block) => ledger.append(block)))
    await assertHolds(ledger, chain)
    await ledger.close()
  })

  it('never takes a block again after a failed sync, until it is opened again', async () => {
    const { storage, faults } = faulty()
    const ledger = await openMemoryLedger({}, storage)
    await ledger.append(chain[0]!)
    faults.sync = 'EIO'
    expect(await codeOf(ledger.append(chain[1]!))).to.equal('LEDGER_IO')
    faults.sync = undefined
    expect(await codeOf(ledger.append(chain[1]!))).to.equal('LEDGER_FAILED')
    await assertHolds(ledger, chain.slice(0, 1))
    await ledger.close()
    const again = await openMemoryLedger({}, storage)
    expect(again.height).to.equal(1n)
    await again.append(chain[1]!)
    await assertHolds(again, chain.slice(0, 2))
    await again.close()
  })

  it('syncs again on opening what a failed sync left in memory only', async () => {
    const { storage, faults } = faulty()
    const ledger = await openMemoryLedger({}, storage)
    await ledger.append(chain[0]!)
    // The process ends after the failure, before anything could be cut off.
    faults.sync = 'EIO'
    faults.truncate = 'EIO'
    expect(await codeOf(ledger.append(chain[1]!))).to.equal('LEDGER_IO')
    storage.crash('process')
    const again = await openMemoryLedger({}, storage)
    expect(again.height).to.equal(2n)
    storage.crash('lose')
    const last = await openMemoryLedger({}, storage)
    expect(last.height, 'what was there when it was opened').to.equal(2n)
    await last.close()
  })

  it('makes the name of a file durable that a crash left without', async () => {
    const long = makeTestChain(3, { bytes: 1_500 })
    const { storage, faults } = faulty()
    const options = { maxSegmentBytes: 4_096 }
    const ledger = await openMemoryLedger(options, storage)
    await ledger.append(long[0]!)
    faults.syncDirectory = 'EIO'
    expect(await codeOf(ledger.append(long[1]!))).to.equal('LEDGER_IO')
    storage.crash('process')
    const again = await openMemoryLedger(options, storage)
    await again.append(long[1]!)
    storage.crash('lose')
    const last = await openMemoryLedger(options, storage)
    await assertHolds(last, long.slice(0, 2))
    await last.close()
  })

  it('refuses further blocks when what a failed write left cannot be cut off', async () => {
    const { storage, faults } = faulty()
    const ledger = await openMemoryLedger({}, storage)
    await ledger.append(chain[0]!)
    faults.write = 'EIO'
    faults.truncate = 'EIO'
    expect(await codeOf(ledger.append(chain[1]!))).to.equal('LEDGER_IO')
    faults.write = undefined
    faults.truncate = undefined
    expect(await codeOf(ledger.append(chain[1]!))).to.equal('LEDGER_FAILED')
    await ledger.close()
    const again = await openMemoryLedger({}, storage)
    await again.append(chain[1]!)
    await assertHolds(again, chain.slice(0, 2))
    await again.close()
  })

  it('survives a failure at the beginning of a new file', async () => {
    const long = makeTestChain(8, { bytes: 800 })
    const { storage, faults } = faulty()
    const options = { maxSegmentBytes: 4_096 }
    const ledger = await openMemoryLedger(options, storage)
    await ledger.append(long[0]!)
    await ledger.append(long[1]!)
    for (const fault of ['sync', 'write', 'syncDirectory', 'truncate'] as const) {
      faults[fault] = 'EIO'
      expect(await codeOf(ledger.append(long[2]!)), fault).to.equal('LEDGER_IO')
      faults[fault] = undefined
    }
    await Promise.all(long.slice(2).map((block) => ledger.append(block)))
    await assertHolds(ledger, long)
    await ledger.close()
    const again = await openMemoryLedger(options, storage)
    await assertHolds(again, long)
    await again.close()
  })

  it('tells what the operating system said when it cannot be opened', async () => {
    for (const [fault, code] of [
      ['write', 'EROFS'],
      ['sync', 'EIO'],
      ['syncDirectory', 'EIO'],
    ] as const) {
      const { storage } = faulty({ [fault]: code })
      expect(await codeOf(openMemoryLedger({}, storage)), fault).to.equal('LEDGER_IO')
    }
    expect(await codeOf(openMemoryLedger({}, faulty({ freeBytes: 10 }).storage))).to.equal(
      'LEDGER_DISK_FULL',
    )
    const { storage, faults } = faulty()
    await (await openMemoryLedger({}, storage)).close()
    faults.read = 'EIO'
    expect(await codeOf(openMemoryLedger({}, storage))).to.equal('LEDGER_IO')
  })

  it('rejects a read that fails, and reads when it works again', async () => {
    const { storage, faults } = faulty()
    const ledger = await openMemoryLedger({}, storage)
    await ledger.append(chain[0]!)
    faults.read = 'EIO'
    expect(await codeOf(ledger.block(0n))).to.equal('LEDGER_IO')
    faults.read = undefined
    await assertHolds(ledger, chain.slice(0, 1))
    await ledger.close()
  })

  it('goes on while the index cannot be committed, up to a bound', async () => {
    const { storage } = faulty()
    const ledger = await openMemoryLedger({}, storage)
    storage.keyValueFailure = new LedgerError('LEDGER_DISK_FULL', 'no room')
    const perBlock = 16_384
    const txIds = (block: number): string[] =>
      Array.from({ length: perBlock }, (_, index) => `${block}/${index}`)
    let previous: Parameters<typeof makeTestBlock>[0]
    let height = 0
    for (; height * perBlock < maxUnindexedKeys; height += 1) {
      const { block, header } = makeTestBlock(previous)
      await ledger.append({ block, txIds: txIds(height) })
      previous = header
    }
    const next = { block: makeTestBlock(previous).block, txIds: [] }
    expect(await codeOf(ledger.append(next))).to.equal('LEDGER_DISK_FULL')
    expect(ledger.height).to.equal(BigInt(height))
    expect(ledger.txLocation('0/7')).to.deep.equal({ block: 0n, index: 7 })
    storage.keyValueFailure = undefined
    await ledger.append(next)
    expect(ledger.txLocation('2/7')).to.deep.equal({ block: 2n, index: 7 })
    await ledger.close()
  })

  it('goes on while the state cannot be committed, up to a bound', async () => {
    const { storage } = faulty()
    const ledger = await openMemoryLedger({}, storage)
    const blocks = makeTestChain(6, { transactions: 0 })
    await Promise.all(blocks.map((block) => ledger.append(block)))
    storage.keyValueFailure = new LedgerError('LEDGER_DISK_FULL', 'no room')
    const perBlock = 16_384
    let height = 0n
    for (; Number(height) * perBlock < maxWaitingChanges; height += 1n) {
      const writes = Array.from({ length: perBlock }, (_, index) => ({
        namespace: 'n',
        key: `${height.toString()}/${index}`,
        value: Buffer.from([7]),
      }))
      await ledger.state.apply(height + 1n, height, writes)
    }
    const apply = (): Promise<void> => ledger.state.apply(height + 1n, height, [])
    expect(await codeOf(apply())).to.equal('LEDGER_DISK_FULL')
    expect(ledger.state.savepoint.height).to.equal(height)
    expect(ledger.state.get('n', '0/9')).to.deep.equal(Uint8Array.of(7))
    expect(() => ledger.state.entries('n')).to.throw(LedgerError, 'no room')
    storage.keyValueFailure = undefined
    await apply()
    expect(ledger.state.entries('n', { limit: 5 }).length).to.equal(5)
    await ledger.close()
  })

  it('closes all of its parts and tells when the last commit fails', async () => {
    const { storage } = faulty()
    const ledger = await openMemoryLedger({}, storage)
    await ledger.append(chain[0]!)
    storage.keyValueFailure = new LedgerError('LEDGER_DISK_FULL', 'no room')
    expect(await codeOf(ledger.close())).to.equal('LEDGER_DISK_FULL')
    storage.keyValueFailure = undefined
    const again = await openMemoryLedger({}, storage)
    await assertHolds(again, chain.slice(0, 1))
    expect(again.txLocation(chain[0]!.txIds[0]!)).to.deep.equal({ block: 0n, index: 0 })
    await again.close()
  })
})

describe('bounds', () => {
  it('refuses an option that it does not know, and says which was meant', async () => {
    const ledger = await openMemoryLedger({ maxSegmentBites: 1 } as LedgerOptions).catch(
      (error: unknown) => error as LedgerError,
    )
    expect(ledger).to.have.property('code', 'LEDGER_INVALID_OPTIONS')
    const meant = 'there is no option maxSegmentBites (did you mean maxSegmentBytes?); there are '
    expect(ledger).to.have.property('message').that.contains(meant)
    const journal = openMemoryJournal({ verifyOnOpen: 'all' } as JournalOptions)
    expect(await codeOf(journal)).to.equal('LEDGER_INVALID_OPTIONS')
    const other = openMemoryLedger({ verifyOnOpen: 'tial' } as unknown as LedgerOptions)
    expect(await codeOf(other)).to.equal('LEDGER_INVALID_OPTIONS')
  })

  it('refuses options out of range', async () => {
    for (const options of [
      { maxSegmentBytes: 4_095 },
      { maxRecordBytes: 0 },
      { maxPendingBytes: 1.5 },
      { maxRecordBytes: Number.NaN },
    ]) {
      expect(await codeOf(openMemoryLedger(options))).to.equal('LEDGER_INVALID_OPTIONS')
    }
    for (const options of [
      { maxJournalBytes: 1 },
      { maxRecordBytes: -1 },
      { maxPendingBytes: 1 },
    ]) {
      expect(await codeOf(openMemoryJournal(options))).to.equal('LEDGER_INVALID_OPTIONS')
    }
  })

  it('takes a block of exactly the largest size, and none that is larger', async () => {
    const { block } = makeTestBlock(undefined, { transactions: 1, bytes: 2_000 })
    const maxRecordBytes = block.length + 4 + 2 + 3
    const ledger = await openMemoryLedger({ maxRecordBytes })
    expect(await codeOf(ledger.append({ block, txIds: ['abc'] }))).to.equal('LEDGER_TOO_LARGE')
    await ledger.append({ block, txIds: ['ab'] })
    expect(ledger.txLocation('ab')).to.deep.equal({ block: 0n, index: 0 })
    await ledger.close()
  })

  it('refuses what would make too much wait, and takes it later', async () => {
    const chain = makeTestChain(3, { transactions: 1, bytes: 1_000 })
    const ledger = await openMemoryLedger({ maxPendingBytes: 2_500 })
    const [zero, one] = [ledger.append(chain[0]!), ledger.append(chain[1]!)]
    expect(await codeOf(ledger.append(chain[2]!))).to.equal('LEDGER_BUSY')
    await Promise.all([zero, one])
    await ledger.append(chain[2]!)
    expect(ledger.height).to.equal(3n)
    await ledger.close()
  })

  it('keeps transaction ids of up to 1,024 bytes, and refuses longer ones', async () => {
    const { block } = makeTestBlock(undefined)
    const ledger = await openMemoryLedger()
    const long = '\u00e9'.repeat(512)
    expect(await codeOf(ledger.append({ block, txIds: [`${long}x`] }))).to.equal('LEDGER_TOO_LARGE')
    await ledger.append({ block, txIds: ['a'.repeat(1_024), long] })
    expect(ledger.txLocation(long)).to.deep.equal({ block: 0n, index: 1 })
    expect(ledger.txLocation('a'.repeat(1_024))).to.deep.equal({ block: 0n, index: 0 })
    await ledger.close()
  })

  it('refuses journal records beyond their size, their file and what may wait', async () => {
    const maxRecordBytes = 2_048
    const most = Buffer.alloc(maxRecordBytes - 32 - 4)
    const journal = await openMemoryJournal({ maxRecordBytes, maxJournalBytes: 2 * 2_048 + 31 })
    const tooLong = Buffer.alloc(most.length + 1)
    expect(await codeOf(journal.append([tooLong]))).to.equal('LEDGER_TOO_LARGE')
    expect(await codeOf(journal.rewrite([tooLong]))).to.equal('LEDGER_TOO_LARGE')
    const first = journal.append([most])
    // The header of the file takes 32 bytes, one more than there is room for.
    expect(await codeOf(journal.append([most]))).to.equal('LEDGER_TOO_LARGE')
    await first
    expect(await codeOf(journal.append([most]))).to.equal('LEDGER_TOO_LARGE')
    await journal.append([most.subarray(1)])
    await journal.rewrite([])
    await journal.append([most])
    expect((await journal.records()).length).to.equal(1)
    await journal.close()

    const busy = await openMemoryJournal({ maxPendingBytes: 4_000 })
    const waiting = busy.append([most])
    expect(await codeOf(busy.append([most]))).to.equal('LEDGER_BUSY')
    await waiting
    await busy.append([most])
    expect((await busy.records()).length).to.equal(2)
    await busy.close()
  })
})

describe('journal on a failing disk', () => {
  const bytes = (text: string): Buffer => Buffer.from(text)

  it('refuses what there is no room for, and takes it when there is', async () => {
    const { storage, faults } = faulty()
    const journal = await openMemoryJournal({}, storage)
    await journal.append([bytes('a')])
    faults.freeBytes = 20
    const codes = await Promise.all(['b', 'c'].map((text) => codeOf(journal.append([bytes(text)]))))
    expect(codes).to.deep.equal(['LEDGER_DISK_FULL', 'LEDGER_DISK_FULL'])
    faults.freeBytes = undefined
    await journal.append([bytes('d')])
    expect(await journalTexts(journal)).to.deep.equal(['a', 'd'])
    await journal.close()
  })

  it('keeps its content when a rewrite fails, and goes on', async () => {
    for (const fault of ['write', 'sync', 'truncate'] as const) {
      const { storage, faults } = faulty()
      const journal = await openMemoryJournal({}, storage)
      await journal.append([bytes('a'), bytes('b')])
      faults[fault] = 'EIO'
      expect(await codeOf(journal.rewrite([bytes('b')])), fault).to.equal('LEDGER_IO')
      faults[fault] = undefined
      await journal.append([bytes('c')])
      expect(await journalTexts(journal), fault).to.deep.equal(['a', 'b', 'c'])
      expect(await storage.files.list('/journal'), fault).to.deep.equal(['records.journal'])
      await journal.rewrite([bytes('c')])
      expect(await journalTexts(journal), fault).to.deep.equal(['c'])
      await journal.close()
    }
  })

  it('refuses further appends after a failed sync of the file or, in a rewrite, the directory', async () => {
    const { storage, faults } = faulty()
    const journal = await openMemoryJournal({}, storage)
    await journal.append([bytes('a')])
    faults.sync = 'EIO'
    expect(await codeOf(journal.append([bytes('b')]))).to.equal('LEDGER_IO')
    faults.sync = undefined
    expect(await codeOf(journal.append([bytes('b')]))).to.equal('LEDGER_FAILED')
    await journal.close()
    const again = await openMemoryJournal({}, storage)
    expect(await journalTexts(again)).to.deep.equal(['a'])
    faults.syncDirectory = 'EIO'
    expect(await codeOf(again.rewrite([bytes('x')]))).to.equal('LEDGER_IO')
    faults.syncDirectory = undefined
    expect(await codeOf(again.append([bytes('y')]))).to.equal('LEDGER_FAILED')
    await again.close()
    const last = await openMemoryJournal({}, storage)
    expect(await journalTexts(last)).to.deep.equal(['x'])
    await last.close()
  })
})
