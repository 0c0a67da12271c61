/**
 * The last view, and the last sequence number, that a replica believes another to have reached. What
 * follows from it by adding still fits the 64 bits in which it is told and written down.
 */
export const maxNumber = 1n << 62n

/** Requests that take one sequence number together; their bytes mean nothing here. */
export interface Batch {
  /** Hex of the SHA-256 over the SHA-256 digests of the requests. Equal digests, equal batches. */
  readonly digest: string
  /** In their order; empty for the null request. */
  readonly requests: readonly Uint8Array[]
}

/** Bytes of its requests. */
export function bytesOf({ requests }: Batch): number {
  return requests.reduce((sum, request) => sum + request.length, 0)
}

/** The digest of the batch without requests: SHA-256 of nothing. */
export const NULL_DIGEST = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** The null request (PBFT, OSDI '99, §4.4): fills a gap, changes no state. */
export const NULL_BATCH: Batch = Object.freeze({ digest: NULL_DIGEST, requests: Object.freeze([]) })

/** A signature and what it covers, byte for byte as received; opaque here. */
export interface Proof {
  readonly body: Uint8Array
  readonly signature: Uint8Array
}

/** The primary of `view` assigns `sequence` to `batch` (§4.2). */
export interface PrePrepare {
  readonly type: 'pre-prepare'
  readonly view: bigint
  readonly sequence: bigint
  readonly batch: Batch
}

/** What a prepare or a commit says. */
export interface Vote {
  readonly view: bigint
  readonly sequence: bigint
  readonly digest: string
}

export interface Prepare extends Vote {
  readonly type: 'prepare'
}

export interface Commit extends Vote {
  readonly type: 'commit'
}

/** What a replica states about its state after `sequence` (§4.3). */
export interface CheckpointStatement {
  readonly type: 'checkpoint'
  readonly sequence: bigint
  /** Hex of the state digest. */
  readonly digest: string
  readonly replica: number
}

/** At `sequence`, `digest` prepared or pre-prepared in `view`. */
export type Claim = Vote

/** A replica leaves its view for `view` (TOCS '02 §4.5.1). */
export interface ViewChangeStatement {
  readonly type: 'view-change'
  readonly view: bigint
  readonly replica: number
  /** h. */
  readonly lowWatermark: bigint
  /** A quorum of checkpoints for h; empty when h is 0. */
  readonly stable: readonly Checkpoint[]
  /** P: for each sequence number in the window what prepared here last. */
  readonly prepared: readonly Claim[]
  /** Q: for each sequence number and digest the last view in which it pre-prepared here. */
  readonly prePrepared: readonly Claim[]
}

/** The primary of `view` shows that a quorum wants it (§4.4). What it proposes anew follows from that. */
export interface NewViewStatement {
  readonly type: 'new-view'
  readonly view: bigint
  readonly viewChanges: readonly ViewChange[]
}

export type Checkpoint = CheckpointStatement & { readonly proof: Proof }
export type ViewChange = ViewChangeStatement & { readonly proof: Proof }
export type NewView = NewViewStatement & { readonly proof: Proof }

/** What this replica asks its shell to sign. */
export type Statement = CheckpointStatement | ViewChangeStatement | NewViewStatement
/** The same, signed. */
export type SignedStatement = Checkpoint | ViewChange | NewView

/** How far a replica went in what it said; 0 where it said nothing. */
export interface Said {
  /** The latest view that it voted in, left for or began. */
  readonly view: bigint
  /** The highest sequence number that it assigned, prepared, or signed a checkpoint for. */
  readonly accepted: bigint
  /** The highest one that it committed. */
  readonly committed: bigint
}

/** What a replica has for one sequence number in its view. */
export interface SlotStatus {
  readonly prePrepared: boolean
  readonly prepared: boolean
  readonly committed: boolean
}

/** Where a replica is, so that others can send what it lacks (TOCS '02 §5.2). */
export interface Status {
  readonly type: 'status'
  readonly view: bigint
  readonly active: boolean
  readonly lastExecuted: bigint
  readonly lowWatermark: bigint
  /** While not active: the replicas whose view-change for `view` it holds. */
  readonly viewChanges: readonly number[]
  /** For lastExecuted + 1 and up, without gaps. */
  readonly slots: readonly SlotStatus[]
  /**
   * Digests of its state after lastExecuted, lastExecuted - 1 and so on down, as far as it remembers
   * them and another replica is behind: each is a claim, which counts with f others for the same.
   */
  readonly digests: readonly string[]
  /** A random number of a replica that may not vote: to be answered with it; else 0. */
  readonly query: bigint
  /** The query that this answers, if its sender remembers all that it said; else 0. */
  readonly reply: bigint
  /** By replica: how far it was heard to go. */
  readonly heard: readonly Said[]
  /** The query that this answers; else 0. */
  readonly echo: bigint
  /** Whether its operator accepts that blocks which no replica has any more are lost. */
  readonly acceptsLoss: boolean
}

export interface FetchBatch {
  readonly type: 'fetch-batch'
  readonly sequence: bigint
  readonly digest: string
}

export interface BatchReply {
  readonly type: 'batch'
  readonly batch: Batch
}

/** A quorum of checkpoints for one sequence number and digest, relayed. */
export interface Certificate {
  readonly type: 'certificate'
  readonly checkpoints: readonly Checkpoint[]
}

/** What replicas tell each other, decoded; signatures are already verified. */
export type Message =
  | PrePrepare
  | Prepare
  | Commit
  | Checkpoint
  | ViewChange
  | NewView
  | Status
  | FetchBatch
  | BatchReply
  | Certificate
