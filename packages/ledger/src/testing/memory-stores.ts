import { systemClock } from '@heddle/events'
import { openJournal } from '../journal/journal.ts'
import type { JournalOptions } from '../journal/journal-options.ts'
import { openLedger } from '../ledger.ts'
import type { LedgerOptions } from '../ledger-options.ts'
import { ledgerMetrics } from '../metrics.ts'
import type { Journal, Ledger, StateStore } from '../ports.ts'
import { KeyValueStateStore } from '../state/state-store.ts'
import { MemoryKeyValues } from './memory-key-values.ts'
import { MemoryStorage } from './memory-storage.ts'

/** A ledger in memory. Give the same storage again to open what an earlier one left. */
export function openMemoryLedger(
  options: LedgerOptions = {},
  storage: MemoryStorage = new MemoryStorage(),
): Promise<Ledger> {
  return openLedger({ dir: '/ledger', storage }, options)
}

/** A journal in memory. Give the same storage again to open what an earlier one left. */
export function openMemoryJournal(
  options: JournalOptions = {},
  storage: MemoryStorage = new MemoryStorage(),
): Promise<Journal> {
  return openJournal({ dir: '/journal', storage }, options)
}

/** A state store in memory that stands alone: no block file limits its height. */
export function createMemoryStateStore(): StateStore {
  return new KeyValueStateStore({
    store: new MemoryKeyValues(),
    blocks: () => 2n ** 64n - 1n,
    clock: systemClock,
    metrics: ledgerMetrics(undefined, ''),
  })
}
