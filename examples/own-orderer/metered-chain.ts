import { hash } from 'node:crypto'
import { channelConfigOf } from '@heddle/channel'
import type { ChannelRules } from '@heddle/channel'
import { CodedError } from '@heddle/interface'
import type { AbortOptions } from '@heddle/interface'
import { openLedger } from '@heddle/ledger'
import type { Ledger } from '@heddle/ledger'
import { authorizeByPolicy, signBlock } from '@heddle/orderer'
import type { BlockSigner, Chain, Grant, SignedData } from '@heddle/orderer'
import {
  blockMetadata,
  buildBlock,
  common,
  create,
  decode,
  encode,
  ordererMetadataValue,
} from '@heddle/proto'
import type { Received } from '@heddle/proto'
import { Quota } from './quota.ts'

/** What a {@link MeteredChain} is made of. */
export interface MeteredChainOptions {
  readonly dir: string
  /** Block 0, encoded. */
  readonly genesis: Uint8Array
  /** Consenter 1 of the genesis block, the only one. */
  readonly signer: BlockSigner
  /** How many envelopes each organisation may have ordered. */
  readonly quota: number
}

/** An envelope that waits for its block. */
interface Pending {
  readonly id: string
  readonly envelope: Uint8Array
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

const mostInBlock = 100

/** Our own chain behind Fabric's services: one consenter, our disk, and a quota for everybody. */
export class MeteredChain implements Chain {
  readonly channelId: string
  readonly configSequence: bigint
  readonly quota: Quota
  readonly #rules: ChannelRules
  readonly #ledger: Ledger
  readonly #signer: BlockSigner
  /** By id: what is sent twice is ordered once. */
  readonly #underWay = new Map<string, Promise<void>>()
  readonly #queue: Pending[] = []
  #cutting: Promise<void> | undefined

  private constructor(ledger: Ledger, { genesis, signer, quota }: MeteredChainOptions) {
    const { channelId, sequence, rules } = channelConfigOf(decode(common.BlockSchema, genesis))
    this.channelId = channelId
    this.configSequence = sequence
    this.quota = new Quota(ledger.state, quota)
    this.#rules = rules
    this.#ledger = ledger
    this.#signer = signer
  }

  static async open(options: MeteredChainOptions): Promise<MeteredChain> {
    const ledger = await openLedger({ dir: options.dir })
    const chain = new MeteredChain(ledger, options)
    if (ledger.height === 0n) await ledger.append({ block: options.genesis, txIds: [''] })
    // After a crash the state may be behind the blocks, never ahead of them.
    for (let number = ledger.state.savepoint.height; number < ledger.height; number++) {
      const block = decode(common.BlockSchema, (await ledger.block(number))!)
      await chain.quota.apply(number, block.data?.data ?? [])
    }
    return chain
  }

  height(): bigint {
    return this.#ledger.height
  }

  block(number: bigint): Promise<Uint8Array | undefined> {
    return this.#ledger.block(number)
  }

  follow(from: bigint, options?: AbortOptions): AsyncIterable<Uint8Array> {
    return this.#ledger.follow(from, options)
  }

  /** Readers and writers are those of the genesis block. */
  authorize(action: 'read' | 'write', signed: SignedData): Promise<Grant> {
    return authorizeByPolicy(this.#rules, action, signed)
  }

  /** Resolves when the envelope is in a block on the disk; the same bytes again do so at once. */
  async submit({ bytes }: Received<common.Envelope>, { signal }: AbortOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    const id = hash('sha256', bytes, 'hex')
    if (this.#ledger.txLocation(id) !== undefined) return
    const known = this.#underWay.get(id)
    if (known !== undefined) return known
    const done = new Promise<void>((resolve, reject) =>
      this.#queue.push({ id, envelope: Buffer.from(bytes), resolve, reject }),
    )
    this.#underWay.set(id, done)
    this.#cutting ??= this.#cut()
    return done
  }

  async close(): Promise<void> {
    await this.#cutting
    await this.#ledger.close()
  }

  /** What comes together goes into one block; what comes while it is being written, into the next. */
  async #cut(): Promise<void> {
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, mostInBlock)
      try {
        await this.#order(batch)
      } catch (error) {
        for (const { reject } of batch) reject(error as Error)
      }
      for (const { id } of batch) this.#underWay.delete(id)
    }
    this.#cutting = undefined
  }

  /** Refuses what goes beyond a quota, and puts the rest into a block. */
  async #order(batch: readonly Pending[]): Promise<void> {
    const judge = this.quota.forBlock()
    const taken = batch.filter(({ envelope, reject }) => {
      const { mspId, isWithin } = judge(envelope)
      if (!isWithin) reject(new CodedError('METERED_QUOTA_USED', `${mspId} has used its quota`))
      return isWithin
    })
    if (taken.length === 0) return
    const number = this.height()
    const previousHash = this.#ledger.lastHeader!.hash
    const envelopes = taken.map(({ envelope }) => envelope)
    const block = await this.#sign(buildBlock({ number, previousHash, envelopes }))
    const txIds = taken.map(({ id }) => id)
    await this.#ledger.append({ block: encode(common.BlockSchema, block), txIds })
    await this.quota.apply(number, envelopes)
    for (const { resolve } of taken) resolve()
  }

  /** Signs as consenter 1, in the form that a BFT channel demands. */
  async #sign(block: common.Block): Promise<common.Block> {
    const value = ordererMetadataValue(0n)
    const signature = await signBlock({ header: block.header!, value }, 1, this.#signer)
    const metadata = blockMetadata({ signatures: { value, signatures: [signature] } })
    block.metadata = create(common.BlockMetadataSchema, { metadata })
    return block
  }
}
