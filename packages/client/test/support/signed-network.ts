import { createGenesisBlock } from '@heddle/channel'
import { systemClock } from '@heddle/events'
import { createTestOrganization } from '@heddle/msp/testing'
import { createOrdererServer, signBlock } from '@heddle/orderer'
import {
  blockHeaderHash,
  buildBlock,
  common,
  create,
  decode,
  encode,
  heddle,
  ordererMetadataValue,
  protos,
} from '@heddle/proto'
import { encodeFinished, resultsDigest } from '../../src/index.ts'
import type { SigningIdentity } from '@heddle/msp'
import type { TestOrganization, TlsMaterial } from '@heddle/msp/testing'
import type { Chain, OrdererServer } from '@heddle/orderer'
import type { NetworkClient, ValidatorClient } from '../../src/index.ts'

/** The channel of the tests. */
export const channelId = 'testchannel'

/** What a validator of a test does otherwise. */
export interface Deviation {
  /** What it gives out for a block. */
  readonly alter?: (block: Uint8Array) => Uint8Array
  /** What it does with an envelope. */
  readonly submit?: () => Promise<void>
}

/** Who takes part. */
interface Parts {
  readonly validators: readonly SigningIdentity[]
  readonly client: SigningIdentity
  readonly tls: TlsMaterial
  readonly serverTls: TlsMaterial
}

/** Of what a transaction calls itself: its id, and whether the tests accept it. */
function read(envelope: Uint8Array): { readonly txId: string; readonly accepted: boolean } {
  const { payload } = decode(common.EnvelopeSchema, envelope)
  const { header, data } = decode(common.PayloadSchema, payload)
  const { txId } = decode(common.ChannelHeaderSchema, header!.channelHeader)
  const { input } = decode(heddle.TransactionSchema, data)
  return { txId, accepted: Buffer.from(input).toString() !== 'bad' }
}

/** Four validators in one process: their blocks are signed by three, their services are real. */
export class SignedNetwork {
  readonly genesis: Uint8Array
  /** Told of each envelope that a validator took in. */
  readonly taken: string[] = []
  readonly #blocks: Uint8Array[]
  readonly #ids = new Set<string>()
  readonly #servers: OrdererServer[] = []
  readonly #changed = new EventTarget()
  readonly #parts: Parts
  #last: common.Block
  #ordering: Promise<void> = Promise.resolve()

  private constructor(parts: Parts, genesis: common.Block) {
    this.#parts = parts
    this.#last = genesis
    this.genesis = encode(common.BlockSchema, genesis)
    this.#blocks = [this.genesis]
  }

  static async make(): Promise<SignedNetwork> {
    const [ordering, clients] = await Promise.all([
      createTestOrganization({ mspId: 'OrderingMSP' }),
      createTestOrganization({ mspId: 'ClientMSP' }),
    ])
    const names = ['validator0', 'validator1', 'validator2', 'validator3']
    const validators = await Promise.all(names.map((name) => ordering.identity(name, 'orderer')))
    const group = ({ mspId, msp }: TestOrganization) => {
      return { name: mspId, mspId, msp: msp.toConfig() }
    }
    const genesis = createGenesisBlock({
      channelId,
      timestamp: new Date(0),
      nonce: Buffer.alloc(24, 1),
      ordererOrgs: [{ ...group(ordering), endpoints: ['127.0.0.1:1'] }],
      applicationOrgs: [group(clients)],
      consenters: validators.map(({ mspId, idBytes }, index) => {
        return { id: index + 1, mspId, identity: idBytes }
      }),
      batchSize: { maxMessageCount: 10, absoluteMaxBytes: 1_000_000, preferredMaxBytes: 1_000_000 },
      batchTimeout: '1s',
      consensusMetadata: new Uint8Array(),
    })
    const client = await clients.identity('client', 'client')
    const [tls, serverTls] = await Promise.all([clients.tls('client'), ordering.tls('validator0')])
    return new SignedNetwork({ validators, client, tls, serverTls }, genesis)
  }

  /** Starts the services of one more validator. */
  async serve({ alter = (block) => block, submit }: Deviation = {}): Promise<void> {
    const { tls, serverTls } = this.#parts
    const chain: Chain = {
      channelId,
      configSequence: 0n,
      height: () => BigInt(this.#blocks.length),
      block: (number) => Promise.resolve(this.#blocks[Number(number)]).then((b) => b && alter(b)),
      follow: (from, { signal } = {}) => this.#follow(Number(from), alter, signal),
      authorize: () => Promise.resolve({}),
      submit: ({ bytes }) => submit?.() ?? this.#order(bytes),
    }
    const server = createOrdererServer(
      { chains: () => chain, clock: systemClock },
      {
        listen: { host: 'localhost', port: 0 },
        tls: { ...serverTls, roots: [...serverTls.roots, ...tls.roots] },
      },
    )
    await server.start()
    this.#servers.push(server)
  }

  /** A client of those that serve; what they say of themselves they make up. */
  client(): NetworkClient {
    const { client: signer, tls, serverTls } = this.#parts
    const validators = this.#servers.map((_, index): Partial<ValidatorClient> => ({
      name: `validator${index}`,
      dateMs: undefined,
      status: () =>
        Promise.resolve(create(heddle.StatusReplySchema, { height: BigInt(this.#blocks.length) })),
    }))
    return {
      ...{ channelId, genesis: this.genesis, signer, tls },
      endpoints: this.#servers.map(({ address }) => {
        return { address: address ?? '', roots: serverTls.roots }
      }),
      validators: validators as ValidatorClient[],
      close: () => undefined,
    }
  }

  /** Number of blocks. */
  get height(): number {
    return this.#blocks.length
  }

  async stop(): Promise<void> {
    for (const server of this.#servers.splice(0)) await server.stop({ signal: AbortSignal.abort() })
  }

  /** A block for each transaction that is new; in turn. */
  #order(envelope: Uint8Array): Promise<void> {
    this.#ordering = this.#ordering.then(() => this.#append(envelope))
    return this.#ordering
  }

  async #append(envelope: Uint8Array): Promise<void> {
    const { txId, accepted } = read(envelope)
    this.taken.push(txId)
    if (this.#ids.has(txId)) return
    this.#ids.add(txId)
    const number = BigInt(this.#blocks.length)
    const previousHash = blockHeaderHash(this.#last.header!)
    const block = buildBlock({ number, previousHash, envelopes: [envelope] })
    const { VALID, INVALID_OTHER_REASON } = protos.TxValidationCode
    const rejection = { index: 0, code: heddle.RejectionCode.NOT_JSON, details: [new Uint8Array()] }
    const results = encode(
      heddle.TransactionResultsSchema,
      create(heddle.TransactionResultsSchema, { rejections: accepted ? [] : [rejection] }),
    )
    const filter = Uint8Array.of(accepted ? VALID : INVALID_OTHER_REASON)
    const proof = { sequence: number, resultsDigest: resultsDigest({ filter, results }), rules: 2 }
    const value = ordererMetadataValue(
      0n,
      encode(heddle.BlockProofSchema, create(heddle.BlockProofSchema, proof)),
    )
    const signatures = await Promise.all(
      this.#parts.validators
        .slice(0, 3)
        .map((signer, index) => signBlock({ header: block.header!, value }, index + 1, signer)),
    )
    this.#last = block
    this.#blocks.push(
      Uint8Array.from(encodeFinished({ block, value, signatures, filter, results })),
    )
    this.#changed.dispatchEvent(new Event('block'))
  }

  async *#follow(
    from: number,
    alter: (block: Uint8Array) => Uint8Array,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const isOver = (): boolean => signal?.aborted === true
    for (let number = from; !isOver(); number++) {
      while (number >= this.#blocks.length && !isOver())
        await new Promise<unknown>((resolve) => {
          this.#changed.addEventListener('block', resolve, { once: true })
          signal?.addEventListener('abort', resolve, { once: true })
        })
      const block = this.#blocks[number]
      if (block !== undefined) yield alter(block)
    }
  }
}
