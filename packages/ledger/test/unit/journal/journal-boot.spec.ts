import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isCodedError } from '@heddle/interface'
import { expect } from 'chai'
import { openJournal } from '../../../src/index.ts'
import type { Journal } from '../../../src/index.ts'
import { FaultyFiles, MemoryStorage, openMemoryJournal } from '../../../src/testing.ts'
import { temporaryDirectory } from '../../places.ts'

const path = '/journal/records.journal'
const last = Buffer.from('the vote, synced and sent')

/** A machine that can be started anew. */
class Machine extends MemoryStorage {
  bootName: string | undefined = 'first'
  readonly boot = (): Promise<string | undefined> => Promise.resolve(this.bootName)

  /** The journal's file. */
  get bytes(): Buffer {
    return Buffer.from(this.memory.bytes(path) ?? [])
  }

  /** Changes one bit, `fromEnd` bytes before the end of the file. */
  flip(fromEnd: number): void {
    const bytes = this.bytes
    bytes[bytes.length - fromEnd]! ^= 1
    this.memory.put(path, bytes)
  }
}

/** A journal with two records, each synced by itself. */
async function withRecords(machine: Machine): Promise<Journal> {
  const journal = await openMemoryJournal({}, machine)
  await journal.append([Buffer.from('first')])
  await journal.append([last])
  return journal
}

/** What is in the journal when it is opened, or the code of why it cannot be. */
async function found(opening: Promise<Journal>): Promise<string | string[]> {
  try {
    const journal = await opening
    const records = (await journal.records()).map((record) => Buffer.from(record).toString())
    await journal.close()
    return records
  } catch (error) {
    if (isCodedError(error)) return error.code
    throw error
  }
}

describe('the last record of a journal, damaged', () => {
  const whole = last.length + 4 + 32 // with the length before it and its header

  for (const [what, fromEnd] of [
    ['body', 1],
    ['header', whole],
  ] as const)
    // prettier-ignore
    it(`is no torn tail after it was closed, nor after the process died: in its ${what}`, async () => {
      for (const end of ['close', 'kill'] as const) {
        const machine = new Machine()
        const journal = await withRecords(machine)
        if (end === 'close') await journal.close()
        else machine.crash('process')
        // Closed, it may have been another boot.
        if (end === 'close') machine.bootName = 'second'
        machine.flip(fromEnd)
        const before = machine.bytes
        expect(await found(openMemoryJournal({}, machine)), end).to.equal('LEDGER_CORRUPT')
        expect(machine.bytes.equals(before), 'nothing was changed').to.equal(true)
      }
    })

  it('is a torn tail when the process died while writing it, wherever', async () => {
    const machine = new Machine()
    await withRecords(machine)
    const bytes = machine.bytes
    for (let missing = 1; missing < whole; missing++) {
      machine.crash('process')
      machine.memory.put(path, bytes.subarray(0, bytes.length - missing))
      expect(await found(openMemoryJournal({}, machine)), `${missing} bytes`).to.deep.equal([
        'first',
      ])
      machine.memory.put('/journal/boot', Buffer.from('first'))
    }
  })

  it('may be a torn tail after a power loss, and where nobody can tell', async () => {
    for (const names of [
      ['first', 'second'],
      [undefined, undefined],
      ['first', undefined],
    ]) {
      const machine = new Machine()
      machine.bootName = names[0]
      await withRecords(machine)
      machine.crash('process')
      machine.bootName = names[1]
      machine.flip(1)
      expect(await found(openMemoryJournal({}, machine))).to.deep.equal(['first'])
    }
  })

  it('may be a torn tail after it was closed with something not written', async () => {
    const machine = new Machine()
    const files = new FaultyFiles(machine.memory)
    machine.files = files
    const journal = await withRecords(machine)
    files.faults.sync = 'EIO'
    expect(await journal.append([last]).catch(() => 'failed')).to.equal('failed')
    files.faults.sync = undefined
    await journal.close()
    machine.crash('process')
    machine.bootName = 'second'
    machine.flip(1)
    expect(await found(openMemoryJournal({}, machine))).to.deep.equal(['first'])
  })

  it('is found on a real disk', async () => {
    const dir = await temporaryDirectory()
    try {
      const journal = await openJournal({ dir })
      await journal.append([last])
      await journal.close()
      const file = join(dir, 'records.journal')
      const bytes = await readFile(file)
      bytes[bytes.length - 1]! ^= 1
      await writeFile(file, bytes)
      expect(await found(openJournal({ dir }))).to.equal('LEDGER_CORRUPT')
    } finally {
      await rm(dir, { recursive: true })
    }
  })
})
