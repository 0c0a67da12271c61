import { expect } from 'chai'
import { signTransaction, transactionsOf } from '@heddle/client'
import { makeTestBlock, openMemoryLedger } from '@heddle/ledger/testing'
import { systemClock } from '@heddle/events'
import { common, decode } from '@heddle/proto'
import { signedEnvelope } from '@heddle/deliver'
import { buildCandidate } from '../../src/engine/candidate.ts'
import { Engine } from '../../src/engine/engine.ts'
import { TransactionReader } from '../../src/engine/transaction.ts'
import { knownRules, rulesOf } from '../../src/rules/known-rules.ts'
import { noOffers } from '../support/offers.ts'
import type { Ledger } from '@heddle/ledger'
import type { TransferTarget } from '@heddle/pbft'
import type { Received } from '@heddle/proto'
import type { BlockSource } from '../../src/engine/engine.ts'

const signer = { serialized: Buffer.from('somebody'), sign: () => Buffer.from('signature') }
const never = new AbortController().signal

async function record(text: string): Promise<Uint8Array> {
  const input = Buffer.from(JSON.stringify({ id: text }))
  return (
    await signTransaction(signer, systemClock, { channelId: 'c', contract: 'records', input })
  ).bytes
}

/** Two transactions of one client with one nonce: the same id, other bytes. */
function twins(): Promise<[Uint8Array, Uint8Array]> {
  const one = (data: string) =>
    signedEnvelope({
      ...{ channelId: 'c', type: common.HeaderType.MESSAGE, data: Buffer.from(data) },
      ...{ signer, clock: systemClock, nonce: Buffer.alloc(24, 7), withTxId: true },
    })
  return Promise.all([one(''), one('\n\0')]).then(([a, b]) => [a.bytes, b.bytes])
}

const nothing: BlockSource = {
  async *pull() {
    // has no blocks
  },
}

/** An engine over a chain of a first block, whose blocks need no signatures. */
async function engineOf(
  source: BlockSource = nothing,
): Promise<{ engine: Engine; ledger: Ledger }> {
  const ledger = await openMemoryLedger()
  await ledger.append(makeTestBlock(undefined))
  await ledger.state.apply(1n, 0n, [])
  const collector = { collect: () => Promise.resolve([]) }
  const checker = {
    check: () => Promise.resolve(''),
    clientOf: ({ length }: Uint8Array) => `client ${length}`,
  }
  const reader = new TransactionReader()
  const engine = new Engine({ ledger, reader, offers: noOffers, checker, collector, source })
  await engine.recover()
  return { engine, ledger }
}

async function blockOf(ledger: Ledger, number: bigint): Promise<Received<common.Block>> {
  const bytes = (await ledger.block(number)) ?? new Uint8Array()
  return { message: decode(common.BlockSchema, bytes), bytes }
}

async function idsOf(ledger: Ledger): Promise<string[]> {
  const ids: string[] = []
  for (let number = 1n; number < ledger.height; number++)
    ids.push(...transactionsOf((await blockOf(ledger, number)).message).map(({ txId }) => txId))
  return ids
}

/** Another validator that executed `batches`, and the target that it proves. */
async function ahead(batches: readonly (readonly Uint8Array[])[]) {
  const { engine, ledger } = await engineOf()
  for (const [index, batch] of batches.entries()) await engine.execute(BigInt(index) + 1n, batch)
  const target: TransferTarget = { ...engine.lastExecuted(), replicas: [1] }
  return { ledger, target }
}

/** Gives the blocks of `ledger`, as `change` has them. */
function sourceOf(
  ledger: Ledger,
  change: (block: Received<common.Block>) => Received<common.Block> | undefined,
): BlockSource {
  return {
    async *pull(from) {
      for (let number = from; number < ledger.height; number++) {
        const block = change(await blockOf(ledger, number))
        if (block !== undefined) yield block
      }
    },
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => (error as { code: string }).code,
  )

describe('Engine', () => {
  it('tells whose a transaction is as its checker does', async () => {
    const { engine, ledger } = await engineOf()
    expect(engine.clientOf(Buffer.from('four'))).to.equal('client 4')
    await ledger.close()
  })

  it('executes one of two transactions with one id, in one batch, in two, and in two under way', async () => {
    const [one, other] = await twins()
    for (const batches of [[[one, other]], [[one], [other]], [[other], [one, one], [other]]]) {
      const { engine, ledger } = await engineOf()
      const digests = await Promise.all(
        batches.map((batch, index) => engine.execute(BigInt(index) + 1n, batch)),
      )
      expect(await idsOf(ledger)).to.have.length(1)
      expect(ledger.height).to.equal(2n)
      const same = digests.map((digest) => Buffer.from(digest).toString('hex'))
      expect(new Set(same).size, 'a batch without anything new changes no state').to.equal(1)
    }
  })

  it('executes what else is in a batch with what is no transaction, which no block holds', async () => {
    const { engine, ledger } = await engineOf()
    const nonsense = [Buffer.from('nonsense'), new Uint8Array(), Buffer.from('nonsense')]
    await engine.execute(1n, [...nonsense, await record('a')])
    await engine.execute(2n, nonsense)
    expect(await idsOf(ledger)).to.have.length(1)
    expect(engine.lastExecuted().sequence).to.equal(2n)
  })

  it('takes a block whose quorum signed that some of it is no transaction, more than once', async () => {
    const { ledger, target } = await ahead([[await record('a')]])
    const { engine, ledger: own } = await engineOf(sourceOf(ledger, (block) => block))
    await engine.transfer(target, { signal: never })
    const before = { ...engine.tip, sequence: 1n }
    for (const rules of knownRules.map((number) => rulesOf(number, 2n))) {
      const deps = {
        before,
        state: own.state,
        reader: new TransactionReader(),
        rules,
        offers: noOffers,
      }
      const envelopes = [Buffer.from('nonsense'), await record('b'), Buffer.from('nonsense')]
      const { execution } = buildCandidate(deps, { sequence: 2n, envelopes })
      expect([...execution.filter]).to.deep.equal([2, 0, 2])
      expect(execution.txIds.map((id) => id === '')).to.deep.equal([true, false, true])
    }
    const odd = { block: makeTestBlock(own.lastHeader).block, txIds: ['', 'x', ''] }
    await own.append(odd)
    expect([own.txLocation(''), own.txLocation('x')]).to.deep.equal([
      undefined,
      { block: 2n, index: 1 },
    ])
  })

  it('gives the same digests whether batches are executed one by one or all at once', async () => {
    const batches = [[await record('a')], [], [await record('b'), await record('c')]]
    const [slow, fast] = [await engineOf(), await engineOf()]
    const digests = []
    for (const [index, batch] of batches.entries())
      digests.push(Buffer.from(await slow.engine.execute(BigInt(index) + 1n, batch)))
    const together = batches.map((batch, index) => fast.engine.execute(BigInt(index) + 1n, batch))
    expect((await Promise.all(together)).map((digest) => Buffer.from(digest))).to.deep.equal(
      digests,
    )
    expect(fast.engine.lastExecuted().sequence).to.equal(3n)
  })

  it('tells the states that it went through, with and without a block, executed or fetched', async () => {
    const batches = [[], [await record('a')], [], [], [await record('b'), await record('c')], []]
    const { engine, ledger } = await engineOf()
    const digests = ['']
    for (const [index, batch] of batches.entries())
      digests.push(hex(await engine.execute(BigInt(index) + 1n, batch)))
    const told = async (of: Engine, downTo: bigint) => (await of.earlierDigests(downTo)).map(hex)
    for (let downTo = 2; downTo <= 6; downTo++)
      expect(await told(engine, BigInt(downTo)), `down to ${downTo}`).to.deep.equal(
        digests.slice(downTo, 6).reverse(),
      )
    expect(await told(engine, 1n), 'no block leads to the first').to.deep.equal(
      digests.slice(2, 6).reverse(),
    )
    const behind = await engineOf(sourceOf(ledger, (block) => block))
    await behind.engine.transfer({ ...engine.lastExecuted(), replicas: [1] }, { signal: never })
    expect(await told(behind.engine, 2n)).to.deep.equal(await told(engine, 2n))
  })

  it('fetches the state that a quorum signed for', async () => {
    const { ledger, target } = await ahead([[await record('a')], [await record('b')], []])
    const { engine, ledger: own } = await engineOf(sourceOf(ledger, (block) => block))
    expect(await engine.transfer(target, { signal: never })).to.deep.include({ sequence: 3n })
    expect(await idsOf(own)).to.deep.equal(await idsOf(ledger))
  })

  it('fetches the state at any sequence number, wherever the others are by now', async () => {
    const batches = [[await record('a')], [], [await record('b'), await record('c')], []]
    const targets = await Promise.all(
      batches.map(async (_, index) => (await ahead(batches.slice(0, index + 1))).target),
    )
    const more = [await record('d')]
    const { ledger } = await ahead([...batches, more])
    for (let first = 0; first < targets.length; first++) {
      const { engine, ledger: own } = await engineOf(sourceOf(ledger, (block) => block))
      for (const target of targets.slice(first)) {
        const { sequence, digest } = target
        const reached = { sequence, digest: Buffer.from(digest) }
        const { digest: found, ...rest } = await engine.transfer(target, { signal: never })
        expect({ ...rest, digest: Buffer.from(found) }).to.deep.equal(reached)
      }
      await engine.execute(5n, more)
      expect(await idsOf(own), `from ${first + 1} on`).to.deep.equal(await idsOf(ledger))
    }
  })

  it('stores nothing of a block that says otherwise than its execution, and fetches it from another', async () => {
    const { ledger, target } = await ahead([[await record('a')], [await record('b')]])
    let isLying = true
    const lie = (block: Received<common.Block>): Received<common.Block> => {
      if (isLying) block.message.data!.data.pop()
      return block
    }
    const { engine, ledger: own } = await engineOf(sourceOf(ledger, lie))
    expect(await failure(engine.transfer(target, { signal: never }))).to.equal(
      'CLIENT_BLOCK_ALTERED',
    )
    expect(own.height).to.equal(1n)
    isLying = false
    expect(await engine.transfer(target, { signal: never })).to.deep.include({ sequence: 2n })
  })

  it('does not take a chain that ends too early for the target', async () => {
    const { ledger, target } = await ahead([[await record('a')], [await record('b')]])
    const first = (block: Received<common.Block>) =>
      block.message.header?.number === 1n ? block : undefined
    const { engine } = await engineOf(sourceOf(ledger, first))
    expect(await failure(engine.transfer(target, { signal: never }))).to.equal(
      'PEER_STATE_TRANSFER_FAILED',
    )
    expect(engine.lastExecuted().sequence, 'what was good is kept').to.equal(1n)
  })

  it('does not count a block that it could not store, and takes it when there is room again', async () => {
    const { ledger, target } = await ahead([[await record('a')], [await record('b')]])
    const { engine, ledger: own } = await engineOf(sourceOf(ledger, (block) => block))
    const append = own.append.bind(own)
    own.append = () => Promise.reject(new TypeError('disk full'))
    await failure(engine.transfer(target, { signal: never }))
    own.append = append
    expect(await engine.transfer(target, { signal: never })).to.deep.include({ sequence: 2n })
    expect(await idsOf(own)).to.deep.equal(await idsOf(ledger))
  })
})
