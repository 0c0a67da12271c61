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
export type {
  ClusterOptions,
  DiskCopy,
  MachineParts,
  Submission,
} from './testing/cluster-options.ts'
export { checkRecovery, healthyWorkMs, isOutOfVote } from './testing/recovery-checker.ts'
export { Random } from './testing/random.ts'
export { SimulatedNetwork } from './testing/simulated-network.ts'
export type { NetworkFaults } from './testing/simulated-network.ts'
export { journalCases } from './testing/journal-cases.ts'
export type { JournalSetup } from './testing/journal-cases.ts'
export { networkCases } from './testing/network-cases.ts'
export type { NetworkSetup } from './testing/network-cases.ts'
export { signerCases } from './testing/signer-cases.ts'
export type { SignerSetup } from './testing/signer-cases.ts'
export { stateMachineCases } from './testing/state-machine-cases.ts'
export type { StateMachineSetup } from './testing/state-machine-cases.ts'
export type { PortCase } from './testing/port-case.ts'
