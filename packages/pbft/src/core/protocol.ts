import type {
  Batch,
  Certificate,
  Checkpoint,
  Message,
  NewView,
  PrePrepare,
  Said,
  SignedStatement,
  Statement,
  ViewChange,
  Vote,
} from './messages.ts'

/** Settings of a {@link ReplicaCore}; all are needed, ranges are checked by the shell. */
export interface CoreOptions {
  /** This replica: 0 to n - 1. */
  readonly id: number
  /** N: 1 to 128. */
  readonly n: number
  /** K. */
  readonly checkpointPeriod: number
  /** L = K · logMultiplier. */
  readonly logMultiplier: number
  /** Most `execute` effects without their answer. */
  readonly maxExecutionsInFlight: number
  /** From the quorum of view-changes to the new-view, at first: it doubles. */
  readonly viewChangeTimeoutMs: number
  /** Where the doubling ends. */
  readonly maxTimeoutMs: number
  /** From one status message to the next. */
  readonly statusIntervalMs: number
  /** How long a holder of a missing batch may take before the next one is asked. */
  readonly fetchTimeoutMs: number
  /** Most bytes of batches sent again to one replica, in answer to its status messages, in one status interval. */
  readonly maxResendBytes: number
  /** Most batches sent to one replica in answer to its fetch-batch messages, in one status interval. */
  readonly maxFetchAnswers: number
  /** Most bytes of them; the last one may exceed it. */
  readonly maxFetchBytes: number
  /**
   * For how many status intervals in a row f + 1 others must prove to be ahead, while this replica
   * executes nothing, before it fetches their state.
   */
  readonly stuckIntervals: number
  /** See `StateMachine.provesTransfers`; default false. */
  readonly provesTransfers?: boolean
  /** See `ReplicaOptions.acceptLoss`; default false. */
  readonly acceptLoss?: boolean
}

/** What was executed last: the sequence number, and the hex digest of the state after it. */
export interface StateDigest {
  readonly sequence: bigint
  readonly digest: string
}

/**
 * Hex digests of the states before the last executed one, the latest first and without gaps, as far
 * as they are known: this replica can then tell others that are behind where it had been.
 */
export type EarlierDigests = readonly string[]

/**
 * What a timer of the core waits for: the `newView` of another primary, the time of the next `status`
 * message, the answer to a `fetch` of a batch.
 */
export type TimerName = 'newView' | 'status' | 'fetch'

/** What can happen to a replica. */
export type ReplicaEvent =
  /** Begin: say where it is, and whatever was said last before the crash. Once, first. */
  | {
      readonly type: 'start'
      readonly earlier?: EarlierDigests
      /**
       * Random, 1 to 2^63, another in each life: with it, the replica asks the others what they heard
       * from it before it votes. Without, one that forgot what it said never votes again.
       */
      readonly query?: bigint
    }
  /** From another replica, decoded, its sender and its signatures verified; a pre-prepare's batch checked. */
  | { readonly type: 'message'; readonly from: number; readonly message: Message }
  /** Order this batch; only while {@link ReplicaCore.canPropose}. */
  | { readonly type: 'propose'; readonly batch: Batch }
  /** Whether the oldest request here has waited, in `view`, for half of what makes it `suspect`. */
  | { readonly type: 'late'; readonly view: bigint; readonly isLate: boolean }
  /**
   * In `view` it went well for a while: with the usual time-outs times `factor`, a power of two, no
   * request would have used up half of its time.
   */
  | { readonly type: 'calm'; readonly view: bigint; readonly factor: number }
  /** For a while this replica took nothing in, and missed what was said meanwhile; that is over. */
  | { readonly type: 'resumed' }
  /** The primary of `view` does not do its work. */
  | { readonly type: 'suspect'; readonly view: bigint }
  /** A timer ended; one of an old generation means nothing any more. */
  | { readonly type: 'timeout'; readonly name: TimerName; readonly generation: number }
  /** Answer to `sign`. */
  | { readonly type: 'signed'; readonly message: SignedStatement }
  /** Answer to `execute`: in order, durable. */
  | { readonly type: 'executed'; readonly sequence: bigint; readonly digest: string }
  /** Answers to `transfer`. */
  | {
      readonly type: 'transferred'
      readonly sequence: bigint
      readonly digest: string
      readonly earlier?: EarlierDigests
    }
  | { readonly type: 'transferFailed' }

/** What a replica remembers over a crash. */
export type JournalRecord =
  | (Omit<PrePrepare, 'type'> & { readonly type: 'pre-prepared' })
  | (Vote & { readonly type: 'prepared' })
  | { readonly type: 'view-change'; readonly viewChange: ViewChange }
  | { readonly type: 'new-view'; readonly newView: NewView }
  | { readonly type: 'checkpoint'; readonly checkpoint: Checkpoint }
  | { readonly type: 'stable'; readonly certificate: Certificate }
  /** Records of before are lost: see {@link Amnesia}. */
  | {
      readonly type: 'amnesia'
      readonly until: bigint | undefined
      readonly votesFrom: bigint
      readonly over: boolean
    }
  /** By replica: how far it was heard to go in what it says. */
  | { readonly type: 'heard'; readonly heard: readonly Said[] }

/** Whose answers a replica lacks that asks what was heard from it. */
export interface AskingStatus {
  /** Those that have not answered. */
  readonly unanswered: readonly number[]
  /** How many must answer. */
  readonly needed: number
  /** Status intervals since it began to ask. */
  readonly intervals: number
}

/** What the shell has to do, in this order. */
export type ReplicaEffect =
  /** Durable before any later `send`, `broadcast` or `execute`. */
  | { readonly type: 'persist'; readonly record: JournalRecord }
  | { readonly type: 'send'; readonly to: number; readonly message: Message }
  /** To every replica but this one. */
  | { readonly type: 'broadcast'; readonly message: Message }
  /** Sign, and answer with `signed`. */
  | { readonly type: 'sign'; readonly statement: Statement }
  /** Replaces the timer of that name. */
  | {
      readonly type: 'startTimer'
      readonly name: TimerName
      readonly generation: number
      readonly afterMs: number
    }
  | { readonly type: 'stopTimer'; readonly name: TimerName }
  /** Answer with `executed`, in order. */
  | { readonly type: 'execute'; readonly sequence: bigint; readonly batch: Batch }
  /** Get to this state; nothing is executed until the answer. */
  | {
      readonly type: 'transfer'
      readonly sequence: bigint
      readonly digest: string
      readonly replicas: readonly number[]
    }
  /** `batch` has a sequence number in the current view: its requests need no other. */
  | { readonly type: 'accepted'; readonly sequence: bigint; readonly batch: Batch }
  | { readonly type: 'stable'; readonly sequence: bigint }
  /**
   * This replica forgot what it said. It changes views once a checkpoint at `until` is stable
   * (undefined: not yet known; or it is), and votes in the view `votesFrom` and later ones.
   */
  | {
      readonly type: 'voting'
      readonly isVoting: boolean
      readonly until: bigint | undefined
      readonly votesFrom: bigint
      /** Others that answered it and may not vote either. */
      readonly forgetful: readonly number[]
      /** When others told it: who heard more from it than it knows of. */
      readonly heardBy?: readonly number[]
    }
  /** It started, and does not vote before it knows what others heard from it in earlier lives. */
  | ({ readonly type: 'asking' } & AskingStatus)
  | {
      readonly type: 'viewChanged'
      readonly view: bigint
      readonly primary: number
      readonly active: boolean
    }
  | {
      readonly type: 'reject'
      readonly from: number
      readonly code: RejectCode
      readonly detail: string
    }
  /** This replica cannot go on: its state is not that of the others. Nothing follows. */
  | { readonly type: 'fail'; readonly code: 'PBFT_STATE_DIVERGED'; readonly detail: string }

/** Why the core refused a message of a peer. */
export type RejectCode =
  /** What only the primary of its view may say. */
  | 'PBFT_NOT_PRIMARY'
  /** A sequence number above the high watermark. */
  | 'PBFT_OUT_OF_WINDOW'
  /** Another digest than the same replica, or the same view, has for this sequence number. */
  | 'PBFT_CONFLICT'
  /** A pre-prepare of the null request, which only a new view may order. */
  | 'PBFT_EMPTY_BATCH'
  | 'PBFT_INVALID_CHECKPOINT'
  | 'PBFT_INVALID_VIEW_CHANGE'
  | 'PBFT_INVALID_NEW_VIEW'
  /** A view or sequence number in a status that no correct replica can have reached. */
  | 'PBFT_INVALID_STATUS'
  /** More status and fetch-batch messages in a status interval than are answered. */
  | 'PBFT_TOO_MANY_REQUESTS'
