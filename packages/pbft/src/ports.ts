import type { AbortOptions } from '@heddle/interface'

/**
 * Carries messages to other replicas.
 *
 * The way back is {@link Replica.receive}, called with the id that the transport proved (mutual TLS
 * and handshake): prepare and commit carry no signature because of that proof.
 */
export interface Network {
  /**
   * Hands `bytes` over to replica `to`; resolves when there is room for the next message, which is
   * how a slow destination holds its own queue back and nobody else's. Messages to one replica keep
   * their order. May lose a message; a rejection is counted, and status messages make it good.
   * `bytes` must not be changed by either side afterwards.
   */
  send(to: number, bytes: Uint8Array): Promise<void>
}

/** The write-ahead log of one replica. Nothing is sent before what it depends on is durable here. */
export interface Journal {
  /** Appends in order; resolves when the records are durable. A rejection stops the replica. */
  append(records: readonly Uint8Array[]): Promise<void>
  /** Every record since the last {@link rewrite}, in order; read once, before the first append. */
  records(): Promise<readonly Uint8Array[]>
  /** Replaces all records by these, atomically and durably. Never called beside an append. */
  rewrite(records: readonly Uint8Array[]): Promise<void>
  /** Why records that were durable are known to be missing, if so. May be left out. */
  readonly damage?: string | undefined
  /** Whether its file was taken away: then it is rewritten at the next stable checkpoint. May be left out. */
  readonly isLost?: boolean
}

/** Signs view-change and checkpoint messages with the key of this replica. */
export interface Signer {
  /** A signature over exactly `bytes`. A rejection stops the replica: PBFT_EXECUTION_FAILED. */
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>
}

/** Checks signatures of other replicas. */
export interface Verifier {
  /** Whether `signature` over exactly `bytes` is by `replica` (0 to N - 1). May also throw or reject. */
  verify(replica: number, bytes: Uint8Array, signature: Uint8Array): boolean | Promise<boolean>
}

/** A point in the agreed order, and the digest of the state after it. */
export interface StatePoint {
  /** The sequence number executed last; 0n is the initial state. */
  readonly sequence: bigint
  /** Equal on all correct replicas at equal `sequence`; it should cover what makes execution exactly-once. */
  readonly digest: Uint8Array
}

/** Where a replica that fell behind must get to. */
export interface TransferTarget extends StatePoint {
  /**
   * Replicas that say that they were in this state; at least one of them is correct and has it, unless
   * {@link StateMachine.provesTransfers}. The first is another one at each attempt.
   */
  readonly replicas: readonly number[]
}

/** What a state transfer is given beside its target. */
export interface TransferOptions extends AbortOptions {
  /** See {@link StateMachine.journalMark}. */
  readonly mark?: Uint8Array | undefined
}

/**
 * Why a request is checked: `intake`, its client gave it to this replica; `proposal`, another replica
 * wants to have it ordered.
 */
export type CheckPurpose = 'intake' | 'proposal'

/** The replicated service: what the replicas agree on is executed here, deterministically. */
export interface StateMachine {
  /**
   * Whether `request` may be ordered: its size, its signature, its form. Resolves with its id, which
   * executes at most once; rejects with a CodedError otherwise. Called at intake and by every backup
   * for the requests of a proposed batch; answers are cached by digest.
   *
   * For a `proposal` the answer must be the same on all correct replicas at any time, and good for
   * whatever was ever good at `intake` of one of them: nothing of the clock or of the state may enter
   * into it. Otherwise one request makes backups refuse batches of correct primaries.
   */
  check(request: Uint8Array, purpose: CheckPurpose): Promise<string>
  /**
   * Whose a request is: any name of its client, such as a digest of what signed it. Of one that was not
   * checked, or is not good, whose it claims to be; '' when that can't be said.
   * Clients have turns, so that nobody waits for all that another one brings to the same replica, and
   * shares of its `maxPoolRequests` and `maxPoolBytes`, so that nobody fills it. Only which requests
   * wait, or must come again, depends on it. Never throws.
   *
   * May be left out. Then all requests are of one client, which may fill it.
   */
  clientOf?(request: Uint8Array): string
  /** Whether the request of this id has been executed, here, durably. */
  isExecuted(id: string): boolean
  /**
   * Executes a batch and resolves, once that is durable, with the digest of the state after it.
   *
   * Called in sequence order without gaps; up to `maxExecutionsInFlight` may be running. An empty
   * batch is a null request: it changes nothing but the sequence number. Requests whose id was
   * executed before are to be skipped. A rejection stops the replica: it cannot follow the others.
   *
   * @param mark - to be durable with the state, both or neither: see {@link journalMark}
   */
  execute(sequence: bigint, requests: readonly Uint8Array[], mark?: Uint8Array): Promise<Uint8Array>
  /**
   * The mark, 24 bytes, that came last with an `execute` or `transfer` that is durable; undefined when
   * there was none. It says how far the journal must reach for this state. A replica whose journal was
   * lost, cut or exchanged learns it from the mark, and does not vote until it can contradict nothing
   * that it said.
   *
   * May be left out. Then only a journal that is empty, or ends a window before, is noticed.
   */
  journalMark?(): Uint8Array | undefined
  /**
   * Whether {@link transfer} takes a state and its number only with a proof that a quorum agreed on
   * both, so that the word of one replica is reason enough to try. A liar names its own state with any
   * number: a transfer that would go beyond what is proven must reject. Then a replica that starts gets
   * to where the furthest of the others is before it votes. May be left out: false.
   */
  readonly provesTransfers?: boolean
  /** What was executed last, durably. */
  lastExecuted(): StatePoint
  /**
   * Digests of the states before {@link lastExecuted}: after the sequence number before it, the one
   * before that, and so on down to `downTo`, or to where they are known no more. Asked for at start
   * and after a transfer, 63 at most; never beside `execute` or `transfer`. A rejection makes either
   * fail.
   *
   * May be left out. Then replicas that were restarted at different numbers have no state in common
   * to tell, and one that only their word could bring further waits for the next request.
   */
  earlierDigests?(downTo: bigint): Promise<readonly Uint8Array[]>
  /**
   * Fetches the state that `target` names from others, checks it against the digest, makes it
   * durable, and resolves with where it got to. Never called beside `execute`. A rejection is tried
   * again later, perhaps with a newer target. The mark is kept as that of `execute`.
   *
   * A replica among those that are asked may be slow, or silent, on purpose: do not wait for one while
   * another would answer. `signal` aborts after `transferTimeoutMs`: end soon then, and keep what is
   * durable, for the next attempt goes on from there.
   */
  transfer(target: TransferTarget, options: TransferOptions): Promise<StatePoint>
}
