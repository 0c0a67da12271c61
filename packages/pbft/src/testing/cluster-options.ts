import type { Journal, StateMachine } from '../ports.ts'
import type { ReplicaNotification, ReplicaOptions } from '../types.ts'
import type { BehaviourName } from './behaviours.ts'
import type { MemoryState, MemoryStateMachine } from './memory-state-machine.ts'
import type { NetworkFaults } from './simulated-network.ts'

/** What one state machine of a {@link Cluster} is made of. */
export interface MachineParts<M> {
  /** Of the replica that it belongs to. */
  readonly id: number
  /**
   * The disk of this replica, over all its lives: `await disk.records()` gives what earlier ones
   * appended, but for what a crash interrupted. An append takes `executeMs`.
   */
  readonly disk: Journal
  /** The state machine of a replica that runs and gives it, for transfers; else undefined. */
  readonly machineOf: (replica: number) => M | undefined
}

/** Makes the state machine of a replica, at each of its starts. */
export type MachineFactory<M> = (parts: MachineParts<M>) => M | Promise<M>

/** What a {@link Cluster} is like. The same options give the same run. */
export interface ClusterOptions<M extends StateMachine = MemoryStateMachine> {
  /** N; default 4. */
  readonly n?: number
  /** Where all randomness comes from; default 1. */
  readonly seed?: number
  /** Default: 1 to 10 ms, nothing lost or duplicated. */
  readonly faults?: Partial<NetworkFaults>
  /** Settings of every replica. */
  readonly replica?: Partial<ReplicaOptions>
  /** Settings of one replica that differ from those. */
  readonly replicaOf?: (replica: number) => Partial<ReplicaOptions>
  /** How long a durable append, and an execution, take; default 1 and 1. */
  readonly appendMs?: number
  readonly executeMs?: number
  /**
   * Makes the state machine of a replica, at each of its starts, over what its disk holds. Name its
   * class: `new Cluster<Bookings>({ stateMachine })`. Default: a {@link MemoryStateMachine}.
   */
  readonly stateMachine?: MachineFactory<M>
  /** The id that the state machine gives a request; default: hex of its SHA-256. */
  readonly idOf?: (request: Uint8Array) => string
  /** Whose a request is, as a {@link MemoryStateMachine} says; default: it knows no clients. */
  readonly clientOf?: (request: Uint8Array) => string
  /** Which replicas lie, and how; at most f of them, or nothing is promised. */
  readonly liars?: Readonly<Record<number, BehaviourName>>
  /** Told everything that any replica reports. */
  readonly onEvent?: (replica: number, event: ReplicaNotification) => void
}

/** A copy of what a replica keeps, as somebody takes it while it runs, to put it back later. */
export interface DiskCopy {
  readonly journal: readonly Uint8Array[]
  readonly disk: readonly Uint8Array[]
  /** Of a {@link MemoryStateMachine}, which has no disk. */
  readonly state: MemoryState | undefined
}

/** What became of a submitted request. */
export interface Submission {
  readonly request: Uint8Array
  /** The replica that got it. */
  readonly to: number
  /** `failed` also when its replica crashed before it answered: it may be executed all the same. */
  outcome: 'pending' | 'executed' | 'failed'
  /** What `Replica.submit` rejected with. */
  error?: unknown
}
