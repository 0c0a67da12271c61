import { expect } from 'chai'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { VirtualClock } from '@heddle/events/testing'
import { directoryHolder, openJournal, openLedger } from '../../../src/index.ts'

describe('directoryHolder', () => {
  let dir = ''
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'heddle-holder-'))
  })
  afterEach(() => rm(dir, { recursive: true }))

  it('names the process that has a ledger or a journal open, and nobody afterwards', async () => {
    const [ledgerDir, journalDir] = [join(dir, 'ledger'), join(dir, 'journal')]
    const clock = new VirtualClock()
    const ledger = await openLedger({ dir: ledgerDir, channelId: 'test', clock })
    const journal = await openJournal({ dir: journalDir })
    for (const each of [ledgerDir, journalDir])
      expect(await directoryHolder(each)).to.equal(process.pid)
    await ledger.close()
    await journal.close()
    for (const each of [ledgerDir, journalDir])
      expect(await directoryHolder(each)).to.equal(undefined)
  })

  it('makes and removes nothing, whatever is there', async () => {
    const missing = join(dir, 'missing')
    expect(await directoryHolder(missing)).to.equal(undefined)
    await mkdir(join(dir, 'left'))
    // No process has this number: Linux ends below 2^22.
    const lock = 'lock-4194305--00ff'
    await writeFile(join(dir, 'left', lock), '')
    expect(await directoryHolder(join(dir, 'left'))).to.equal(undefined)
    expect(await readdir(dir)).to.deep.equal(['left'])
    expect(await readdir(join(dir, 'left'))).to.deep.equal([lock])
  })
})
