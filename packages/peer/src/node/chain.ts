import { isCodedError } from '@heddle/interface'
import { collectSignersAsync } from '@heddle/msp'
import { common } from '@heddle/proto'
import { PeerError } from '../errors.ts'
import { StoredEnvelopes } from './stored-envelopes.ts'
import type { AbortOptions, Clock } from '@heddle/interface'
import type { Ledger } from '@heddle/ledger'
import type { Chain, Grant, SignedData, SubmitOptions } from '@heddle/orderer'
import type { Replica, SubmitResult } from '@heddle/pbft'
import type { Received } from '@heddle/proto'
import type { TransactionReader } from '../engine/transaction.ts'
import type { ValidatorChannel } from './channel-config.ts'

/** The policy that whoever reads blocks must satisfy. */
const readersPolicy = '/Channel/Readers'

/** Statuses for what {@link PbftChain.submit} rejects with. */
export const chainStatuses = {
  PEER_INVALID_ENVELOPE: common.Status.BAD_REQUEST,
  PEER_DUPLICATE_TRANSACTION: common.Status.BAD_REQUEST,
  PEER_FORBIDDEN: common.Status.FORBIDDEN,
  PEER_STOPPED: common.Status.SERVICE_UNAVAILABLE,
  PBFT_REQUEST_TOO_LARGE: common.Status.REQUEST_ENTITY_TOO_LARGE,
  PBFT_POOL_FULL: common.Status.SERVICE_UNAVAILABLE,
  PBFT_JOURNAL_BUSY: common.Status.SERVICE_UNAVAILABLE,
  PBFT_STOPPED: common.Status.SERVICE_UNAVAILABLE,
} as const

/** What a {@link PbftChain} works with. */
export interface PbftChainDeps {
  readonly config: ValidatorChannel
  readonly ledger: Ledger
  readonly replica: Replica
  readonly reader: TransactionReader
  readonly clock: Clock
}

/** The orderer's view of this validator: PBFT orders, the ledger keeps. */
export class PbftChain implements Chain {
  /** The configuration of this version never changes. */
  readonly configSequence = 0n
  readonly #deps: PbftChainDeps
  readonly #errored = new AbortController()
  /** Of blocks with a transaction that is handed in again. */
  readonly #stored: StoredEnvelopes

  constructor(deps: PbftChainDeps) {
    this.#deps = deps
    this.#stored = new StoredEnvelopes(deps.ledger, deps.clock)
    void deps.replica.closed.then((reason) => {
      this.#errored.abort(reason ?? new PeerError('PEER_STOPPED', 'the validator stops'))
      this.#stored.close()
    })
  }

  get channelId(): string {
    return this.#deps.config.channelId
  }

  async submit(envelope: Received<common.Envelope>, options: SubmitOptions = {}): Promise<void> {
    const { txId } = this.#deps.reader.read(envelope.bytes)
    if (this.#deps.ledger.txLocation(txId) !== undefined) {
      return this.#acknowledgeAgain(txId, envelope.bytes, options)
    }
    const { executedBefore } = await this.#order(txId, envelope.bytes, options)
    if (executedBefore) await this.#acknowledgeAgain(txId, envelope.bytes, options)
  }

  height(): bigint {
    return this.#deps.ledger.height
  }

  block(number: bigint): Promise<Uint8Array | undefined> {
    return this.#deps.ledger.block(number)
  }

  follow(from: bigint, options?: AbortOptions): AsyncIterable<Uint8Array> {
    return this.#deps.ledger.follow(from, options)
  }

  async authorize(action: 'read' | 'write', signed: SignedData): Promise<Grant> {
    // `submit` checks the creator itself, so that a signature is verified once.
    if (action === 'write') return {}
    const { rules } = this.#deps.config
    const signers = await collectSignersAsync([signed], rules.msps)
    const policy = rules.policy(readersPolicy)
    const refusal = policy === undefined ? 'no readers policy' : policy.refusal(signers)
    if (refusal !== undefined) throw new PeerError('PEER_FORBIDDEN', `may not read: ${refusal}`)
    return { expiresAt: signers[0]?.expiresAt }
  }

  errored(): AbortSignal {
    return this.#errored.signal
  }

  async #order(txId: string, envelope: Uint8Array, options: SubmitOptions): Promise<SubmitResult> {
    try {
      return await this.#deps.replica.submit(envelope, options)
    } catch (error) {
      if (isCodedError(error, 'PBFT_DUPLICATE_ID')) throw duplicate(txId, { cause: error })
      throw error
    }
  }

  /** A transaction that is in a block already: fine if it is this one, refused if it took its id. */
  async #acknowledgeAgain(
    txId: string,
    envelope: Uint8Array,
    { givenBy = '', organization = givenBy, signal }: SubmitOptions,
  ): Promise<void> {
    const location = this.#deps.ledger.txLocation(txId)
    const envelopes = location && (await this.#stored.of(location.block, organization, signal))
    const stored = location && envelopes?.[location.index]
    if (stored !== undefined && Buffer.compare(stored, envelope) === 0) return
    throw duplicate(txId)
  }
}

function duplicate(txId: string, options?: ErrorOptions): PeerError {
  return new PeerError(
    'PEER_DUPLICATE_TRANSACTION',
    `another transaction has the id ${txId}: nonces must not be used twice`,
    options,
  )
}
