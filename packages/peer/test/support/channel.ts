import { createHash } from 'node:crypto'
import { createGenesisBlock } from '@heddle/channel'
import { VirtualClock } from '@heddle/events/testing'
import { serializeIdentity } from '@heddle/msp'
import { createTestOrganization } from '@heddle/msp/testing'
import { common, create, encode, heddle, timestampFromDate } from '@heddle/proto'
import { readChannelConfig } from '../../src/node/channel-config.ts'
import { encodeGenesisState } from '../../src/node/genesis-state.ts'
import { newestRules } from '../../src/rules/known-rules.ts'
import type { SigningIdentity } from '@heddle/msp'
import type { TestOrganization } from '@heddle/msp/testing'
import type { ValidatorChannel } from '../../src/node/channel-config.ts'

/** The channel of the unit tests. */
export const channelId = 'testchannel'

/** Members of a channel, made in memory: certificates take time, so they are made once. */
export interface TestMembers {
  /** The organisation of all validators. */
  readonly ordering: TestOrganization
  /** The organisation of clients: its clients may write, its peers only read. */
  readonly clients: TestOrganization
  /** By replica id. */
  readonly validators: readonly SigningIdentity[]
  readonly client: SigningIdentity
}

let made: Promise<TestMembers> | undefined

async function makeMembers(): Promise<TestMembers> {
  const [ordering, clients] = await Promise.all([
    createTestOrganization({ mspId: 'OrderingMSP' }),
    createTestOrganization({ mspId: 'ClientMSP' }),
  ])
  const names = ['validator0', 'validator1', 'validator2', 'validator3']
  return {
    ordering,
    clients,
    validators: await Promise.all(names.map((name) => ordering.identity(name, 'orderer'))),
    client: await clients.identity('client', 'client'),
  }
}

/** The members of all unit tests. */
export function testMembers(): Promise<TestMembers> {
  made ??= makeMembers()
  return made
}

/** A channel of `n` validators, whose account `alice` begins with 100. */
export interface TestChannel {
  readonly genesis: Uint8Array
  readonly block: common.Block
  readonly config: ValidatorChannel
}

/** Makes the genesis block of a channel of the first `n` validators, which begins with these rules. */
export async function testChannel(n: number, rules = newestRules): Promise<TestChannel> {
  const { ordering, clients, validators } = await testMembers()
  const group = ({ mspId, msp }: TestOrganization) => ({ name: mspId, mspId, msp: msp.toConfig() })
  const block = createGenesisBlock({
    channelId,
    timestamp: new Date(0),
    nonce: Buffer.alloc(24, 1),
    ordererOrgs: [{ ...group(ordering), endpoints: ['127.0.0.1:1'] }],
    applicationOrgs: [group(clients)],
    consenters: validators.slice(0, n).map(({ mspId, idBytes }, index) => ({
      id: index + 1,
      mspId,
      identity: idBytes,
    })),
    batchSize: { maxMessageCount: 10, absoluteMaxBytes: 1_000_000, preferredMaxBytes: 1_000_000 },
    batchTimeout: '1s',
    consensusMetadata: encodeGenesisState({ accounts: new Map([['alice', 100n]]), rules }),
  })
  return { block, genesis: encode(common.BlockSchema, block), config: readChannelConfig(block) }
}

/** A clock that stands at the hour in which the certificates of the tests were made. */
export function testClock(): VirtualClock {
  return new VirtualClock({ wallTimeMs: Math.floor(Date.now() / 1000) * 1000 })
}

/** What may differ from an ordinary transaction. */
export interface TransactionInit {
  readonly channelId?: string
  readonly type?: number
  readonly nonce?: Uint8Array
  /** Default: now. */
  readonly signedAt?: Date
  /** `msp.SerializedIdentity` bytes; default: the signer's. */
  readonly creator?: Uint8Array
  /** Default: that of nonce and creator. */
  readonly txId?: string
  readonly contract?: string
  readonly input?: string | Uint8Array
  /** Changes the signature, which fits. */
  readonly sign?: (payload: Uint8Array) => Uint8Array
}

type Signer = Pick<SigningIdentity, 'serialized' | 'sign'>

let lastNonce = 0

function freshNonce(): Buffer {
  lastNonce += 1
  const nonce = Buffer.alloc(24)
  nonce.writeUInt32BE(lastNonce)
  return nonce
}

/** An encoded envelope of a transaction; each call makes another one. */
export function transaction(signer: Signer, init: TransactionInit = {}): Buffer {
  const { nonce = freshNonce(), creator = signer.serialized } = init
  const txId = createHash('sha256').update(nonce).update(creator).digest('hex')
  const channelHeader = create(common.ChannelHeaderSchema, {
    type: init.type ?? common.HeaderType.MESSAGE,
    channelId: init.channelId ?? channelId,
    txId: init.txId ?? txId,
    timestamp: timestampFromDate(init.signedAt ?? new Date()),
  })
  const signatureHeader = create(common.SignatureHeaderSchema, { creator, nonce })
  const { contract = 'records', input = `{"id":"${txId}"}` } = init
  const call = create(heddle.TransactionSchema, {
    contract,
    input: typeof input === 'string' ? Buffer.from(input) : input,
  })
  const payload = encode(
    common.PayloadSchema,
    create(common.PayloadSchema, {
      header: {
        channelHeader: encode(common.ChannelHeaderSchema, channelHeader),
        signatureHeader: encode(common.SignatureHeaderSchema, signatureHeader),
      },
      data: encode(heddle.TransactionSchema, call),
    }),
  )
  const signature = (init.sign ?? ((bytes) => signer.sign(bytes)))(payload)
  return encode(common.EnvelopeSchema, create(common.EnvelopeSchema, { payload, signature }))
}

/** The same certificate under an MSP id that its CA does not belong to. */
export function underMsp(mspId: string, { idBytes }: SigningIdentity): Uint8Array {
  return serializeIdentity(mspId, idBytes)
}

const p256Order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

function derInteger(value: bigint): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  const positive = (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes])
  return Buffer.concat([Buffer.of(0x02, positive.length), positive])
}

/** The other signature that is as good for ECDSA over P-256: S replaced by N − S. */
export function otherS(signature: Uint8Array): Buffer {
  const bytes = Buffer.from(signature)
  const lengthOfR = bytes.readUInt8(3)
  const r = bytes.subarray(2, 4 + lengthOfR)
  const s = BigInt(`0x${bytes.subarray(4 + lengthOfR + 2).toString('hex')}`)
  const body = Buffer.concat([r, derInteger(p256Order - s)])
  return Buffer.concat([Buffer.of(0x30, body.length), body])
}
