export { createReplica } from './replica.ts'
export { largestFrameBytes, resolveReplicaOptions } from './options.ts'
export {
  DuplicateIdError,
  ExecutionError,
  InvalidOptionsError,
  JournalBusyError,
  JournalError,
  OverdrawnError,
  PoolFullError,
  RequestAbandonedError,
  RequestTooLargeError,
  StateDivergedError,
  TransferTimeoutError,
  StoppedError,
} from './errors.ts'
export { faultsTolerated, primaryOf, quorumOf, weakQuorumOf } from './core/quorum.ts'
export { ReplicaCore } from './core/replica-core.ts'
export { NULL_BATCH } from './core/messages.ts'

export type { ResolvedOptions } from './options.ts'
export type { Spending } from './in/sender-budgets.ts'
export type {
  CheckPurpose,
  Journal,
  Network,
  Signer,
  StateMachine,
  StatePoint,
  TransferOptions,
  TransferTarget,
  Verifier,
} from './ports.ts'
export type {
  Replica,
  ReplicaDependencies,
  ReplicaNotification,
  ReplicaOptions,
  ReplicaStatus,
  SubmitOptions,
  SubmitResult,
} from './types.ts'
export type { Batch, Message, SignedStatement, Statement } from './core/messages.ts'
export type { CoreStatus } from './core/replica-core.ts'
export type {
  CoreOptions,
  EarlierDigests,
  JournalRecord,
  RejectCode,
  ReplicaEffect,
  ReplicaEvent,
  StateDigest,
  TimerName,
} from './core/protocol.ts'
