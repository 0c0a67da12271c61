import { expect } from 'chai'
import fc from 'fast-check'
import {
  blockProofOf,
  resultsOf,
  sentenceOf,
  signTransaction,
  transactionsOf,
} from '@heddle/client'
import { systemClock } from '@heddle/events'
import { LedgerError } from '@heddle/ledger'
import { common, create, decode, encode, heddle, protos } from '@heddle/proto'
import { buildCandidate, encodeCandidate } from '../../src/engine/candidate.ts'
import { PendingState } from '../../src/engine/pending-state.ts'
import { TransactionReader } from '../../src/engine/transaction.ts'
import { PeerError } from '../../src/errors.ts'
import { encodeBalance } from '../../src/rules/rules-2/accounts.ts'
import { rulesOf } from '../../src/rules/known-rules.ts'
import { switchJudge } from '../../src/switch/switch.ts'
import { noOffers } from '../support/offers.ts'

const signer = { serialized: Buffer.from('somebody'), sign: () => Buffer.from('signature') }
const state = {
  get: (namespace: string, key: string) =>
    namespace === 'accounts' && key === 'a' ? encodeBalance(10n) : undefined,
}

async function envelope(input: string, contract = 'accounts'): Promise<Uint8Array> {
  const call = { channelId: 'c', contract, input: Buffer.from(input) }
  return (await signTransaction(signer, systemClock, call)).bytes
}

function transfers(): Promise<Uint8Array[]> {
  return Promise.all([
    envelope('{"from":"a","to":"b","amount":7}'),
    envelope('{"from":"a","to":"b","amount":7}'),
    Promise.resolve(Buffer.from('nonsense')),
    envelope('{"id":"x"}', 'records'),
  ])
}

const rules = rulesOf(2, 0n)

describe('transactions', () => {
  it('gives two calls of the same content ids of their own, and the same bytes the same id', async () => {
    const reader = new TransactionReader()
    const [one, two] = [await envelope('{}'), await envelope('{}')]
    expect(reader.read(one).txId).to.match(/^[0-9a-f]{64}$/)
    expect(reader.read(one).txId).to.not.equal(reader.read(two).txId)
    expect(reader.read(Uint8Array.from(one)).txId).to.equal(reader.read(one).txId)
  })

  it('refuses an id that is not that of nonce and creator', async () => {
    const message = decode(common.EnvelopeSchema, await envelope('{}'))
    const payload = decode(common.PayloadSchema, message.payload)
    const header = payload.header ?? create(common.HeaderSchema, {})
    const channel = decode(common.ChannelHeaderSchema, header.channelHeader)
    channel.txId = '00'.repeat(32)
    header.channelHeader = encode(common.ChannelHeaderSchema, channel)
    message.payload = encode(common.PayloadSchema, payload)
    const forged = encode(common.EnvelopeSchema, message)
    expect(() => new TransactionReader().read(forged)).to.throw(PeerError, /not that of nonce/)
  })

  it('refuses any other bytes with a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(() => new TransactionReader().read(bytes)).to.throw(PeerError)
      }),
      { seed: 11, numRuns: 300 },
    )
  })
})

describe('executing a block', () => {
  it('sees what earlier transactions of the block wrote, and says why others were rejected', async () => {
    const { filter, results, txIds, writes } = rules.execute(
      await transfers(),
      state,
      new TransactionReader(),
      switchJudge(noOffers, 5n),
    )
    const { VALID, INVALID_OTHER_REASON, BAD_PAYLOAD } = protos.TxValidationCode
    expect([...filter]).to.deep.equal([VALID, INVALID_OTHER_REASON, BAD_PAYLOAD, VALID])
    const { rejections } = decode(heddle.TransactionResultsSchema, results)
    expect(rejections.map((each) => [each.index, sentenceOf(each)])).to.deep.equal([
      [1, 'overdraws a: balance 3, amount 7'],
      [2, 'not a transaction'],
    ])
    expect(txIds[2]).to.equal('')
    expect(
      writes.map(({ key, value }) => [key, Buffer.from(value ?? []).toString()]),
    ).to.deep.equal([
      ['a', '3'],
      ['b', '7'],
      ['x', '{"id":"x"}'],
    ])
  })

  it('gives the same block again, and another one for another state', async () => {
    const envelopes = await transfers()
    const before = {
      height: 5n,
      headerHash: Buffer.alloc(32, 1),
      sequence: 8n,
      stateDigest: Buffer.alloc(32, 2),
    }
    const build = (view: typeof state) =>
      buildCandidate(
        { before, state: view, reader: new TransactionReader(), offers: noOffers, rules },
        { sequence: 9n, envelopes },
      )
    const one = build(state)
    expect(build(state).value).to.deep.equal(one.value)
    expect(build({ get: () => undefined }).value).to.not.deep.equal(one.value)
    expect(one.tip).to.include({ height: 6n, sequence: 9n })
  })

  it('puts proof, results and signatures where readers of blocks find them', async () => {
    const before = {
      height: 5n,
      headerHash: Buffer.alloc(32, 1),
      sequence: 8n,
      stateDigest: Buffer.alloc(32, 2),
    }
    const reader = new TransactionReader()
    const envelopes = await transfers().then((all) => all.slice(0, 2))
    const candidate = buildCandidate(
      { before, state, reader, offers: noOffers, rules },
      { sequence: 9n, envelopes },
    )
    const signatures = [{ identifierHeader: Buffer.from('id'), signature: Buffer.from('s') }]
    const block = decode(common.BlockSchema, encodeCandidate(candidate, signatures))
    expect(block.header?.number).to.equal(5n)
    expect(blockProofOf(block).sequence).to.equal(9n)
    expect(blockProofOf(block).stateDigest).to.deep.equal(new Uint8Array(candidate.tip.stateDigest))
    expect([...resultsOf(block).filter]).to.deep.equal([0, 255])
    expect(transactionsOf(block).map(({ accepted, reason }) => [accepted, reason])).to.deep.equal([
      [true, undefined],
      [false, 'overdraws a: balance 3, amount 7'],
    ])
    const slot = decode(common.MetadataSchema, block.metadata?.metadata[0] ?? new Uint8Array())
    expect(slot.signatures).to.have.length(1)
  })
})

describe('the state of blocks that are not stored yet', () => {
  it('hides the stored value until the block is stored, and a later write of the key stays', () => {
    const pending = new PendingState(state)
    const write = (value: string) => ({
      namespace: 'accounts',
      key: 'a',
      value: Buffer.from(value),
    })
    const read = (): string => Buffer.from(pending.get('accounts', 'a') ?? []).toString()
    pending.add(1n, [write('1')], ['t1'])
    pending.add(2n, [write('2')], ['t2'])
    expect(read()).to.equal('2')
    pending.stored(1n, [write('1')], ['t1'])
    expect(read()).to.equal('2')
    expect([pending.hasTransaction('t1'), pending.hasTransaction('t2')]).to.deep.equal([
      false,
      true,
    ])
    pending.stored(2n, [write('2')], ['t2'])
    expect(read()).to.equal('10')
  })

  it('shows a deleted key as absent', () => {
    const pending = new PendingState(state)
    pending.add(1n, [{ namespace: 'accounts', key: 'a', value: undefined }], [])
    expect(pending.get('accounts', 'a')).to.equal(undefined)
  })
})

// The kind: a fault of one machine that would become part of what all of them sign.
describe('a state that cannot be read', () => {
  for (const number of [1, 2]) {
    it(`ends the execution by rules ${number}, and rejects no transaction`, async () => {
      const unreadable = {
        get: () => {
          throw new LedgerError('LEDGER_CORRUPT', 'a value has changed on the disk')
        },
      }
      const envelopes = await transfers()
      const execute = (): unknown =>
        rulesOf(number, 0n).execute(
          envelopes,
          unreadable,
          new TransactionReader(),
          switchJudge(noOffers, 1n),
        )
      expect(execute).to.throw(LedgerError).with.property('code', 'LEDGER_CORRUPT')
    })
  }
})
