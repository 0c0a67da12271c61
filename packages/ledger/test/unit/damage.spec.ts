import { isCodedError } from '@heddle/interface'
import { common, create, decode, encode } from '@heddle/proto'
import { expect } from 'chai'
import type { BlockRecord } from '../../src/index.ts'
import type { LedgerError } from '../../src/errors.ts'
import { encodeBlockRecord } from '../../src/blocks/block-record.ts'
import { RecordFile } from '../../src/records/record-file.ts'
import type { RecordBody } from '../../src/records/record-file.ts'
import { packTxIds } from '../../src/index/tx-id.ts'
import {
  makeTestChain,
  MemoryStorage,
  openMemoryJournal,
  openMemoryLedger,
} from '../../src/testing.ts'

const blocksPath = '/ledger/00000000000000000000.blocks'
const indexPath = '/ledger/index'
const journalPath = '/journal/records.journal'

/** What stands in the file for a block. */
const bodyOf = ({ block, txIds }: BlockRecord): RecordBody =>
  encodeBlockRecord(block, packTxIds(txIds))

/** Appends the groups one after the other, the blocks of a group together; leaves it closed. */
async function stored(groups: readonly (readonly BlockRecord[])[]): Promise<MemoryStorage> {
  const storage = new MemoryStorage()
  const ledger = await openMemoryLedger({}, storage)
  for (const group of groups) await Promise.all(group.map((record) => ledger.append(record)))
  await ledger.close()
  return storage
}

/** A copy of the block file alone, without index: nothing else tells what was synced. */
function withFile(bytes: Buffer): MemoryStorage {
  const storage = new MemoryStorage()
  storage.memory.put(blocksPath, bytes)
  return storage
}

function bytesOf(storage: MemoryStorage, path: string): Buffer {
  const bytes = storage.memory.bytes(path)
  expect(bytes, path).not.to.equal(undefined)
  return Buffer.from(bytes!)
}

async function errorOf(promise: Promise<unknown>): Promise<LedgerError | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    expect(isCodedError(error), String(error)).to.equal(true)
    return error as LedgerError
  }
}

/** Where each record begins, and the end: by the length in each header. */
function offsetsOf(file: Buffer): number[] {
  const offsets = [32]
  for (let at = 32; at < file.length; offsets.push(at)) at += 32 + file.readUInt32BE(at + 4)
  return offsets
}

describe('damaged block file', () => {
  const chain = makeTestChain(4, { transactions: 2, bytes: 20 })

  it('loses only a torn last block, wherever it is cut, and goes on behind the one before', async () => {
    const file = bytesOf(await stored(chain.map((block) => [block])), blocksPath)
    const last = offsetsOf(file).at(-2)!
    for (let size = last; size < file.length; size += 1) {
      const storage = withFile(file.subarray(0, size))
      const ledger = await openMemoryLedger({}, storage)
      expect(ledger.height, `cut at ${size}`).to.equal(3n)
      expect(bytesOf(storage, blocksPath).length, `cut at ${size}`).to.equal(last)
      await ledger.append(chain[3]!)
      await ledger.close()
      const again = await openMemoryLedger({}, storage)
      expect(again.height, `cut at ${size}, opened again`).to.equal(4n)
      expect(Buffer.from((await again.block(3n))!).equals(chain[3]!.block), `block 3`).to.equal(
        true,
      )
      await again.close()
    }
  })

  it('makes the file again when a crash cut its header short', async () => {
    const file = bytesOf(await stored([]), blocksPath)
    for (let size = 0; size <= file.length; size += 1) {
      const ledger = await openMemoryLedger({}, withFile(file.subarray(0, size)))
      await ledger.append(chain[0]!)
      expect(ledger.height, `cut at ${size}`).to.equal(1n)
      await ledger.close()
    }
  })

  it('tells a flipped bit in what later groups prove to have been synced, and changes nothing', async () => {
    const file = bytesOf(await stored(chain.map((block) => [block])), blocksPath)
    const last = offsetsOf(file).at(-2)!
    for (let at = 0; at < last; at += 1) {
      const damaged = Buffer.from(file)
      damaged[at]! ^= 1 << (at % 8)
      const storage = withFile(damaged)
      const error = await errorOf(openMemoryLedger({}, storage))
      expect(error?.code, `bit in byte ${at}`).to.equal('LEDGER_CORRUPT')
      expect(error?.file, `bit in byte ${at}`).to.equal(blocksPath)
      expect(error?.offset, `bit in byte ${at}`).to.be.at.most(at)
      expect(bytesOf(storage, blocksPath).equals(damaged), `bit in byte ${at}`).to.equal(true)
    }
  })

  it('takes a flipped bit in the last record for a torn tail when nothing says it was synced', async () => {
    const file = bytesOf(await stored(chain.map((block) => [block])), blocksPath)
    for (let at = offsetsOf(file).at(-2)!; at < file.length; at += 1) {
      const damaged = Buffer.from(file)
      damaged[at]! ^= 1 << (at % 8)
      const ledger = await openMemoryLedger({}, withFile(damaged))
      expect(ledger.height, `bit in byte ${at}`).to.equal(3n)
      await ledger.close()
    }
  })

  it('tells a flipped bit in the last record when the index knows that it was synced', async () => {
    const storage = await stored(chain.map((block) => [block]))
    const file = bytesOf(storage, blocksPath)
    for (const verifyOnOpen of ['all', 'tail'] as const) {
      for (let at = offsetsOf(file).at(-2)!; at < file.length; at += 1) {
        const damaged = Buffer.from(file)
        damaged[at]! ^= 1 << (at % 8)
        storage.memory.put(blocksPath, damaged)
        const error = await errorOf(openMemoryLedger({ verifyOnOpen }, storage))
        expect(error?.code, `bit in byte ${at}`).to.equal('LEDGER_CORRUPT')
        expect(error?.block, `bit in byte ${at}`).to.equal(3n)
        expect(bytesOf(storage, blocksPath).equals(damaged), `byte ${at}`).to.equal(true)
      }
    }
  })

  it('cuts a whole group that was torn anywhere, also when later parts of it are whole', async () => {
    const storage = await stored([[chain[0]!], chain.slice(1)])
    const file = bytesOf(storage, blocksPath)
    const second = offsetsOf(file)[1]!
    for (let at = second; at < file.length; at += 7) {
      const torn = Buffer.from(file)
      torn.fill(0, at, Math.min(at + 64, file.length))
      const ledger = await openMemoryLedger({}, withFile(torn))
      const whole = offsetsOf(file).filter((offset) => offset <= at).length - 1
      expect(Number(ledger.height), `zeros from ${at}`).to.equal(whole)
      await Promise.all(chain.slice(whole).map((block) => ledger.append(block)))
      expect(ledger.height, `zeros from ${at}`).to.equal(4n)
      await ledger.close()
    }
  })

  it('does not take a record header inside a transaction for one of its own', async () => {
    const file = bytesOf(await stored([[chain[0]!], [chain[1]!]]), blocksPath)
    // A whole record with a late group start, as a client who saw another ledger's file could send it.
    const foreign = Buffer.from(file.subarray(offsetsOf(file)[1]))
    const nasty = makeTestChain(1)[0]!
    // As the content of an unknown field, number 99, with 160 bytes.
    const tag = Buffer.from([0x9a, 0x06, 0xa0, 0x01])
    const body = Buffer.concat([nasty.block, tag, foreign.subarray(0, 160)])
    const storage = await stored([[{ block: body, txIds: ['nasty'] }]])
    const own = bytesOf(storage, blocksPath)
    const torn = Buffer.from(own)
    torn[32] = 0
    const ledger = await openMemoryLedger({}, withFile(torn))
    expect(ledger.height).to.equal(0n)
    await ledger.close()
  })

  it('tells a missing file by the index or by the next one', async () => {
    const storage = new MemoryStorage()
    const small = { maxSegmentBytes: 4_096 }
    const ledger = await openMemoryLedger(small, storage)
    const long = makeTestChain(30, { bytes: 500 })
    await Promise.all(long.map((block) => ledger.append(block)))
    await ledger.state.apply(1n, 1n, [])
    await ledger.close()
    const names = (await storage.files.list('/ledger')).filter((name) => name.endsWith('.blocks'))
    expect(names.length).to.be.greaterThan(3)
    for (const name of names) {
      const path = `/ledger/${name}`
      const bytes = bytesOf(storage, path)
      await storage.files.remove(path)
      const error = await errorOf(openMemoryLedger(small, storage))
      expect(error?.code, `without ${name}`).to.equal('LEDGER_CORRUPT')
      expect(error).to.include({ file: path, block: BigInt(name.split('.')[0]!) })
      expect(error?.message).to.match(
        /^\/ledger\/\d+\.blocks is missing: .* put this very file back, /,
      )
      storage.memory.put(path, bytes)
    }
    const again = await openMemoryLedger(small, storage)
    expect(again.height).to.equal(30n)
    await again.close()
    for (const name of names) await storage.files.remove(`/ledger/${name}`)
    const error = await errorOf(openMemoryLedger(small, storage))
    expect(error?.code, 'without any file').to.equal('LEDGER_CORRUPT')
    expect(error?.file).to.equal(blocksPath)
  })

  it('names the first of two missing files, and one that lost its content', async () => {
    const storage = new MemoryStorage()
    const small = { maxSegmentBytes: 4_096 }
    const ledger = await openMemoryLedger(small, storage)
    await Promise.all(makeTestChain(30, { bytes: 500 }).map((block) => ledger.append(block)))
    await ledger.close()
    const names = (await storage.files.list('/ledger')).filter((name) => name.endsWith('.blocks'))
    const [, second = '', third = '', fourth = ''] = names.sort()
    storage.memory.put(`/ledger/${fourth}`, Buffer.from('HE'))
    const emptied = await errorOf(openMemoryLedger(small, storage))
    expect(emptied).to.include({ code: 'LEDGER_CORRUPT', file: `/ledger/${fourth}` })
    expect(emptied?.message).to.contain('has lost its content')
    for (const name of [second, third]) await storage.files.remove(`/ledger/${name}`)
    const error = await errorOf(openMemoryLedger(small, storage))
    expect(error?.message).to.match(new RegExp(`^/ledger/${second} is missing: `))
  })

  it('names a missing file on reading when opening read only the tail', async () => {
    const storage = new MemoryStorage()
    const options = { maxSegmentBytes: 4_096, verifyOnOpen: 'tail' } as const
    const ledger = await openMemoryLedger(options, storage)
    await Promise.all(makeTestChain(30, { bytes: 500 }).map((block) => ledger.append(block)))
    await ledger.close()
    const names = (await storage.files.list('/ledger')).filter((name) => name.endsWith('.blocks'))
    const path = `/ledger/${names.sort()[1]!}`
    await storage.files.remove(path)
    const tail = await openMemoryLedger(options, storage)
    const first = BigInt(names[1]!.split('.')[0]!)
    for (const block of [first, first + 1n]) {
      const error = await errorOf(tail.block(block))
      expect(error).to.include({ code: 'LEDGER_CORRUPT', file: path, block: first })
    }
    expect(await tail.block(first - 1n)).to.be.instanceOf(Uint8Array)
    await tail.close()
  })

  it('tells damage in an older file, and on reading when opening read only the tail', async () => {
    const storage = new MemoryStorage()
    const options = { maxSegmentBytes: 4_096, verifyOnOpen: 'tail' } as const
    const ledger = await openMemoryLedger(options, storage)
    const long = makeTestChain(30, { bytes: 500 })
    await Promise.all(long.map((block) => ledger.append(block)))
    await ledger.close()
    const damaged = bytesOf(storage, blocksPath)
    damaged[100]! ^= 1
    storage.memory.put(blocksPath, damaged)
    const error = await errorOf(openMemoryLedger({ maxSegmentBytes: 4_096 }, storage))
    expect(error?.code).to.equal('LEDGER_CORRUPT')
    expect(error?.message).to.contain(blocksPath).and.contain('offset 32')
    const tail = await openMemoryLedger(options, storage)
    expect(tail.height).to.equal(30n)
    expect((await errorOf(tail.block(0n)))?.code).to.equal('LEDGER_CORRUPT')
    expect((await errorOf(tail.block(0n)))?.block).to.equal(0n)
    expect(Buffer.from((await tail.block(29n))!).equals(long[29]!.block)).to.equal(true)
    await tail.close()
  })

  it('tells a file whose records are well formed but no chain of blocks', async () => {
    const storage = new MemoryStorage()
    const journal = await openMemoryJournal({}, storage)
    await journal.append([Buffer.from('not a block')])
    await journal.close()
    const foreign = withFile(bytesOf(storage, journalPath))
    expect((await errorOf(openMemoryLedger({}, foreign)))?.code).to.equal('LEDGER_CORRUPT')
    // Each block is whole, but the second belongs to another chain, or has another number.
    const other = makeTestChain(3, { salt: 'other' })
    for (const stray of [other[1]!, chain[2]!, chain[0]!]) {
      const mixed = new MemoryStorage()
      const file = await RecordFile.create(mixed.files, blocksPath, 0n)
      await file.append([bodyOf(chain[0]!)])
      await file.append([bodyOf(stray)])
      const error = await errorOf(openMemoryLedger({}, mixed))
      expect(error?.code).to.equal('LEDGER_CORRUPT')
      expect(error?.file).to.equal(blocksPath)
      expect(error?.block).to.equal(1n)
      expect(error?.offset).to.be.greaterThan(32)
    }
    const late = new MemoryStorage()
    const file = await RecordFile.create(late.files, blocksPath, 0n)
    await file.append([bodyOf(chain[1]!)])
    expect((await errorOf(openMemoryLedger({}, late)))?.code, 'no block 0').to.equal(
      'LEDGER_CORRUPT',
    )
  })

  it('tells a file under the name of another', async () => {
    const storage = new MemoryStorage()
    const options = { maxSegmentBytes: 4_096 }
    const ledger = await openMemoryLedger(options, storage)
    const long = makeTestChain(12, { bytes: 500 })
    await Promise.all(long.map((block) => ledger.append(block)))
    await ledger.close()
    const names = (await storage.files.list('/ledger')).sort()
    expect(names.length).to.be.greaterThan(3)
    for (const [from, to] of [
      [names[1], names[0]],
      [names[1], names[2]],
      [names[0], names.at(-1)],
      [names[0], '00000000000000000099.blocks'],
    ]) {
      const damaged = new MemoryStorage()
      for (const name of names)
        damaged.memory.put(`/ledger/${name}`, bytesOf(storage, `/ledger/${name}`))
      damaged.memory.put(`/ledger/${to!}`, bytesOf(storage, `/ledger/${from!}`))
      const error = await errorOf(openMemoryLedger(options, damaged))
      expect(error?.code, `${from!} as ${to!}`).to.equal('LEDGER_CORRUPT')
    }
  })

  it('tells an empty file that was begun for another block', async () => {
    const storage = withFile(bytesOf(await stored([[chain[0]!], [chain[1]!]]), blocksPath))
    await RecordFile.create(storage.files, '/ledger/00000000000000000002.blocks', 1n)
    expect((await errorOf(openMemoryLedger({}, storage)))?.code).to.equal('LEDGER_CORRUPT')
    storage.removeKeyValues(indexPath)
    await RecordFile.create(storage.files, '/ledger/00000000000000000002.blocks', 2n)
    const ledger = await openMemoryLedger({}, storage)
    expect(ledger.height).to.equal(2n)
    await ledger.append(chain[2]!)
    await ledger.close()
  })

  it('releases the directory when opening fails', async () => {
    const file = bytesOf(await stored(chain.map((block) => [block])), blocksPath)
    const damaged = Buffer.from(file)
    damaged[40]! ^= 1
    const storage = withFile(damaged)
    expect((await errorOf(openMemoryLedger({}, storage)))?.code).to.equal('LEDGER_CORRUPT')
    storage.memory.put(blocksPath, file)
    const ledger = await openMemoryLedger({}, storage)
    expect(ledger.height).to.equal(4n)
    await ledger.close()
  })
})

describe('block index', () => {
  const chain = makeTestChain(20)

  it('is made again when it is missing or belongs to another ledger', async () => {
    const storage = await stored([chain])
    storage.removeKeyValues(indexPath)
    const ledger = await openMemoryLedger({}, storage)
    expect(ledger.txLocation(chain[7]!.txIds[1]!)).to.deep.equal({ block: 7n, index: 1 })
    await ledger.close()
    const other = makeTestChain(3, { salt: 'other' })
    await storage.files.remove(blocksPath)
    const fresh = await stored([other])
    storage.memory.put(blocksPath, bytesOf(fresh, blocksPath))
    const reopened = await openMemoryLedger({}, storage)
    expect(reopened.height).to.equal(3n)
    expect(reopened.txLocation(chain[7]!.txIds[1]!)).to.equal(undefined)
    expect(reopened.txLocation(other[2]!.txIds[0]!)).to.deep.equal({ block: 2n, index: 0 })
    await reopened.close()
  })

  it('is brought up when it runs behind', async () => {
    for (const verifyOnOpen of ['all', 'tail'] as const) {
      const storage = await stored([chain.slice(0, 5)])
      const ledger = await openMemoryLedger({ verifyOnOpen }, storage)
      await Promise.all(chain.slice(5).map((block) => ledger.append(block)))
      // Too little for a commit: the index still ends at block 4.
      storage.crash('keep')
      const again = await openMemoryLedger({ verifyOnOpen }, storage)
      expect(again.height).to.equal(20n)
      for (const [number, { block, txIds }] of chain.entries()) {
        const found = await again.blockByTxId(txIds[1]!)
        expect(found && Buffer.from(found).equals(block), `block ${number}`).to.equal(true)
      }
      await again.close()
    }
  })
})

describe('damaged journal', () => {
  const records = ['a', 'bb', 'ccc'].map((text) => Buffer.from(text.repeat(10)))

  async function journalFile(): Promise<Buffer> {
    const storage = new MemoryStorage()
    const journal = await openMemoryJournal({}, storage)
    for (const record of records) await journal.append([record])
    await journal.close()
    return bytesOf(storage, journalPath)
  }

  function withJournal(bytes: Buffer): MemoryStorage {
    const storage = new MemoryStorage()
    storage.memory.put(journalPath, bytes)
    return storage
  }

  it('loses only a torn last append, wherever it is cut', async () => {
    const file = await journalFile()
    const last = offsetsOf(file).at(-2)!
    for (let size = last; size < file.length; size += 1) {
      const storage = withJournal(file.subarray(0, size))
      const journal = await openMemoryJournal({}, storage)
      await journal.append([Buffer.from('next')])
      const texts = (await journal.records()).map((record) => Buffer.from(record).toString())
      const expected = [records[0]!.toString(), records[1]!.toString(), 'next']
      expect(texts, `cut at ${size}`).to.deep.equal(expected)
      await journal.close()
    }
  })

  it('keeps all records of one append or none', async () => {
    const storage = new MemoryStorage()
    const journal = await openMemoryJournal({}, storage)
    await journal.append(records)
    await journal.close()
    const file = bytesOf(storage, journalPath)
    for (let size = 32; size < file.length; size += 1) {
      const cut = await openMemoryJournal({}, withJournal(file.subarray(0, size)))
      expect(await cut.records(), `cut at ${size}`).to.deep.equal([])
      await cut.close()
    }
  })

  it('tells records that changed places', async () => {
    const storage = new MemoryStorage()
    const journal = await openMemoryJournal({}, storage)
    for (const text of ['one', 'two', 'six']) await journal.append([Buffer.from(text)])
    await journal.close()
    const file = bytesOf(storage, journalPath)
    const [first, second, third] = offsetsOf(file) as [number, number, number]
    const [one, two] = [file.subarray(first, second), file.subarray(second, third)]
    const swapped = Buffer.concat([file.subarray(0, first), two, one, file.subarray(third)])
    const error = await errorOf(openMemoryJournal({}, withJournal(swapped)))
    expect(error?.code).to.equal('LEDGER_CORRUPT')
    expect(error?.offset).to.equal(first)
    const twice = Buffer.concat([file, file.subarray(third)])
    expect((await errorOf(openMemoryJournal({}, withJournal(twice))))?.code).to.equal(
      'LEDGER_CORRUPT',
    )
  })

  it('removes what a crash in the middle of a rewrite left', async () => {
    const storage = withJournal(await journalFile())
    storage.memory.put(`${journalPath}.new`, Buffer.from('half a file'))
    const journal = await openMemoryJournal({}, storage)
    expect(await storage.files.list('/journal')).to.deep.equal(['records.journal'])
    expect((await journal.records()).length).to.equal(3)
    await journal.close()
  })

  it('tells a flipped bit in what was synced, and changes nothing', async () => {
    const file = await journalFile()
    for (let at = 0; at < offsetsOf(file).at(-2)!; at += 1) {
      const damaged = Buffer.from(file)
      damaged[at]! ^= 1 << (at % 8)
      const storage = withJournal(damaged)
      const error = await errorOf(openMemoryJournal({}, storage))
      expect(error?.code, `bit in byte ${at}`).to.equal('LEDGER_CORRUPT')
      expect(bytesOf(storage, journalPath).equals(damaged), `byte ${at}`).to.equal(true)
    }
  })

  it('is not to be replaced by an older copy, which forgets what was said since then', async () => {
    const file = await journalFile()
    const [first = 0] = offsetsOf(file)
    file[first]! ^= 1
    const error = await errorOf(openMemoryJournal({}, withJournal(file)))
    expect(error?.message).to.match(/Put no older copy in its place$/)
  })
})

describe('a block file in the place of another', () => {
  const maxSegmentBytes = 4_096
  const chain = makeTestChain(9, { transactions: 2, bytes: 500 })
  /** The same block with metadata that nobody signs, as another validator keeps it. */
  const elsewhere = ({ block, txIds }: BlockRecord): BlockRecord => {
    const { header, data } = decode(common.BlockSchema, block)
    const metadata = { metadata: [new Uint8Array(30)] }
    const parts = { ...(header && { header }), ...(data && { data }), metadata }
    return { block: encode(common.BlockSchema, create(common.BlockSchema, parts)), txIds }
  }

  it('is read and indexed again where the index finds the blocks elsewhere', async () => {
    const storages = []
    for (const blocks of [chain, chain.map(elsewhere)]) {
      const storage = new MemoryStorage()
      const ledger = await openMemoryLedger({ maxSegmentBytes }, storage)
      for (const record of blocks) await ledger.append(record)
      await ledger.close()
      storages.push(storage)
    }
    const [own, other] = storages as [MemoryStorage, MemoryStorage]
    const middle = '/ledger/00000000000000000003.blocks'
    own.memory.put(middle, bytesOf(other, middle))
    const ledger = await openMemoryLedger({ maxSegmentBytes }, own)
    expect(ledger.height).to.equal(9n)
    for (const [number, record] of chain.entries()) {
      const { block, txIds } = number >= 3 && number < 6 ? elsewhere(record) : record
      const read = await ledger.block(BigInt(number))
      expect(Buffer.from(read!).equals(block), `block ${number}`).to.equal(true)
      expect(ledger.txLocation(txIds[1]!)).to.deep.equal({ block: BigInt(number), index: 1 })
    }
    await ledger.close()
  })
})
