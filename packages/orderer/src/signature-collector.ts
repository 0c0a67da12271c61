import { blockQuorum } from '@heddle/channel'
import type { AbortOptions, ClockTimer, Lifecycle, LifecycleState } from '@heddle/interface'
import { InvariantError } from '@heddle/interface'
import { blockHeaderBytes, blockSignaturePreimage, heddle } from '@heddle/proto'
import type { BlockSignature } from '@heddle/proto'
import { Dissent } from './dissent.ts'
import { OrdererError } from './errors.ts'
import { type CollectorMetrics, collectorMetrics } from './metrics.ts'
import {
  type BlockToSign,
  type OpenBlock,
  type UnsignedBlock,
  openBlock,
  quorumOf,
  unsignedBlock,
} from './open-block.ts'
import { signBlock } from './sign-block.ts'
import { SignatureAnswerer } from './signature-answerer.ts'
import {
  type SignatureCollectorDeps,
  type SignatureCollectorOptions,
  resolveCollectorOptions,
} from './signature-collector-options.ts'
import {
  type ClaimedSignature,
  type SignatureMessage,
  decodeSignatureMessage,
  encodeSignatureMessage,
} from './signature-message.ts'
import { SignatureWindow } from './signature-window.ts'

const { BlockSignatures_Purpose: Purpose } = heddle

/**
 * Gathers a quorum of consenters' signatures for each block that was executed here.
 *
 * Each consenter signs the block after executing it and sends the signature to all. A consenter
 * that lacks signatures asks for them: after `resendIntervalMs`, or at once while it may be behind,
 * from its start until a block was completed without an answer. Whoever has the complete block
 * answers with all that are stored in it, so that one correct consenter is enough to catch up.
 */
export class BlockSignatureCollector implements Lifecycle {
  readonly #deps: SignatureCollectorDeps
  readonly #options: Required<SignatureCollectorOptions>
  readonly #metrics: CollectorMetrics | undefined
  readonly #quorum: number
  readonly #open = new Map<bigint, OpenBlock>()
  readonly #answerer: SignatureAnswerer
  readonly #window: SignatureWindow
  readonly #dissent = new Dissent()
  #state: LifecycleState = 'idle'
  /** Whether the others may have had the next block already, and so do not send their signatures. */
  #isBehind = true
  #timer: ClockTimer | undefined

  constructor(deps: SignatureCollectorDeps, options: SignatureCollectorOptions) {
    this.#deps = deps
    this.#options = resolveCollectorOptions(options)
    this.#metrics = deps.metrics && collectorMetrics(deps.metrics)
    this.#quorum = blockQuorum(options.consenters.length)
    this.#window = new SignatureWindow(this.#options.nextBlock, this.#options.window)
    this.#answerer = new SignatureAnswerer({
      ...deps,
      ...this.#options,
      logger: deps.logger,
      count: this.#count.bind(this),
      compare: this.#compare.bind(this),
    })
  }

  /** Where the collector is in its life. */
  get state(): LifecycleState {
    return this.#state
  }

  /** How many blocks collect now. */
  get openBlocks(): number {
    return this.#open.size
  }

  /** The block with the lowest number of those that collect now: it holds up all others. */
  get oldestOpen(): UnsignedBlock | undefined {
    let oldest: OpenBlock | undefined
    for (const open of this.#open.values())
      if (oldest === undefined || open.number < oldest.number) oldest = open
    return oldest && unsignedBlock(oldest, this.#deps.clock.now())
  }

  /**
   * By consenter, in order: the lowest number of a block that is complete here and that it signed with
   * another header or other results, over its own connection. Until it signs that block, or a later
   * one, as it is here.
   */
  get dissent(): ReadonlyMap<number, bigint> {
    return this.#dissent.since
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
      throw new OrdererError('ORDERER_STOPPED', 'the collector is not running')
    }
    if (this.#open.has(number))
      throw new InvariantError(`block ${String(number)} is collected twice`)
    if (this.#open.size >= this.#options.maxOpenBlocks) {
      throw new OrdererError(
        'ORDERER_TOO_MANY_BLOCKS',
        `${this.#open.size} blocks already wait for signatures`,
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
      if (purpose === Purpose.ANSWER) open.answeredBy.add(from)
      for (const signature of signatures) this.#check(open, from, signature)
      return
    }
    const [signature] = signatures
    if (purpose === Purpose.ANSWER || !signature) return
    // Who signs as the others never asks, once it is level again: so those that did not are looked at.
    const isAsking = purpose === Purpose.REQUEST
    if (isAsking || this.#dissent.has(from)) this.#answerer.take(signature, number, isAsking)
    if (number < this.#window.next) return
    this.#count(this.#window.add(number, signature) ? 'early' : 'outside_window')
  }

  #begin(open: OpenBlock): void {
    for (const signature of this.#window.take(open.number))
      this.#check(open, signature.id, signature)
    void this.#sign(open)
  }

  async #sign(open: OpenBlock): Promise<void> {
    try {
      open.own = await signBlock(open, this.#options.self, this.#deps.signer)
    } catch (error) {
      this.#close(open)
      open.reject(error as Error)
      return
    }
    // Sent even if others completed the block meanwhile: they may lack ours.
    const purpose = this.#isBehind ? Purpose.REQUEST : Purpose.SHARE
    this.#deps.network.broadcast(this.#message(open, purpose, open.own))
    this.#accept(open, this.#options.self, open.own)
  }

  #check(open: OpenBlock, from: number, claimed: ClaimedSignature): void {
    const key = `${from}:${claimed.id}`
    if (claimed.id === this.#options.self || open.accepted.has(claimed.id)) return
    if (open.checking.has(key)) return
    const refused = open.refused.get(key)
    // Whoever lacks signatures is sent the same ones again and again: they are not verified again.
    if (refused !== undefined && isSame(refused, claimed)) return
    open.checking.add(key)
    void this.#verify(open, claimed).then((valid) => {
      open.checking.delete(key)
      this.#count(valid ? 'accepted' : 'invalid')
      if (valid) this.#accept(open, claimed.id, claimed)
      else this.#refuse(open, from, claimed)
    })
  }

  /** Only its author answers for a signature: whoever relays it may have made it up. */
  #refuse(open: OpenBlock, from: number, claimed: ClaimedSignature): void {
    const { id } = claimed
    if (from === id) open.differing.add(id)
    if (this.#options.consenters.includes(id)) open.refused.set(`${from}:${id}`, claimed)
    this.#deps.network.refused?.(from)
    this.#deps.logger?.debug('block signature does not verify', { block: open.number, from, id })
  }

  /** A consenter's own signature came after the block was complete. */
  async #compare({ header, value }: BlockToSign, claimed: ClaimedSignature): Promise<void> {
    const { identifierHeader, signature, id } = claimed
    const preimage = blockSignaturePreimage(value, identifierHeader, blockHeaderBytes(header))
    const isSame = await this.#deps.verifier.verify(id, preimage, signature)
    this.#dissent.judge(id, header.number, isSame)
    if (!isSame) this.#deps.network.refused?.(id)
  }

  async #verify(open: OpenBlock, claimed: ClaimedSignature): Promise<boolean> {
    const { identifierHeader, signature, id } = claimed
    if (!this.#options.consenters.includes(id)) return false
    const preimage = blockSignaturePreimage(open.value, identifierHeader, open.headerBytes)
    try {
      return await this.#deps.verifier.verify(id, preimage, signature)
    } catch (error) {
      const { number: block } = open
      this.#deps.logger?.warn('block signature could not be checked', { block, id }, error)
      return false
    }
  }

  #accept(open: OpenBlock, id: number, { identifierHeader, signature }: BlockSignature): void {
    if (this.#open.get(open.number) !== open) return
    open.accepted.set(id, { identifierHeader, signature })
    open.differing.delete(id)
    this.#dissent.judge(id, open.number, true)
    // Without the own signature, others could not be helped from our stored block alone.
    if (open.accepted.size < this.#quorum || !open.own) return
    for (const each of open.differing) this.#dissent.judge(each, open.number, false)
    this.#isBehind = open.answeredBy.size > 0
    this.#close(open)
    const signatures = quorumOf(open.accepted, this.#quorum, this.#options.self)
    const { header, value } = open
    this.#answerer.completed({ header, value, signatures })
    open.resolve(signatures)
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

function isSame(a: BlockSignature, b: BlockSignature): boolean {
  return (
    Buffer.compare(a.signature, b.signature) === 0 &&
    Buffer.compare(a.identifierHeader, b.identifierHeader) === 0
  )
}
