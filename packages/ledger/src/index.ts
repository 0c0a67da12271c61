export { LedgerError } from './errors.ts'
export type { LedgerErrorCode, LedgerErrorDetail } from './errors.ts'
export type {
  BlockRecord,
  BlockStore,
  EntriesOptions,
  Journal,
  Ledger,
  LedgerHeader,
  Savepoint,
  StateContent,
  StateEntry,
  StateStore,
  StateWrite,
  TxLocation,
} from './ports.ts'
export { openLedger } from './ledger.ts'
export type { LedgerDeps } from './ledger.ts'
export type { LedgerOptions } from './ledger-options.ts'
export { openJournal } from './journal/journal.ts'
export type { JournalDeps } from './journal/journal.ts'
export type { JournalOptions } from './journal/journal-options.ts'
export { directoryHolder } from './storage/process-lock.ts'
export { nextStateDigest, stateDigestSeed } from './state/state-digest.ts'
export { isStateWrite } from './state/state-keys.ts'
export { diskStorage } from './storage/disk-storage.ts'
export type {
  DirectoryLock,
  Files,
  KeyChange,
  KeyValueDurability,
  KeyValue,
  KeyValueStore,
  Storage,
  StorageFile,
} from './storage/storage.ts'
