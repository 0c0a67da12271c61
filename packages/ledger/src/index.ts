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
export type { LedgerDeps, LedgerOptions } from './ledger.ts'
export { openJournal } from './journal.ts'
export type { JournalDeps, JournalOptions } from './journal.ts'
export { directoryHolder } from './process-lock.ts'
export { nextStateDigest, stateDigestSeed } from './state-digest.ts'
export { isStateWrite } from './state-keys.ts'
export { diskStorage } from './disk-storage.ts'
export type {
  DirectoryLock,
  Files,
  KeyChange,
  KeyValueDurability,
  KeyValue,
  KeyValueStore,
  Storage,
  StorageFile,
} from './storage.ts'
