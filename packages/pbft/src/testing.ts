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
export { behaviours } from './testing/behaviours.ts'
export type { Behaviour, BehaviourName, Liar } from './testing/behaviours.ts'
export { SimulationError } from './testing/checkers.ts'
export { Cluster } from './testing/cluster.ts'
export type { ClusterOptions, Submission } from './testing/cluster.ts'
export { Random } from './testing/random.ts'
export { SimulatedNetwork } from './testing/simulated-network.ts'
export type { NetworkFaults } from './testing/simulated-network.ts'
export { journalCases, networkCases, signerCases, stateMachineCases } from './testing/port-cases.ts'
export type {
  JournalSetup,
  NetworkSetup,
  PortCase,
  SignerSetup,
  StateMachineSetup,
} from './testing/port-cases.ts'
