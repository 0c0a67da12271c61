import { blockProofOf } from '@heddle/client'
import { common, decode } from '@heddle/proto'
import { PeerError, messageOf } from '../errors.ts'
import { genesisWrites } from '../node/genesis-state.ts'
import { rulesInForce, switchedTo } from '../rules/in-force.ts'
import { knownRules, rulesOf, unknownRules } from '../rules/known-rules.ts'
import { buildCandidate, checkpointDigest, encodeCandidate, stateAfter } from './candidate.ts'
import { PendingState } from './pending-state.ts'
import { StateDiverged } from './state-diverged.ts'
import { reexecute, reexecuteReceived } from './replay.ts'
import type { ReplayDeps } from './replay.ts'
import type { AbortOptions, Logger, Metrics } from '@heddle/interface'
import type { Ledger, StateWrite } from '@heddle/ledger'
import type { BlockToSign } from '@heddle/orderer'
import type {
  CheckPurpose,
  StateMachine,
  StatePoint,
  TransferOptions,
  TransferTarget,
} from '@heddle/pbft'
import type { BlockSignature, Received } from '@heddle/proto'
import type { Batch, Candidate, ChainTip } from './candidate.ts'
import type { OfferVerifier } from '../switch/offer.ts'
import type { TransactionReader } from './transaction.ts'

/** Collects the signatures of a quorum over a block. Met by `BlockSignatureCollector`. */
export interface Collector {
  collect(block: BlockToSign, options?: AbortOptions): Promise<BlockSignature[]>
}

/** Checks a request before it is ordered: see `EnvelopeChecker`. */
export interface RequestChecker {
  check(request: Uint8Array, purpose: CheckPurpose): Promise<string>
  /** Of a request that was found good. */
  clientOf(request: Uint8Array): string
}

/** Fetches verified blocks of other validators, in order, from block `from` on. */
export interface BlockSource {
  pull(
    from: bigint,
    replicas: readonly number[],
    options: AbortOptions,
  ): AsyncIterable<Received<common.Block>>
}

/** What an {@link Engine} works with. */
export interface EngineDeps {
  readonly ledger: Ledger
  readonly reader: TransactionReader
  readonly checker: RequestChecker
  readonly offers: OfferVerifier
  readonly collector: Collector
  readonly source: BlockSource
  readonly logger?: Logger
  readonly metrics?: Metrics
  /** Told of PEER_UNKNOWN_RULES: from the next block on this software can follow no more. */
  readonly onUnknownRules?: (reason: Error) => void
  /** Told of PEER_STATE_DIVERGED: a block that a quorum signed comes out otherwise here. */
  readonly onDiverged?: (reason: StateDiverged) => void
  /** Told of each block of other validators, verified, when it is stored. */
  readonly onTaken?: (block: common.Block) => void
}

/**
 * The replicated service: executes what the consensus ordered, has the block signed by a quorum,
 * stores it, then applies its changes. What is in no durable block was not acknowledged.
 */
export class Engine implements StateMachine {
  readonly #deps: EngineDeps
  readonly #pending: PendingState
  readonly #transactions
  readonly #rejections
  /** Blocks come with the signatures of a quorum, which are verified: see `BlockSource`. */
  readonly provesTransfers = true
  #tip: ChainTip | undefined
  /** Of the journal of the consensus: kept with each block, see `StateMachine.journalMark`. */
  #mark: Uint8Array | undefined
  /** Where the stored chain ends. */
  #applied: ChainTip | undefined
  /** Resolves when everything handed over so far is stored and applied. */
  #lastStored: Promise<void> = Promise.resolve()
  /** Resolves when the block before the next one was handed to the ledger: keeps their order. */
  #handedOver: Promise<void> = Promise.resolve()

  constructor(deps: EngineDeps) {
    this.#deps = deps
    this.#pending = new PendingState(deps.ledger.state)
    this.#transactions = deps.metrics?.counter({
      name: 'heddle_transactions_total',
      help: 'Transactions executed, rejected ones included.',
    })
    this.#rejections = deps.metrics?.counter({
      name: 'heddle_transactions_rejected_total',
      help: 'Transactions that a contract rejected.',
    })
  }

  /** Where the chain ends, counting blocks that are executed and not yet stored. */
  get tip(): ChainTip {
    if (this.#tip === undefined)
      throw new PeerError('PEER_STOPPED', 'the engine has not been recovered')
    return this.#tip
  }

  /**
   * Brings the state up to the stored blocks: after a crash it may lag behind them. Call it once,
   * before anything else; the ledger holds at least the genesis block.
   *
   * @throws {PeerError} PEER_STATE_DIVERGED when a stored block does not lead to the state it says,
   * PEER_LEDGER_FAILED, PEER_UNKNOWN_RULES when one needs rules that this software does not know, or the next one does
   */
  async recover(): Promise<void> {
    const { ledger } = this.#deps
    const { state } = ledger
    for (let number = state.savepoint.height; number < ledger.height; number++) {
      const bytes = await ledger.block(number)
      if (bytes === undefined)
        throw new PeerError('PEER_LEDGER_FAILED', `block ${number} is missing`)
      const block = decode(common.BlockSchema, bytes)
      if (number === 0n) await state.apply(1n, 0n, genesisWrites(block))
      else await this.#replay(block)
    }
    const last = ledger.lastHeader
    if (last === undefined) throw new PeerError('PEER_LEDGER_FAILED', 'the ledger has no block')
    const { sequence, digest } = state.savepoint
    this.#tip = {
      height: ledger.height,
      headerHash: last.hash,
      sequence,
      stateDigest: digest,
    }
    this.#applied = this.#tip
    this.#mark = ledger.lastNote
    rulesOf(rulesInForce(state), ledger.height)
  }

  check(request: Uint8Array, purpose: CheckPurpose): Promise<string> {
    return this.#deps.checker.check(request, purpose)
  }

  clientOf(request: Uint8Array): string {
    return this.#deps.checker.clientOf(request)
  }

  isExecuted(id: string): boolean {
    return this.#deps.ledger.txLocation(id) !== undefined
  }

  lastExecuted(): StatePoint {
    const applied = this.#applied ?? this.tip
    return { sequence: applied.sequence, digest: checkpointDigest(applied) }
  }

  /** Read from the blocks: each is the state until the next one, as empty batches change nothing. */
  async earlierDigests(downTo: bigint): Promise<Uint8Array[]> {
    const { ledger } = this.#deps
    const digests: Uint8Array[] = []
    let at = this.lastExecuted().sequence - 1n
    for (let number = ledger.height - 1n; number > 0n && at >= downTo; number--) {
      const bytes = await ledger.block(number)
      if (bytes === undefined) break
      const { sequence, digest } = stateAfter(decode(common.BlockSchema, bytes))
      for (; at >= sequence && at >= downTo; at--) digests.push(digest)
    }
    return digests
  }

  journalMark(): Uint8Array | undefined {
    return this.#deps.ledger.lastNote
  }

  execute(
    sequence: bigint,
    requests: readonly Uint8Array[],
    mark?: Uint8Array,
  ): Promise<Uint8Array> {
    this.#mark = mark ?? this.#mark
    const envelopes = this.#unexecuted(requests)
    if (envelopes.length === 0) return this.#advance(sequence)
    const candidate = this.#build({ sequence, envelopes })
    this.#foresee(candidate)
    const { writes, txIds } = candidate.execution
    this.#tip = candidate.tip
    this.#pending.add(candidate.tip.height, writes, txIds)
    return this.#finish(candidate)
  }

  async transfer(target: TransferTarget, options: TransferOptions): Promise<StatePoint> {
    const { source, logger } = this.#deps
    this.#mark = options.mark ?? this.#mark
    await this.#handedOver
    logger?.info('state transfer begins', { from: this.tip.sequence, to: target.sequence })
    if (!this.#isAt(target)) {
      for await (const block of source.pull(this.tip.height, target.replicas, options)) {
        options.signal?.throwIfAborted()
        if (blockProofOf(block.message).sequence > target.sequence) break
        await this.#take(block)
        if (this.#isAt(target)) break
      }
    }
    if (!this.#isAt(target)) {
      throw new PeerError(
        'PEER_STATE_TRANSFER_FAILED',
        `the blocks up to ${this.tip.height} do not lead to the state at ${target.sequence}`,
      )
    }
    if (this.tip.sequence < target.sequence) await this.#advance(target.sequence)
    logger?.info('state transfer done', { sequence: target.sequence, height: this.tip.height })
    return this.lastExecuted()
  }

  /** Whether the chain ends in the state of `target`: empty batches after it change nothing. */
  #isAt(target: TransferTarget): boolean {
    return Buffer.compare(checkpointDigest(this.tip), target.digest) === 0
  }

  /**
   * The requests that no block holds yet, each id once. What is no transaction is left out: none was
   * let through to be ordered, nobody waits for it, and it must not stop whoever executes it.
   */
  #unexecuted(requests: readonly Uint8Array[]): Uint8Array[] {
    const seen = new Set<string>()
    return requests.filter((request) => {
      const txId = this.#idOf(request)
      if (txId === undefined || seen.has(txId)) return false
      if (this.#pending.hasTransaction(txId) || this.isExecuted(txId)) return false
      seen.add(txId)
      return true
    })
  }

  #idOf(request: Uint8Array): string | undefined {
    try {
      return this.#deps.reader.read(request).txId
    } catch {
      return undefined
    }
  }

  /** Moves on over a sequence number without a block. */
  async #advance(sequence: bigint): Promise<Uint8Array> {
    const tip = { ...this.tip, sequence }
    this.#tip = tip
    await this.#inTurn(async () => {
      await this.#lastStored
      await this.#deps.ledger.state.apply(tip.height, sequence, [])
      this.#applied = tip
    })
    return checkpointDigest(tip)
  }

  #build(batch: Batch): Candidate {
    const { reader, offers } = this.#deps
    const before = this.tip
    const state = this.#pending
    const rules = rulesOf(rulesInForce(state), before.height)
    return buildCandidate({ before, state, reader, offers, rules }, batch)
  }

  async #finish(candidate: Candidate): Promise<Uint8Array> {
    const { execution, tip } = candidate
    const { header, value } = candidate
    const signed = this.#deps.collector.collect({ header, value })
    signed.catch(() => undefined)
    const stored = await this.#inTurn(async () => {
      const block = encodeCandidate(candidate, await signed)
      return { durable: this.#store(block, tip, execution.txIds, execution.writes) }
    })
    await stored.durable
    this.#transactions?.add(execution.txIds.length)
    this.#rejections?.add(execution.filter.filter((code) => code !== 0).length)
    return checkpointDigest(tip)
  }

  /** Runs `step` after those before it have handed their blocks over. */
  #inTurn<Result>(step: () => Promise<Result>): Promise<Result> {
    const result = this.#handedOver.then(step)
    this.#handedOver = result.then(() => undefined)
    this.#handedOver.catch(() => undefined)
    return result
  }

  #store(
    block: Uint8Array,
    tip: ChainTip,
    txIds: readonly string[],
    writes: readonly StateWrite[],
  ): Promise<void> {
    const { ledger } = this.#deps
    const durable = ledger.append({ block, txIds, note: this.#mark }).then(async () => {
      await ledger.state.apply(tip.height, tip.sequence, writes, tip.stateDigest)
      this.#pending.stored(tip.height, writes, txIds)
      this.#applied = tip
      this.#followRules(tip.height, writes)
    })
    this.#lastStored = durable
    durable.catch(() => undefined)
    return durable
  }

  /** Whoever runs this engine hears of unknown rules at once: the block itself may get no quorum here. */
  #foresee({ tip, execution }: Candidate): void {
    const number = switchedTo(execution.writes)
    if (number !== undefined && !knownRules.includes(number))
      this.#deps.onUnknownRules?.(unknownRules(number, tip.height))
  }

  /** Looks whether a stored block has put rules in force from the next on. Throws PEER_UNKNOWN_RULES. */
  #followRules(fromBlock: bigint, writes: readonly StateWrite[]): void {
    const number = switchedTo(writes)
    if (number === undefined) return
    this.#deps.logger?.info('rules are in force', { rules: number, fromBlock })
    rulesOf(number, fromBlock)
  }

  /** Stores a verified block of another validator. The chain ends in it only once it is stored. */
  async #take(block: Received<common.Block>): Promise<void> {
    const { reader, offers } = this.#deps
    const deps = { before: this.tip, state: this.#pending, reader, offers }
    const candidate = this.#reexecuteReceived(deps, block)
    const { tip, execution } = candidate
    this.#foresee(candidate)
    await this.#store(block.bytes, tip, execution.txIds, execution.writes)
    this.#tip = tip
    this.#deps.onTaken?.(block.message)
  }

  #reexecuteReceived(deps: ReplayDeps, block: Received<common.Block>): Candidate {
    try {
      return reexecuteReceived(deps, block)
    } catch (error) {
      if (error instanceof StateDiverged) this.#deps.onDiverged?.(error)
      throw error
    }
  }

  async #replay(block: common.Block): Promise<void> {
    const { ledger, reader, offers } = this.#deps
    const { state } = ledger
    const { height, sequence, digest } = state.savepoint
    const before = {
      height,
      headerHash: block.header?.previousHash ?? new Uint8Array(),
      sequence,
      stateDigest: digest,
    }
    try {
      const { tip, execution } = reexecute({ before, state, reader, offers }, block)
      await state.apply(tip.height, tip.sequence, execution.writes, tip.stateDigest)
      this.#followRules(tip.height, execution.writes)
    } catch (error) {
      if (error instanceof PeerError) throw error
      throw new PeerError(
        'PEER_LEDGER_FAILED',
        `cannot replay block ${height}: ${messageOf(error)}`,
        {
          cause: error,
        },
      )
    }
  }
}
