export { MemoryJournal } from './testing/memory-journal.ts'
export type { MemoryJournalOptions } from './testing/memory-journal.ts'
export { MemoryNetwork, UnreachableError } from './testing/memory-network.ts'
export {
  InvalidRequestError,
  MemoryStateMachine,
  NoSourceError,
} from './testing/memory-state-machine.ts'
export type { ExecutedBatch, MemoryStateMachineOptions } from './testing/memory-state-machine.ts'
export { TestKeys } from './testing/test-keys.ts'
