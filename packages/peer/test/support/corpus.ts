import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import {
  blockMetadata,
  buildBlock,
  common,
  create,
  encode,
  heddle,
  orderer,
  ordererMetadataValue,
  timestampFromDate,
} from '@heddle/proto'
import { encodeGenesisState } from '../../src/node/genesis-state.ts'

/** A call of a contract. */
export interface CorpusCall {
  readonly contract: string
  readonly input: Uint8Array
}

const file = new URL('../fixtures/corpus/inputs.txt.gz', import.meta.url)

/** The inputs of the file, see make-corpus.ts: whatever a client may send, good or bad. */
export async function oddCalls(): Promise<CorpusCall[]> {
  const lines = gunzipSync(await readFile(file))
    .toString('latin1')
    .trimEnd()
    .split('\n')
  return lines.map((line) => {
    const [contract = '', input = ''] = line.split(' ').map((part) => Buffer.from(part, 'base64'))
    return { contract: contract.toString(), input: Buffer.from(input) }
  })
}

const names = [
  'Zoë Ångström',
  'Иван Петров',
  '李小龍',
  'محمد',
  'O’Brien',
  'Ana María',
  'Łukasz',
  'Bob',
]
/** What the state begins with. */
export const corpusAccounts: ReadonlyMap<string, bigint> = new Map(
  [...names, 'alice', 'bob'].map((name) => [name, 10_000n]),
)

const cities = ['São Paulo', 'Zürich', '東京', 'Kraków', 'New York', 'Δελφοί', 'Reykjavík']

/** As people keep them: `count` rows of orders, some of them twice, some changed, and transfers. */
export function realisticCalls(count: number): CorpusCall[] {
  let state = 1
  // Numerical Recipes' linear congruential generator: the same on every machine.
  const below = (most: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * most)
  }
  const pick = (of: readonly string[]): string => of[below(of.length)] ?? ''
  return Array.from({ length: count }, (_, row) => {
    if (below(4) === 0) {
      const line = `{"from": "${pick(names)}", "to": "${pick(names)}", "amount": ${below(2000)}}`
      return { contract: 'accounts', input: Buffer.from(line) }
    }
    const number = below(20) === 0 ? below(row + 1) : row
    const line = [
      `{"id": "order-${String(number).padStart(6, '0')}", "customer": "${pick(names)}"`,
      `"city": "${pick(cities)}", "ordered": "2026-${String(1 + below(12)).padStart(2, '0')}-15"`,
      `"total": ${below(100_000)}.${String(below(100)).padStart(2, '0')}`,
      `"items": [{"sku": "A${below(500)}", "n": ${1 + below(9)}}], "note": null}`,
    ].join(', ')
    return { contract: 'records', input: Buffer.from(line) }
  })
}

const creator = Buffer.from('somebody')

/** The envelope of a call, the same every time: nonce and time come from its number. */
export function envelopeOf({ contract, input }: CorpusCall, number: number): Uint8Array {
  const nonce = Buffer.alloc(24)
  nonce.writeUInt32BE(number)
  const channelHeader = create(common.ChannelHeaderSchema, {
    type: common.HeaderType.MESSAGE,
    channelId: 'corpus',
    txId: createHash('sha256').update(nonce).update(creator).digest('hex'),
    timestamp: timestampFromDate(new Date(number)),
  })
  const signatureHeader = create(common.SignatureHeaderSchema, { creator, nonce })
  const payload = create(common.PayloadSchema, {
    header: {
      channelHeader: encode(common.ChannelHeaderSchema, channelHeader),
      signatureHeader: encode(common.SignatureHeaderSchema, signatureHeader),
    },
    data: encode(heddle.TransactionSchema, create(heddle.TransactionSchema, { contract, input })),
  })
  const envelope = create(common.EnvelopeSchema, { payload: encode(common.PayloadSchema, payload) })
  return encode(common.EnvelopeSchema, envelope)
}

/** What the state begins with (`heddle.GenesisState`). */
export function corpusState(rules: number): Uint8Array {
  return encodeGenesisState({ accounts: corpusAccounts, rules })
}

/**
 * A genesis block with nothing but what the state begins with, the same every time. No node would take it:
 * it is older than the checks of a configuration, and its hash is in the digests.
 */
export function corpusGenesis(rules: number): Uint8Array {
  const consensusType = create(orderer.ConsensusTypeSchema, { metadata: corpusState(rules) })
  const config = create(common.ConfigEnvelopeSchema, {
    config: {
      channelGroup: {
        groups: {
          Orderer: {
            values: {
              ConsensusType: { value: encode(orderer.ConsensusTypeSchema, consensusType) },
            },
          },
        },
      },
    },
  })
  const payload = create(common.PayloadSchema, {
    data: encode(common.ConfigEnvelopeSchema, config),
  })
  const envelope = create(common.EnvelopeSchema, { payload: encode(common.PayloadSchema, payload) })
  const block = buildBlock({
    number: 0n,
    previousHash: new Uint8Array(),
    envelopes: [encode(common.EnvelopeSchema, envelope)],
    metadata: blockMetadata({ signatures: { value: ordererMetadataValue(0n) } }),
  })
  return encode(common.BlockSchema, block)
}
