import type { AbortOptions, Clock, CodedError, Lifecycle, Logger, Metrics } from '@heddle/interface'
import type { Journal, Network, Signer, StateMachine, Verifier } from './ports.ts'
import type { Spending } from './in/sender-budgets.ts'

/**
 * Settings of a replica, integers all; all but `id` and `n` have a default. All replicas must use the
 * same `n`, `batchSize`, `maxBatchBytes`, `maxRequestBytes`, `checkpointPeriod` and `logMultiplier`.
 * Milliseconds are 1 to 3,600,000 where no range is named, all else 1 or more.
 */
export interface ReplicaOptions {
  /** This replica: 0 to n - 1. */
  readonly id: number
  /** N, how many replicas there are: 1 to 128. f = ⌊(N - 1) / 3⌋ of them may be faulty in any way. */
  readonly n: number
  /** Most requests of a batch: 1 to 100,000; default 500. */
  readonly batchSize?: number
  /** Most bytes of a batch, a single larger request excepted: 1 to 48 MiB; default 4 MiB. */
  readonly maxBatchBytes?: number
  /**
   * Bytes at which this replica cuts a batch as primary, a single larger request excepted: 1 to
   * 48 MiB, and never more than `maxBatchBytes`; default 2 MiB. What the primary has under way,
   * `pipelineDepth` of these to each backup, has to arrive well within `requestTimeoutMs`.
   *
   * @see fabric v3.1.5 sampleconfig/configtx.yaml (BatchSize.PreferredMaxBytes)
   */
  readonly preferredBatchBytes?: number
  /**
   * Longest time that a request waits for its batch to fill while others are being agreed on: 0 or
   * more, less than `requestTimeoutMs`; default 20.
   */
  readonly batchTimeoutMs?: number
  /** Most sequence numbers that the primary has between proposal and execution: 1 or more; default 4. */
  readonly pipelineDepth?: number
  /** K: a checkpoint is taken every so many sequence numbers: 1 to 1,000,000; default 10. */
  readonly checkpointPeriod?: number
  /** L = K · logMultiplier is the window between the watermarks: 2 to 1,000; default 4. */
  readonly logMultiplier?: number
  /** Most batches being executed at once: 1 to 10,000; default 4. */
  readonly maxExecutionsInFlight?: number
  /**
   * After so long as the oldest pending one, a request forwarded to the primary goes to all: 1 to
   * `requestTimeoutMs`; default half of it.
   */
  readonly forwardTimeoutMs?: number
  /** After so long as the oldest pending one, a request makes the replica suspect the primary; default 2,000. Doubles with each view change that brings no progress. */
  readonly requestTimeoutMs?: number
  /** How long a new primary may take, from the quorum of view-changes to the new view; default 2,000. Doubles likewise. */
  readonly viewChangeTimeoutMs?: number
  /** Where the doubling of both ends: 1 to 86,400,000; default 60,000. */
  readonly maxTimeoutMs?: number
  /** How often this replica tells the others where it is; default 1,000. */
  readonly statusIntervalMs?: number
  /**
   * How long one attempt of a state transfer may take before its signal aborts. The next begins from
   * where it got, with another replica and perhaps a newer target: 1 to 86,400,000; default 60,000.
   */
  readonly transferTimeoutMs?: number
  /** Most bytes of a request: 1 to `maxBatchBytes`; default 1 MiB. */
  readonly maxRequestBytes?: number
  /**
   * Most pending requests of each replica that they come from, this one included; default 20,000. Of
   * this one's each client has a share, see {@link StateMachine.clientOf}: with one more request, no
   * more than is free. Half for one that is alone; a part in k + 1 for each of k that want all.
   */
  readonly maxPoolRequests?: number
  /** Most bytes of them, shared likewise; default 48 MiB. */
  readonly maxPoolBytes?: number
  /** Most messages, and bytes, waiting for one destination; the oldest are dropped, counted; defaults 2,000 and 64 MiB. As many may wait for the journal; there the newest are dropped. */
  readonly maxSendQueue?: number
  readonly maxSendQueueBytes?: number
  /** Most messages, and bytes, of one replica waiting for verification; more are dropped, counted; defaults 200 and 32 MiB. One always has room, however large it is. */
  readonly maxReceiveQueue?: number
  readonly maxReceiveQueueBytes?: number
  /** Most messages of one replica in a second, at five times as many at once; default 20,000. Whoever sends more is held back, see {@link Replica.receive}. */
  readonly maxMessagesPerSecond?: number
  /** The same of messages that are refused; default 20. */
  readonly maxRejectionsPerSecond?: number
  /** The same of signatures that are verified, except those of checkpoints that are due; default 50. */
  readonly maxSignaturesPerSecond?: number
  /** The same of the milliseconds that taking its messages in costs, as estimated; default 100. What is ordered does not count. */
  readonly maxCpuMsPerSecond?: number
  /** A replica that was held back for so long without a quiet time floods this one: see the notification `flooding`; default 5,000. */
  readonly maxHeldMs?: number
  /** From so many records, or bytes of them, on that wait for the journal, messages are dropped as they come, counted, requests are refused, and nothing is proposed; defaults 10,000 and 128 MiB. */
  readonly maxJournalQueue?: number
  readonly maxJournalQueueBytes?: number
  /** The journal is rewritten at a stable checkpoint once so many bytes were appended: 0 or more; default 64 MiB. */
  readonly journalRewriteBytes?: number
  /**
   * Whether the owner accepts that requests which were executed and acknowledged are lost, where no
   * replica that takes part has them any more; default false. When so many replicas were set back to
   * older copies that those which remember are no quorum, the group goes on if a quorum has this
   * option, and every replica that runs. Not to be left on.
   */
  readonly acceptLoss?: boolean
}

/** What a replica needs from outside. */
export interface ReplicaDependencies {
  readonly network: Network
  /** Of this replica alone, and the same over all its lives: else it does not vote for a while. */
  readonly journal: Journal
  readonly stateMachine: StateMachine
  /** Has the key under which `verifier` of the others knows this replica. */
  readonly signer: Signer
  readonly verifier: Verifier
  readonly clock: Clock
  readonly logger?: Logger
  readonly metrics?: Metrics
  /** Random bytes, so many; default: those of the system. A simulator gives some that follow from its seed. */
  readonly randomBytes?: (count: number) => Uint8Array
  /** Told what happens, in order; must not throw (what it throws is logged). */
  readonly onEvent?: (event: ReplicaNotification) => void
}

/** What a replica tells its owner. */
export type ReplicaNotification =
  /** `active` false: it voted for this view and waits for the new-view; true: it takes part in it. */
  | {
      readonly type: 'viewChanged'
      readonly view: bigint
      readonly primary: number
      readonly active: boolean
    }
  /** A batch was executed, durably. */
  | { readonly type: 'executed'; readonly sequence: bigint; readonly requests: number }
  /** A quorum signed for the state at `sequence`; the log up to it is gone. */
  | { readonly type: 'stable'; readonly sequence: bigint }
  /** The state machine is asked for the state at `sequence`; nothing is executed until it is there. */
  | { readonly type: 'transferStarted'; readonly sequence: bigint }
  /** The state machine is at `sequence` now. */
  | { readonly type: 'transferEnded'; readonly sequence: bigint }
  /** A message of a peer was refused; `code` is stable, `detail` is for people. */
  | {
      readonly type: 'rejected'
      readonly from: number
      readonly code: string
      readonly detail: string
    }
  /** A replica sends more than it may, though it is held back: its connection had better be closed for a while. */
  | { readonly type: 'flooding'; readonly from: number; readonly what: Spending }
  /** See {@link ReplicaStatus.notVoting}; or it votes again. */
  | {
      readonly type: 'voting'
      readonly isVoting: boolean
      readonly reason: string | undefined
    }
  /** The replica stopped by itself. */
  | { readonly type: 'failed'; readonly error: CodedError }

/** Where a replica is; a frozen copy. */
export interface ReplicaStatus {
  readonly id: number
  readonly n: number
  /** How many replicas may be faulty: ⌊(n - 1) / 3⌋. */
  readonly f: number
  /** v: the view that it is in, or changes to. */
  readonly view: bigint
  /** The replica that orders in `view`: view mod n. */
  readonly primary: number
  /** False between this replica's view-change and the new-view. */
  readonly activeView: boolean
  /** h: the last stable checkpoint. */
  readonly lowWatermark: bigint
  /** H = h + L. */
  readonly highWatermark: bigint
  /** The last sequence number executed, durably. */
  readonly lastExecuted: bigint
  /** The highest sequence number that this replica knows of: in its window, or from signed checkpoints of f + 1. */
  readonly highestKnown: bigint
  /**
   * The highest sequence number at which it accepted a batch, signed a state, or executed what it had to
   * fetch, as far as its journal remembers: what it executed otherwise than by a transfer is not beyond.
   */
  readonly accepted: bigint
  /** Whether the state machine fetches the state from others. */
  readonly transferring: boolean
  /** Requests accepted and not yet executed. */
  readonly pendingRequests: number
  /**
   * Why this replica does not vote, and until when: it was started and has not heard from enough others
   * what it said before, or what it said was lost, so that it could contradict itself. Undefined when
   * it votes.
   */
  readonly notVoting: string | undefined
  /** Whether that is because it has just been started: for as long as enough others answer, a moment. */
  readonly isAsking: boolean
  /** While it does not vote: the others that heard more from it than it knows of, if that is why. */
  readonly heardBy: readonly number[]
  /**
   * While it cannot learn how long: the others that forgot what they said, too. With all that do not
   * run, when they are so many that no quorum is left, only {@link ReplicaOptions.acceptLoss} helps.
   */
  readonly forgetful: readonly number[]
  /** How long the oldest of them has waited here, in milliseconds; 0 when there is none. */
  readonly oldestRequestMs: number
}

/** What became of a submitted request. */
export interface SubmitResult {
  /** Its id, as {@link StateMachine.check} gave it. */
  readonly id: string
  /** Where it was executed; when it had been executed before, the last executed sequence number. */
  readonly sequence: bigint
  /**
   * Whether it was the state machine that knew the id as executed. False: exactly the bytes that
   * were submitted were executed. True: perhaps another request with this id was, which only the
   * state machine can tell; of no interest where the id covers all bytes of a request.
   */
  readonly executedBefore: boolean
}

/** How a request is submitted. */
export interface SubmitOptions extends AbortOptions {
  /**
   * Any name of who hands it in, as far as that is proven without a look into the request, such as a
   * digest of a TLS certificate: until requests were checked, and `clientOf` says whose they are, who
   * gave them have turns and shares of the room. Without it, these are nobody's.
   */
  readonly givenBy?: string | undefined
}

/** One replica of a PBFT group. */
export interface Replica extends Lifecycle {
  /** Resolves when the replica has stopped: with the reason when it stopped by itself. */
  readonly closed: Promise<Error | undefined>
  /**
   * Has a request ordered, whoever is primary, and resolves when it was executed, durably, here.
   * The same request again joins the first, or resolves at once when it has been executed.
   * When `signal` ends the wait, the request may still be ordered.
   *
   * @throws what {@link StateMachine.check} rejects with; PBFT_REQUEST_TOO_LARGE; PBFT_DUPLICATE_ID
   * (another one with its id was executed); PBFT_POOL_FULL and PBFT_JOURNAL_BUSY (try again later); PBFT_STOPPED (not running; unless executed before, the outcome is unknown)
   */
  submit(request: Uint8Array, options?: SubmitOptions): Promise<SubmitResult>
  /**
   * Takes bytes that replica `from` sent, as proven by the transport. Never throws; `bytes` must stay as they are.
   *
   * @returns undefined; or, when `from` has sent more than it may, or more than was taken so far, what resolves when the next of its frames may come
   */
  receive(from: number, bytes: Uint8Array): PromiseLike<void> | undefined
  /** Where it is now; before the first `start`, in view 0 with nothing executed. */
  status(): ReplicaStatus
}
