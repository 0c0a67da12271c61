import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openJournal, openLedger } from '../src/index.ts'
import type { Journal, JournalOptions, Ledger, LedgerOptions } from '../src/index.ts'
import { MemoryStorage, openMemoryJournal, openMemoryLedger } from '../src/testing.ts'
import type { Opened } from '../src/testing.ts'

/** A directory of its own below the system's temporary one. */
export const temporaryDirectory = (): Promise<string> => mkdtemp(join(tmpdir(), 'heddle-ledger-'))

export async function diskLedgers(options: LedgerOptions = {}): Promise<Opened<Ledger>> {
  const dir = await temporaryDirectory()
  return {
    open: () => openLedger({ dir: join(dir, 'ledger') }, options),
    dispose: () => rm(dir, { recursive: true }),
  }
}

export function memoryLedgers(options: LedgerOptions = {}): Promise<Opened<Ledger>> {
  const storage = new MemoryStorage()
  return Promise.resolve({
    open: () => openMemoryLedger(options, storage),
    dispose: () => Promise.resolve(),
  })
}

export async function diskJournals(options: JournalOptions = {}): Promise<Opened<Journal>> {
  const dir = await temporaryDirectory()
  return {
    open: () => openJournal({ dir: join(dir, 'journal') }, options),
    dispose: () => rm(dir, { recursive: true }),
  }
}

export function memoryJournals(options: JournalOptions = {}): Promise<Opened<Journal>> {
  const storage = new MemoryStorage()
  return Promise.resolve({
    open: () => openMemoryJournal(options, storage),
    dispose: () => Promise.resolve(),
  })
}
