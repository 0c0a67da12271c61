import { expect } from 'chai'
import { copyFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openJournal, openLedger } from '../../src/index.ts'
import { FaultyFiles, MemoryStorage, makeTestChain, openMemoryJournal } from '../../src/testing.ts'
import { temporaryDirectory } from '../places.ts'
import type { Journal, Ledger } from '../../src/index.ts'

const blockFile = (first: number): string => `${first.toString().padStart(20, '0')}.blocks`

describe('files that are taken from a store while it is open', () => {
  let dir = ''
  let ledger: Ledger
  let journal: Journal
  beforeEach(async () => {
    dir = await temporaryDirectory()
    ledger = await openLedger({ dir: join(dir, 'ledger') }, { maxSegmentBytes: 4096 })
    for (const block of makeTestChain(3, { bytes: 2000 })) await ledger.append(block)
    journal = await openJournal({ dir: join(dir, 'journal') })
    await journal.append([Buffer.from('a vote')])
  })
  afterEach(async () => {
    await ledger.close()
    await journal.close()
    await rm(dir, { recursive: true, force: true })
  })

  const path = (first: number): string => join(dir, 'ledger', blockFile(first))
  const records = (): string => join(dir, 'journal', 'records.journal')

  it('are none as long as all are there', async () => {
    expect(await stat(path(2)).then(({ size }) => size)).to.be.above(4000)
    expect(await ledger.missingFiles()).to.deep.equal([])
    expect(await journal.missingFiles()).to.deep.equal([])
  })

  it('are named when a full block file or the last one was removed', async () => {
    await rm(path(1))
    expect(await ledger.missingFiles()).to.deep.equal([path(1)])
    await rm(path(2))
    expect(await ledger.missingFiles()).to.deep.equal([path(1), path(2)])
  })

  it('are named when the last one was replaced by a copy, or their directory moved', async () => {
    await copyFile(path(2), join(dir, 'copy'))
    await rename(join(dir, 'copy'), path(2))
    expect(await ledger.missingFiles()).to.deep.equal([path(2)])
    await rename(join(dir, 'ledger'), join(dir, 'elsewhere'))
    expect(await ledger.missingFiles()).to.deep.equal([path(0), path(1), path(2)])
    await rename(join(dir, 'elsewhere'), join(dir, 'ledger'))
  })

  it('are named when the journal was removed or replaced, until it is rewritten', async () => {
    await copyFile(records(), join(dir, 'copy'))
    await rm(records())
    expect(await journal.missingFiles()).to.deep.equal([records()])
    await rename(join(dir, 'copy'), records())
    expect(await journal.missingFiles()).to.deep.equal([records()])
    expect(journal.isLost).to.equal(true)
    await journal.rewrite([Buffer.from('a vote')])
    expect(journal.isLost).to.equal(false)
    expect(await journal.missingFiles()).to.deep.equal([])
  })

  it('come back with a rewrite of the journal, even when its directory was removed', async () => {
    expect(journal.isLost).to.equal(false)
    await rm(join(dir, 'journal'), { recursive: true })
    expect(await journal.missingFiles()).to.deep.equal([records()])
    await journal.rewrite([Buffer.from('a vote')])
    expect(await journal.missingFiles()).to.deep.equal([])
  })

  it('are not named in the middle of a rewrite', async () => {
    const storage = new MemoryStorage()
    let renamed = (): void => undefined
    const isRenamed = new Promise<void>((resolve) => (renamed = resolve))
    let goOn = (): void => undefined
    const mayGoOn = new Promise<void>((resolve) => (goOn = resolve))
    storage.files = Object.assign(new FaultyFiles(storage.memory), {
      rename: async (from: string, to: string): Promise<void> => {
        await storage.memory.rename(from, to)
        renamed()
        await mayGoOn
      },
    })
    const slow = await openMemoryJournal({}, storage)
    const rewritten = slow.rewrite([Buffer.from('another vote')])
    await isRenamed
    const missing = slow.missingFiles()
    await new Promise(setImmediate)
    goOn()
    expect(await missing).to.deep.equal([])
    await rewritten
    await slow.close()
  })
})
