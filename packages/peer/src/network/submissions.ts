import type { Verdict, VerifiedBlock } from '@heddle/client'

/** One line of the input that became a transaction. */
export interface Submission {
  readonly line: number
  readonly txId: string
  readonly contract: string
  /** Of a record: its key and the SHA-256 of its content, to read it back later. */
  readonly record?: { readonly key: string; readonly digest: string }
}

interface Entry {
  readonly submission: Submission
  readonly sentAt: number
  acknowledged: boolean
  verdict: Verdict | undefined
  seen: number
}

/** Lines that follow each other. */
export interface LineRun {
  readonly first: number
  readonly last: number
  readonly count: number
}

/** Counts of a run so far. */
export interface Counts {
  readonly submitted: number
  readonly acknowledged: number
  readonly accepted: number
  readonly rejected: number
}

/** Most lines of one run: their ids and digests are kept in memory, about 400 bytes each. */
export const maxSubmissions = 5_000_000

/** What was sent, what was acknowledged, and what the blocks say about it. */
export class Submissions {
  readonly #onVerdict: (submission: Submission, verdict: Verdict) => void
  readonly #entries = new Map<string, Entry>()
  readonly #latenciesMs: number[] = []
  readonly #waiting = new Set<() => void>()
  #accepted = 0
  #rejected = 0
  #blocks = 0n
  #lastSeenAt = 0

  /** @param onVerdict - told once of each transaction, in the order of the chain */
  constructor(onVerdict: (submission: Submission, verdict: Verdict) => void = () => undefined) {
    this.#onVerdict = onVerdict
  }

  /** A transaction is about to be sent. */
  add(submission: Submission, now: number): void {
    this.#entries.set(submission.txId, {
      ...{ submission, sentAt: now },
      ...{ acknowledged: false, verdict: undefined, seen: 0 },
    })
  }

  /** A validator said that it is in a durable block. */
  acknowledged(txId: string, now: number): void {
    const entry = this.#entries.get(txId)
    if (entry === undefined || entry.acknowledged) return
    entry.acknowledged = true
    this.#latenciesMs.push(now - entry.sentAt)
  }

  /** Whether no verified block has held it yet. */
  isUnseen(txId: string): boolean {
    const entry = this.#entries.get(txId)
    return entry !== undefined && entry.verdict === undefined
  }

  /** f + 1 validators refused it: it will be in no block. */
  refused(txId: string): void {
    if (this.#entries.get(txId)?.verdict === undefined) this.#entries.delete(txId)
    this.#wake()
  }

  /** A verified block holds the transaction; one of another client is ignored. */
  seen(txId: string, verdict: Verdict): void {
    const entry = this.#entries.get(txId)
    if (entry === undefined) return
    entry.seen++
    if (entry.verdict !== undefined) return
    entry.verdict = verdict
    if (verdict.accepted) this.#accepted++
    else this.#rejected++
    this.#onVerdict(entry.submission, verdict)
    this.#wake()
  }

  /** Notes what became of the transactions of a verified block. */
  seenBlock({ transactions }: Pick<VerifiedBlock, 'transactions'>, now: number): void {
    const before = this.#accepted + this.#rejected
    for (const transaction of transactions) this.seen(transaction.txId, transaction)
    if (this.#accepted + this.#rejected === before) return
    this.#blocks++
    this.#lastSeenAt = now
  }

  /** Blocks with a transaction of ours. */
  get blocks(): bigint {
    return this.#blocks
  }

  /** Time of the last block with a transaction of ours. */
  get lastSeenAt(): number {
    return this.#lastSeenAt
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
  }

  get counts(): Counts {
    return {
      submitted: this.#entries.size,
      acknowledged: this.#latenciesMs.length,
      accepted: this.#accepted,
      rejected: this.#rejected,
    }
  }

  /** Resolves when every transaction was seen in a block; rejects with the reason of `signal`. */
  async allSeen(signal: AbortSignal): Promise<void> {
    const left = (): boolean => this.#accepted + this.#rejected < this.#entries.size
    while (left()) {
      signal.throwIfAborted()
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener('abort', wake)
          this.#waiting.delete(wake)
          resolve()
        }
        this.#waiting.add(wake)
        signal.addEventListener('abort', wake, { once: true })
      })
    }
  }

  /** Every submission with its outcome, and how often it stands in the chain. */
  *all(): Generator<{ submission: Submission; verdict: Verdict | undefined; seen: number }> {
    for (const { submission, verdict, seen } of this.#entries.values()) {
      yield { submission, verdict, seen }
    }
  }

  /**
   * Lines that nobody has acknowledged and no block was seen to hold, in order: whether one will is not
   * known. Those between which no other was sent are one run.
   */
  openRuns(): LineRun[] {
    const runs: LineRun[] = []
    let isOpen = false
    for (const { submission, acknowledged, verdict } of this.#entries.values()) {
      const wasOpen = isOpen
      isOpen = !acknowledged && verdict === undefined
      if (!isOpen) continue
      const { line } = submission
      const run = wasOpen ? runs.pop() : undefined
      runs.push({ first: run?.first ?? line, last: line, count: (run?.count ?? 0) + 1 })
    }
    return runs
  }

  /** The last line that was sent; 0 when none was. */
  get lastLine(): number {
    return [...this.#entries.values()].at(-1)?.submission.line ?? 0
  }

  /** The time within which a share of all acknowledgements came. 0 when there is none. */
  latencyMs(share: number): number {
    const sorted = [...this.#latenciesMs].sort((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  }
}
