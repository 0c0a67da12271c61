export { makeTestBlock, makeTestChain } from './testing/blocks.ts'
export type { TestBlockOptions } from './testing/blocks.ts'
export { FaultyFiles } from './testing/faulty-files.ts'
export type { Faults } from './testing/faulty-files.ts'
export { MemoryFiles } from './testing/memory-files.ts'
export type { CrashMode } from './testing/memory-files.ts'
export { MemoryStorage } from './testing/memory-storage.ts'
export {
  createMemoryStateStore,
  openMemoryJournal,
  openMemoryLedger,
} from './testing/memory-stores.ts'
export { journalCases } from './testing/journal-cases.ts'
export { ledgerCases } from './testing/ledger-cases.ts'
export { stateStoreCases } from './testing/state-store-cases.ts'
export type { DisposableStateStore } from './testing/state-store-cases.ts'
export type { ComplianceCase, Opened } from './testing/compliance.ts'
