import { Budget } from '@heddle/events'
import { quorumOf } from '@heddle/pbft'
import { ProtoMalformedError, common, decode, encode, heddle } from '@heddle/proto'
import { forkOf, readSignedHeader, signedHeaderOf, signersOf } from './fork.ts'
import { Repeating } from './repeating.ts'
import type { Clock, Logger } from '@heddle/interface'
import type { Ledger } from '@heddle/ledger'
import type { Verifier } from '@heddle/pbft'
import type { ConditionSink } from './conditions.ts'
import type { Fork, SignedBlock } from './fork.ts'

/** How often a validator tells the others its last block, in milliseconds. */
export const tellIntervalMs = 5000

/**
 * Blocks that one validator may tell in a second, and at once: each is compared with the own one, which
 * is read whole. Honest ones tell two in an interval at most.
 */
export const tellings = { perSecond: 1, burst: 20 } as const

/** Most bytes of an encoded `heddle.SignedHeader` that is looked at, of a block of `n` validators. */
export const maxSignedHeaderBytes = (n: number): number => 4096 + n * 512

/** What a {@link ForkWatch} works with. */
export interface ForkWatchDeps {
  readonly ledger: Pick<Ledger, 'height' | 'block'>
  /** How many validators there are. */
  readonly n: number
  readonly verifier: Verifier
  /** Sends an encoded `heddle.SignedHeader` to all others. */
  readonly tell: (signedHeader: Uint8Array) => void
  readonly clock: Clock
  readonly conditions: ConditionSink
  readonly logger?: Logger
}

/**
 * Notices when another validator has another block of a number, and both are signed by a quorum: two
 * chains have come of one, and what was acknowledged on one of them is not on the other. Each tells the
 * others its last block from time to time. Whoever is further compares it with its own of that number,
 * and tells that, so that all see it.
 */
export class ForkWatch extends Repeating {
  readonly #deps: ForkWatchDeps
  /** By validator, the number at which its chain was seen to be another one. */
  readonly #forks = new Map<number, bigint>()
  /** Whose words are being checked: one at a time of each. */
  readonly #checking = new Set<number>()
  /** By validator, what it may still tell. */
  readonly #budgets: readonly Budget<'tellings'>[]
  /** Whether an own block was told to show a fork, in this interval. */
  #hasShown = false

  constructor(deps: ForkWatchDeps) {
    super(deps.clock, tellIntervalMs)
    this.#deps = deps
    this.#budgets = Array.from(
      { length: deps.n },
      () => new Budget(deps.clock, { limits: { tellings }, maxHeldMs: Infinity }),
    )
  }

  /** Whether the chain of another validator is known to be another one. */
  get isForked(): boolean {
    return this.#forks.size > 0
  }

  /** Takes an encoded `heddle.SignedHeader` of validator `from`. @throws {ProtoMalformedError} also when it is too long */
  receive(from: number, bytes: Uint8Array): void {
    if (bytes.length > maxSignedHeaderBytes(this.#deps.n))
      throw new ProtoMalformedError('heddle.SignedHeader', { cause: new RangeError('too long') })
    const signedHeader = decode(heddle.SignedHeaderSchema, bytes)
    const { number } = readSignedHeader(signedHeader)
    // All validators of a channel have the same block 0.
    const isKnown = number > 0n && number < this.#deps.ledger.height
    if (this.state !== 'started' || !isKnown || this.#checking.has(from)) return
    const budget = this.#budgets[from]
    // It tells the next one in a while.
    if (budget === undefined || budget.isOverdrawn('tellings')) return
    budget.spend('tellings', 1)
    this.#checking.add(from)
    void this.#compare(from, signedHeader)
      .catch((error: unknown) => {
        this.#deps.logger?.warn(
          'a block of another validator could not be compared',
          { from },
          error,
        )
      })
      .finally(() => this.#checking.delete(from))
  }

  protected override repeat(): void {
    this.#hasShown = false
    const block = this.#deps.ledger.height - 1n
    void this.#tell(block).catch((error: unknown) => {
      this.#deps.logger?.warn('the last block could not be announced', { block }, error)
    })
  }

  async #tell(number: bigint): Promise<void> {
    const own = await this.#own(number)
    if (own !== undefined && number > 0n) this.#deps.tell(encode(heddle.SignedHeaderSchema, own))
  }

  async #own(number: bigint): Promise<heddle.SignedHeader | undefined> {
    const bytes = await this.#deps.ledger.block(number)
    return bytes === undefined ? undefined : signedHeaderOf(decode(common.BlockSchema, bytes))
  }

  async #compare(from: number, told: heddle.SignedHeader): Promise<void> {
    const { n, verifier } = this.#deps
    const other = readSignedHeader(told)
    const signed = await this.#own(other.number)
    if (signed === undefined) return
    const fork = forkOf(readSignedHeader(signed), other)
    if (fork === undefined) {
      this.#agrees(from, other)
      return
    }
    const signers = await signersOf(told, n, verifier)
    if (signers.length < quorumOf(n)) return
    await this.#found(from, { ...fork, other: { ...other, signers } })
  }

  /** Chains that have a block in common have all before it in common. */
  #agrees(from: number, { number }: SignedBlock): void {
    const forkedAt = this.#forks.get(from)
    if (forkedAt === undefined || number < forkedAt) return
    this.#forks.delete(from)
    this.#deps.conditions.clear('fork', `validator${from}`)
  }

  async #found(from: number, { number, own, other }: Fork): Promise<void> {
    const forkedAt = this.#forks.get(from)
    if (forkedAt === undefined || number < forkedAt) this.#forks.set(from, number)
    const reason =
      `validator${from} has another block ${number} that a quorum signed: ` +
      `${own.hash.slice(0, 16)} here, signed by ${names(own)}; ` +
      `${other.hash.slice(0, 16)} there, signed by ${names(other)}`
    const fields = {
      ...{ block: number, ownHash: own.hash, otherHash: other.hash },
      ...{ ownSigners: own.signers, otherSigners: other.signers },
    }
    this.#deps.conditions.raise('fork', { subject: `validator${from}`, reason, fields })
    if (this.#hasShown) return
    this.#hasShown = true
    await this.#tell(number)
  }
}

function names({ signers }: SignedBlock): string {
  return signers.join(', ')
}
