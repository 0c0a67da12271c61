export { createReplica } from './replica.ts'
export type {
  Journal,
  Network,
  Signer,
  StateMachine,
  StatePoint,
  TransferTarget,
  Verifier,
} from './ports.ts'
export type {
  Replica,
  ReplicaDependencies,
  ReplicaNotification,
  ReplicaOptions,
  ReplicaStatus,
  SubmitResult,
} from './types.ts'
