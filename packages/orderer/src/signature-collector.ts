import { randomBytes } from 'node:crypto'
import type {
  AbortOptions,
  Clock,
  ClockTimer,
  Lifecycle,
  LifecycleState,
  Logger,
  Metrics,
} from '@heddle/interface'
import { InvariantError } from '@heddle/interface'
import { blockHeaderBytes, common, create, encode, heddle } from '@heddle/proto'
import { blockQuorum, blockSignaturePreimage } from './block.ts'
import { OrdererError } from './errors.ts'
import { assertAtLeastOne } from './options.ts'
import { type CollectorMetrics, collectorMetrics } from './metrics.ts'
import type {
  BlockSignature,
  BlockSignatureVerifier,
  BlockSigner,
  SignatureArchive,
  SignatureNetwork,
} from './ports.ts'
import {
  type ClaimedSignature,
  type SignatureMessage,
  decodeSignatureMessage,
  encodeSignatureMessage,
} from './signature-message.ts'
import { SignatureWindow } from './signature-window.ts'

const { BlockSignatures_Purpose: Purpose } = heddle
const nonceBytes = 24

/** What a {@link BlockSignatureCollector} works with. */
export interface SignatureCollectorDeps {
  readonly network: SignatureNetwork
  readonly signer: BlockSigner
  readonly verifier: BlockSignatureVerifier
  readonly archive: SignatureArchive
  readonly clock: Clock
  readonly logger?: Logger
  readonly metrics?: Metrics
}

/** Settings of a {@link BlockSignatureCollector}. */
export interface SignatureCollectorOptions {
  readonly channelId: string
  /** This consenter's id in the channel's `consenter_mapping`. */
  readonly self: number
  /** The ids of all consenters, this one included. */
  readonly consenters: readonly number[]
  /** Number of the first block that will be collected: the ledger's height. Default 0. */
  readonly nextBlock?: bigint
  /** For how many blocks ahead signatures of others are kept. Default 256. */
  readonly window?: number
  /** How many blocks may collect at a time. Default 1,024. */
  readonly maxOpenBlocks?: number
  /** How often the own signature of an incomplete block is sent again. Default 500 ms. */
  readonly resendIntervalMs?: number
  /** For how many of the incomplete blocks, oldest first, at each such time. Default 64. */
  readonly maxResends?: number
  /** How many requests of others are answered at a time; more are dropped. Default 64. */
  readonly maxAnswersInFlight?: number
}

/** A block that was executed here and needs signatures. */
export interface BlockToSign {
  readonly header: common.BlockHeader
  /** Slot 0's `Metadata.value`; the same bytes at every correct consenter. */
  readonly value: Uint8Array
}

/** One block that collects. */
interface OpenBlock {
  readonly number: bigint
  readonly headerBytes: Uint8Array
  readonly value: Uint8Array
  readonly accepted: Map<number, BlockSignature>
  /** `sender:id` of the checks under way: one of each at a time, so that they are bounded. */
  readonly checking: Set<string>
  own: BlockSignature | undefined
  sentAt: number
  readonly resolve: (signatures: BlockSignature[]) => void
  readonly reject: (reason: Error) => void
}

/**
 * Gathers a quorum of consenters' signatures for each block that was executed here.
 *
 * Each consenter signs the block after executing it and sends the signature to all. A consenter
 * that lacks signatures after `resendIntervalMs` asks for them; whoever has the complete block
 * answers with all that are stored in it, so that one correct consenter is enough to catch up.
 */
export class BlockSignatureCollector implements Lifecycle {
  readonly #deps: SignatureCollectorDeps
  readonly #options: Required<SignatureCollectorOptions>
  readonly #metrics: CollectorMetrics | undefined
  readonly #quorum: number
  readonly #open = new Map<bigint, OpenBlock>()
  readonly #answering = new Set<string>()
  readonly #window: SignatureWindow
  #state: LifecycleState = 'idle'
  #timer: ClockTimer | undefined

  constructor(deps: SignatureCollectorDeps, options: SignatureCollectorOptions) {
    this.#deps = deps
    this.#options = resolveOptions(options)
    this.#metrics = deps.metrics && collectorMetrics(deps.metrics)
    this.#quorum = blockQuorum(options.consenters.length)
    this.#window = new SignatureWindow(this.#options.nextBlock, this.#options.window)
  }

  /** Where the collector is in its life. */
  get state(): LifecycleState {
    return this.#state
  }

  /** How many blocks collect now. */
  get openBlocks(): number {
    return this.#open.size
  }

  /** Begins to send again what is incomplete. */
  start(): Promise<void> {
    if (this.#state === 'stopped') {
      return Promise.reject(new OrdererError('ORDERER_STOPPED', 'the collector was stopped'))
    }
    if (this.#state === 'idle') {
      this.#state = 'started'
      this.#schedule()
    }
    return Promise.resolve()
  }

  /** Ends every collection with ORDERER_STOPPED. */
  stop(): Promise<void> {
    this.#state = 'stopped'
    this.#timer?.cancel()
    for (const block of [...this.#open.values()]) {
      this.#close(block)
      block.reject(new OrdererError('ORDERER_STOPPED', 'the collector was stopped'))
    }
    return Promise.resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /**
   * Signs `block`, sends the signature to the other consenters and waits for theirs.
   *
   * @returns a quorum of signatures (`blockQuorum`), ordered by consenter, the own one among them
   * @throws {OrdererError} ORDERER_STOPPED, or ORDERER_TOO_MANY_BLOCKS at `maxOpenBlocks`; and
   *   whatever the signer throws
   */
  async collect(block: BlockToSign, options: AbortOptions = {}): Promise<BlockSignature[]> {
    options.signal?.throwIfAborted()
    const { number } = block.header
    if (this.#state !== 'started') {
      throw new OrdererError('ORDERER_STOPPED', 'the collector does not run')
    }
    if (this.#open.has(number))
      throw new InvariantError(`block ${String(number)} is collected twice`)
    if (this.#open.size >= this.#options.maxOpenBlocks) {
      throw new OrdererError(
        'ORDERER_TOO_MANY_BLOCKS',
        `${this.#open.size} blocks wait for signatures already`,
      )
    }
    return new Promise((resolve, reject) => {
      const { signal } = options
      const settle = (): void => signal?.removeEventListener('abort', abort)
      const open = openBlock(block, this.#deps.clock.now(), {
        resolve: (signatures) => {
          settle()
          resolve(signatures)
        },
        reject: (reason) => {
          settle()
          reject(reason)
        },
      })
      const abort = (): void => {
        this.#close(open)
        open.reject(signal?.reason as Error)
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#open.set(number, open)
      this.#metrics?.openBlocks.set(this.#open.size)
      this.#begin(open)
    })
  }

  /**
   * Takes a message of the consenter `from`, whose identity the connection has proved.
   *
   * Never throws: what is malformed, outside of the window or falsely signed is counted.
   */
  receive(from: number, bytes: Uint8Array): void {
    if (this.#state !== 'started') return
    const { channelId, consenters, self } = this.#options
    if (from === self || !consenters.includes(from)) {
      this.#count('unknown_sender')
      return
    }
    const expected = { channelId, from, maxSignatures: consenters.length }
    let message: SignatureMessage
    try {
      message = decodeSignatureMessage(bytes, expected)
    } catch (error) {
      this.#count('malformed')
      this.#deps.logger?.debug('block signature message refused', { from }, error)
      return
    }
    this.#take(from, message)
  }

  #take(from: number, { number, purpose, signatures }: SignatureMessage): void {
    const open = this.#open.get(number)
    if (open) {
      for (const signature of signatures) this.#check(open, from, signature)
      return
    }
    if (purpose === Purpose.REQUEST) this.#answer(from, number)
    const [signature] = signatures
    if (number < this.#window.next || purpose === Purpose.ANSWER || !signature) return
    this.#count(this.#window.add(number, signature) ? 'early' : 'outside_window')
  }

  #begin(open: OpenBlock): void {
    for (const signature of this.#window.take(open.number))
      this.#check(open, signature.id, signature)
    void this.#sign(open)
  }

  async #sign(open: OpenBlock): Promise<void> {
    const header = create(common.IdentifierHeaderSchema, {
      identifier: this.#options.self,
      nonce: randomBytes(nonceBytes),
    })
    const identifierHeader = encode(common.IdentifierHeaderSchema, header)
    try {
      const preimage = blockSignaturePreimage(open.value, identifierHeader, open.headerBytes)
      open.own = { identifierHeader, signature: await this.#deps.signer.sign(preimage) }
    } catch (error) {
      this.#close(open)
      open.reject(error as Error)
      return
    }
    // Sent even if others completed the block meanwhile: they may lack ours.
    this.#deps.network.broadcast(this.#message(open, Purpose.SHARE, open.own))
    this.#accept(open, this.#options.self, open.own)
  }

  #check(open: OpenBlock, from: number, claimed: ClaimedSignature): void {
    const key = `${from}:${claimed.id}`
    if (claimed.id === this.#options.self || open.accepted.has(claimed.id)) return
    if (open.checking.has(key)) return
    open.checking.add(key)
    void this.#verify(open, claimed).then((valid) => {
      open.checking.delete(key)
      this.#count(valid ? 'accepted' : 'invalid')
      if (valid) this.#accept(open, claimed.id, claimed)
      else this.#deps.logger?.debug('block signature does not verify', { from, id: claimed.id })
    })
  }

  async #verify(open: OpenBlock, claimed: ClaimedSignature): Promise<boolean> {
    const { identifierHeader, signature, id } = claimed
    if (!this.#options.consenters.includes(id)) return false
    const preimage = blockSignaturePreimage(open.value, identifierHeader, open.headerBytes)
    try {
      return await this.#deps.verifier.verify(id, preimage, signature)
    } catch (error) {
      this.#deps.logger?.warn('block signature could not be checked', { id }, error)
      return false
    }
  }

  #accept(open: OpenBlock, id: number, { identifierHeader, signature }: BlockSignature): void {
    if (this.#open.get(open.number) !== open) return
    open.accepted.set(id, { identifierHeader, signature })
    // Without the own signature, others could not be helped from our stored block alone.
    if (open.accepted.size < this.#quorum || !open.own) return
    this.#close(open)
    open.resolve(quorumOf(open.accepted, this.#quorum, this.#options.self))
  }

  #answer(from: number, number: bigint): void {
    const key = `${from}:${String(number)}`
    if (this.#answering.has(key) || this.#answering.size >= this.#options.maxAnswersInFlight) {
      this.#count('answer_dropped')
      return
    }
    this.#answering.add(key)
    this.#deps.archive
      .signatures(number)
      .then((signatures) => {
        if (!signatures || signatures.length === 0 || this.#state !== 'started') return
        const { channelId } = this.#options
        const bytes = encodeSignatureMessage(channelId, number, Purpose.ANSWER, signatures)
        this.#deps.network.send(from, bytes)
        this.#count('answered')
      })
      .catch((error: unknown) => {
        this.#deps.logger?.warn('stored block signatures unreadable', { number }, error)
      })
      .finally(() => this.#answering.delete(key))
  }

  #schedule(): void {
    const { resendIntervalMs, maxResends } = this.#options
    this.#timer = this.#deps.clock.schedule(resendIntervalMs, () => {
      const now = this.#deps.clock.now()
      const due = [...this.#open.values()].filter(
        ({ own, sentAt }) => own && now - sentAt >= resendIntervalMs,
      )
      // Blocks are appended in order, so the oldest holds up all others.
      due.sort((a, b) => (a.number < b.number ? -1 : 1))
      for (const open of due.slice(0, maxResends)) {
        open.sentAt = now
        if (open.own) this.#deps.network.broadcast(this.#message(open, Purpose.REQUEST, open.own))
        this.#count('resent')
      }
      this.#schedule()
    })
  }

  #message(
    open: OpenBlock,
    purpose: heddle.BlockSignatures_Purpose,
    own: BlockSignature,
  ): Uint8Array {
    return encodeSignatureMessage(this.#options.channelId, open.number, purpose, [own])
  }

  #close(open: OpenBlock): void {
    if (this.#open.get(open.number) === open) this.#open.delete(open.number)
    this.#metrics?.openBlocks.set(this.#open.size)
  }

  #count(outcome: string): void {
    this.#metrics?.signatures.add(1, { outcome })
  }
}

function openBlock(
  { header, value }: BlockToSign,
  sentAt: number,
  settle: Pick<OpenBlock, 'resolve' | 'reject'>,
): OpenBlock {
  return {
    number: header.number,
    headerBytes: blockHeaderBytes(header),
    value,
    accepted: new Map(),
    checking: new Set(),
    own: undefined,
    sentAt,
    ...settle,
  }
}

/** The own signature and as many others as the quorum needs, ordered by consenter. */
function quorumOf(
  accepted: ReadonlyMap<number, BlockSignature>,
  quorum: number,
  self: number,
): BlockSignature[] {
  const others = [...accepted].filter(([id]) => id !== self).slice(0, quorum - 1)
  const own = [...accepted].filter(([id]) => id === self)
  return [...own, ...others].sort(([a], [b]) => a - b).map(([, signature]) => signature)
}

function resolveOptions(options: SignatureCollectorOptions): Required<SignatureCollectorOptions> {
  const resolved = {
    nextBlock: 0n,
    window: 256,
    maxOpenBlocks: 1024,
    resendIntervalMs: 500,
    maxResends: 64,
    maxAnswersInFlight: 64,
    ...options,
  }
  const ids = new Set(resolved.consenters)
  if (ids.size !== resolved.consenters.length || !ids.has(resolved.self)) {
    throw new OrdererError('ORDERER_INVALID_OPTIONS', 'consenters must be distinct and name self')
  }
  const { window, maxOpenBlocks, resendIntervalMs, maxResends, maxAnswersInFlight } = resolved
  assertAtLeastOne({ window, maxOpenBlocks, resendIntervalMs, maxResends, maxAnswersInFlight })
  return Object.freeze(resolved)
}
