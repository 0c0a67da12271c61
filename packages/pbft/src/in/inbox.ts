import { isCodedError } from '@heddle/interface'
import { decodeMessage } from '../wire/codec.ts'
import type { Incoming } from '../wire/codec.ts'
import type { Batch, Message, Proof, Statement } from '../core/messages.ts'
import type { ReplicaCore } from '../core/replica-core.ts'
import type { Encoder } from '../wire/encoder.ts'
import { MalformedError } from '../errors.ts'
import { messagesOf } from '../wire/frame.ts'
import { Backlog } from './backlog.ts'
import { costOf } from './message-cost.ts'
import { OrderedLane } from './ordered-lane.ts'
import type { Verified } from './ordered-lane.ts'
import { messageLimits } from '../wire/message-limits.ts'
import type { MessageLimits } from '../wire/message-limits.ts'
import type { ResolvedOptions } from '../options.ts'
import { ownBytes } from '../wire/own-bytes.ts'
import { RequestBatch } from '../wire/request-batch.ts'
import type { RequestChecker } from '../requests/request-checker.ts'
import type { SenderBudgets } from './sender-budgets.ts'
import type { Signatures } from './signatures.ts'

/**
 * Most messages of one replica that are verified at the same time. Each may hold as many signatures
 * as a batch has requests: more of them would keep what the others sent from being verified.
 */
export const maxVerifying = 4

/** Tags of the kinds of which something waits or stays: all but votes, status, fetch-batch and forward. */
const keptTags: ReadonlySet<number | undefined> = new Set([0x0a, 0x22, 0x2a, 0x32, 0x4a, 0x5a])

/** What waits for its turn. */
export type InboxEvent =
  /** For the core as it is. */
  | { readonly type: 'message'; readonly from: number; readonly message: Message }
  /** The next one of `from` that has to be verified: for {@link Inbox.open}. */
  | { readonly type: 'arrived'; readonly from: number }
  /** One of `from` was verified: for {@link Inbox.advance}. */
  | { readonly type: 'verified'; readonly from: number }

export type InboxOptions = Pick<
  ResolvedOptions,
  | 'n'
  | 'id'
  | 'batchSize'
  | 'maxBatchBytes'
  | 'maxRequestBytes'
  | 'checkpointPeriod'
  | 'logMultiplier'
  | 'maxReceiveQueue'
  | 'maxReceiveQueueBytes'
>

export interface InboxDependencies {
  readonly signatures: Signatures
  readonly checker: RequestChecker
  readonly encoder: Encoder
  readonly budgets: SenderBudgets
  /** Asked before anything is checked, in {@link Inbox.open}: what it has no use for costs nothing. */
  readonly core: Pick<ReplicaCore, 'wantsPrePrepare' | 'awaitsCheckpoint' | 'wantsBatch'>
  /**
   * Whether nothing may be taken in now. It is dropped rather than left with the transport: held back,
   * it would fill the queues of the others, which drop too, and delay what else a connection carries.
   * To them this replica is one that is slow to answer; its status says later what it lacks.
   */
  readonly isHeldUp: () => boolean
  /** Queues an event, which must not be lost; they come back in this order. */
  readonly post: (event: InboxEvent) => void
  /** A request that `from` wants to have ordered; not checked. */
  readonly onForward: (from: number, request: Uint8Array) => void
  readonly onReject: (from: number, code: string, detail: string) => void
  /** There was no room for a message of `from`. */
  readonly onOverflow: (from: number) => void
}

/**
 * What other replicas send, on its way to the core: decoded, verified, and what is no good counted.
 * Whatever needs verifying is delivered in the order in which its sender sent it; votes pass it by.
 *
 * All of it waits in the one queue. Whether something is of use the core is asked when its turn has
 * come, and not as it arrives: then the core knows of all that came before, of whomever. Only what a
 * verifier takes its time for comes later: a batch waits for what its sender stated before it, such as
 * the new-view that it belongs to, or the certificate that moves the window.
 */
export class Inbox {
  readonly #options: InboxOptions
  readonly #deps: InboxDependencies
  readonly #limits: MessageLimits
  readonly #lanes: readonly OrderedLane<Message>[]
  readonly #backlog: Backlog

  constructor(options: InboxOptions, deps: InboxDependencies) {
    this.#options = options
    this.#deps = deps
    this.#limits = messageLimits(options)
    this.#lanes = Array.from(
      { length: options.n },
      (_, from) =>
        new OrderedLane<Message>({
          maxItems: options.maxReceiveQueue,
          maxBytes: options.maxReceiveQueueBytes,
          maxVerifying,
          onVerified: () => deps.post({ type: 'verified', from }),
        }),
    )
    this.#backlog = new Backlog(options.n)
  }

  /**
   * Takes a frame of replica `from`, up to the first message that is none. Never throws.
   *
   * @returns undefined, or what resolves when more of `from` may come
   */
  receive(from: number, bytes: Uint8Array): PromiseLike<void> | undefined {
    const lane = this.#lanes[from]
    if (lane === undefined || from === this.#options.id) {
      this.#deps.onReject(from, 'PBFT_UNKNOWN_REPLICA', 'not another replica of the group')
      return undefined
    }
    try {
      if (bytes.length > this.#limits.frame)
        throw new MalformedError(`a frame of ${bytes.length} bytes`)
      for (const message of messagesOf(bytes)) this.#take(from, lane, message)
    } catch (error) {
      this.#reject(from, error)
    }
    return bothOf(this.#deps.budgets.settle(from), this.#backlog.settle(from))
  }

  /** The turn of an 'arrived' of `from`. @param take - gives the core what is verified, at once */
  open(from: number, take: (message: Message) => void): void {
    this.#backlog.taken(from, 'sealed')
    this.#lanes[from]?.open(take)
  }

  /** The turn of a 'verified' of `from`. @param take - as for {@link Inbox.open} */
  advance(from: number, take: (message: Message) => void): void {
    this.#lanes[from]?.advance(take)
  }

  /** The turn of a 'message' of `from` has come. */
  taken(from: number): void {
    this.#backlog.taken(from, 'plain')
  }

  /** Holds nobody back any more. */
  close(): void {
    this.#backlog.close()
  }

  /** @throws {MalformedError} PBFT_MALFORMED */
  #take(from: number, lane: OrderedLane<Message>, message: Buffer): void {
    const { budgets, isHeldUp, onOverflow, onForward } = this.#deps
    budgets.spend(from, 'messages', 1)
    if (isHeldUp()) {
      onOverflow(from)
      return
    }
    // What waits for its turn, or stays, must not keep its frame.
    const bytes = isKept(message) ? ownBytes(message) : message
    const incoming = decodeMessage(bytes, this.#limits)
    budgets.spend(from, 'cpu', costOf(incoming, bytes.length) / 1_000)
    if (incoming.type === 'forward') onForward(from, incoming.request)
    else if (!this.#queue(from, lane, incoming, bytes)) onOverflow(from)
  }

  /** False when there is no room. */
  #queue(from: number, lane: OrderedLane<Message>, incoming: Incoming, bytes: Uint8Array): boolean {
    const { post } = this.#deps
    if (incoming.type === 'plain') {
      if (!this.#backlog.hasRoom(from)) return false
      this.#backlog.add(from, 'plain')
      post({ type: 'message', from, message: incoming.message })
      return true
    }
    const { type } = incoming
    const kind = type === 'signed' || type === 'certificate' ? 'statement' : 'content'
    const verify = (): Verified<Message> => this.#verify(from, incoming, bytes)
    if (!lane.push(kind, bytes.length, verify)) return false
    this.#backlog.add(from, 'sealed')
    post({ type: 'arrived', from })
    return true
  }

  /** The verified message; undefined, and the reason counted, when there is none. */
  #verify(from: number, incoming: Incoming, bytes: Uint8Array): Verified<Message> {
    try {
      const verified = this.#open(from, incoming, bytes)
      return verified instanceof Promise
        ? verified.catch((error: unknown) => this.#reject(from, error))
        : verified
    } catch (error) {
      this.#reject(from, error)
      return
    }
  }

  #open(from: number, incoming: Incoming, bytes: Uint8Array): Verified<Message> {
    switch (incoming.type) {
      case 'pre-prepare': {
        const { view, sequence, requests } = incoming
        if (!this.#deps.core.wantsPrePrepare(from, view, sequence)) return undefined
        const accept = (batch: Batch): Message => {
          const message = { type: 'pre-prepare', view, sequence, batch } as const
          this.#deps.encoder.remember(message, bytes)
          return message
        }
        const batch = this.#checkBatch(from, requests)
        return batch instanceof Promise ? batch.then(accept) : accept(batch)
      }
      case 'batch': {
        // Known by its digest to be what a quorum accepted, so it is not checked again.
        if (!this.#deps.core.wantsBatch()) return undefined
        return { type: 'batch', batch: RequestBatch.of(incoming.requests) }
      }
      case 'signed':
        return this.#openSigned(from, incoming.kind, incoming.proof)
      case 'certificate':
        return this.#openCertificate(from, incoming.proofs)
      default:
        return undefined
    }
  }

  /** A batch that is refused has cost a check of each of its requests. */
  #checkBatch(from: number, requests: readonly Uint8Array[]): Batch | Promise<Batch> {
    const batch = this.#deps.checker.checkBatch(requests)
    if (!(batch instanceof Promise)) return batch
    return batch.catch((error: unknown) => {
      this.#deps.budgets.checkedInVain(from, requests.length)
      throw error
    })
  }

  #openSigned(from: number, kind: Statement['type'], proof: Proof): Verified<Message> {
    const { signatures, core } = this.#deps
    const statement = signatures.read(kind, proof)
    const isDue = statement.type === 'checkpoint' && core.awaitsCheckpoint(statement)
    return this.#charged(from, isDue, () => signatures.verify(statement))
  }

  #openCertificate(from: number, proofs: readonly Proof[]): Verified<Message> {
    return this.#charged(from, false, () => this.#deps.signatures.openCheckpoints(proofs))
  }

  /** Signatures are asked about at once, also where the answers come later. */
  #charged(from: number, isDue: boolean, verify: () => Verified<Message>): Verified<Message> {
    const { signatures, budgets } = this.#deps
    const before = signatures.asked
    try {
      return verify()
    } finally {
      budgets.checkedSignatures(from, signatures.asked - before, isDue)
    }
  }

  #reject(from: number, error: unknown): undefined {
    const code = isCodedError(error) ? error.code : 'PBFT_MALFORMED'
    this.#deps.budgets.spend(from, 'rejections', 1)
    this.#deps.onReject(from, code, error instanceof Error ? error.message : 'unknown')
    return undefined
  }
}

function bothOf(
  first: Promise<void> | undefined,
  second: Promise<void> | undefined,
): Promise<void> | undefined {
  if (first === undefined || second === undefined) return first ?? second
  return first.then(() => second)
}

function isKept(message: Buffer): boolean {
  return keptTags.has(message[0])
}
