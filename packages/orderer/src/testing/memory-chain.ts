import type { AbortOptions } from '@heddle/interface'
import {
  type Received,
  blockHeaderHash,
  blockMetadata,
  buildBlock,
  common,
  create,
  decode,
  encode,
  ordererMetadataValue,
} from '@heddle/proto'
import type { BlockSignature } from '@heddle/proto'
import { OrdererError } from '../errors.ts'
import { signBlock } from '../sign-block.ts'
import type { BlockSigner, Chain, Grant, SignedData, SubmitOptions } from '../ports.ts'

/** What a {@link MemoryChain} begins with. */
export interface MemoryChainOptions {
  readonly channelId: string
  /** Encoded blocks that are there already: block 0 and so on. */
  readonly blocks?: readonly Uint8Array[]
  /** Who signs new blocks, by consenter id; nobody by default. */
  readonly signers?: ReadonlyMap<number, BlockSigner>
  /** Most envelopes in one block. Default 10. */
  readonly batchSize?: number
  /** The policies; by default everybody may do everything. */
  readonly authorize?: (action: 'read' | 'write', signed: SignedData) => Promise<Grant>
}

/** Somebody who waits for a block. */
type Waiter = () => void

/**
 * A {@link Chain} in memory, ordered by arrival: for tests of what uses one.
 *
 * An envelope that was taken before is taken again at once, without a second place in a block.
 */
export class MemoryChain implements Chain {
  readonly channelId: string
  /** Set it to have readers judged anew. */
  configSequence = 0n
  readonly #blocks: Uint8Array[]
  readonly #options: MemoryChainOptions
  readonly #known = new Map<string, Promise<void>>()
  readonly #waiters = new Set<Waiter>()
  #queue: { readonly bytes: Uint8Array; readonly done: () => void }[] = []
  #cutting = false
  #held = false
  #errored = new AbortController()

  constructor(options: MemoryChainOptions) {
    this.channelId = options.channelId
    this.#options = options
    this.#blocks = [...(options.blocks ?? [])]
  }

  /** Keeps envelopes back until {@link release}. */
  hold(): void {
    this.#held = true
  }

  /** Resolves when `count` envelopes are kept back. */
  async queued(count: number): Promise<void> {
    while (this.#queue.length < count) await new Promise((resolve) => setImmediate(resolve))
  }

  /** Orders what was kept back. */
  release(): void {
    this.#held = false
    this.#order()
  }

  /** The chain cannot order until {@link recover}. */
  fail(reason: Error): void {
    this.#errored.abort(reason)
  }

  /** Ends a {@link fail}. */
  recover(): void {
    this.#errored = new AbortController()
  }

  errored(): AbortSignal {
    return this.#errored.signal
  }

  authorize(action: 'read' | 'write', signed: SignedData): Promise<Grant> {
    return this.#options.authorize?.(action, signed) ?? Promise.resolve({})
  }

  async submit({ bytes }: Received<common.Envelope>, options: SubmitOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    const key = Buffer.from(bytes).toString('base64')
    const known = this.#known.get(key)
    if (known) return known
    const taken = new Promise<void>((done) => this.#queue.push({ bytes, done }))
    this.#known.set(key, taken)
    if (!this.#held) this.#order()
    return taken
  }

  height(): bigint {
    return BigInt(this.#blocks.length)
  }

  block(number: bigint): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#blocks[Number(number)])
  }

  async *follow(from: bigint, { signal }: AbortOptions = {}): AsyncGenerator<Uint8Array> {
    for (let number = Number(from); ; number++) {
      while (number >= this.#blocks.length) await this.#nextBlock(signal)
      signal?.throwIfAborted()
      const block = this.#blocks[number]
      if (block) yield block
    }
  }

  /** Puts an encoded block at the end, whatever it holds. */
  append(block: Uint8Array): void {
    this.#blocks.push(block)
    for (const wake of [...this.#waiters]) wake()
  }

  /** Puts a signed block of these envelopes at the end. */
  async appendBlock(envelopes: readonly Uint8Array[], lastConfig = 0n): Promise<void> {
    const last = this.#blocks.at(-1)
    const header = last && decode(common.BlockSchema, last).header
    const block = buildBlock({
      number: this.height(),
      previousHash: header ? blockHeaderHash(header) : new Uint8Array(0),
      envelopes,
    })
    const value = ordererMetadataValue(lastConfig)
    const signatures = await this.#sign(value, block)
    const metadata = blockMetadata({ signatures: { value, signatures } })
    block.metadata = create(common.BlockMetadataSchema, { metadata })
    this.append(encode(common.BlockSchema, block))
  }

  #order(): void {
    if (this.#cutting) return
    this.#cutting = true
    void this.#cut()
  }

  async #cut(): Promise<void> {
    await Promise.resolve() // what is submitted together goes into one block
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, this.#options.batchSize ?? 10)
      await this.appendBlock(batch.map(({ bytes }) => bytes))
      for (const { done } of batch) done()
    }
    this.#cutting = false
  }

  async #sign(value: Uint8Array, { header }: common.Block): Promise<BlockSignature[]> {
    if (!header) throw new OrdererError('ORDERER_BAD_REQUEST', 'a block without a header')
    const signers = [...(this.#options.signers ?? [])]
    return Promise.all(signers.map(([id, signer]) => signBlock({ header, value }, id, signer)))
  }

  async #nextBlock(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        this.#waiters.delete(wake)
        signal?.removeEventListener('abort', abort)
      }
      const wake = (): void => {
        settle()
        resolve()
      }
      const abort = (): void => {
        settle()
        reject(signal?.reason as Error)
      }
      this.#waiters.add(wake)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }
}
