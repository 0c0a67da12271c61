import { expect } from 'chai'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { blockProofOf, resultsOf, transactionsOf } from '@heddle/client'
import { openLedger } from '@heddle/ledger'
import { common, decode } from '@heddle/proto'
import { Engine } from '../../src/engine/engine.ts'
import { TransactionReader } from '../../src/engine/transaction.ts'
import { unfitNamespace } from '../../src/rules/rules-1/unfit-keys.ts'
import { testMembers, transaction } from '../support/channel.ts'
import { noOffers } from '../support/offers.ts'
import type { Ledger } from '@heddle/ledger'

/*
 * The kind: a new version meets what an earlier one left behind. The fixtures are block files of real
 * networks of four validators by the version before rules were numbered; see their README.
 */

const reader = new TransactionReader()

const fixture = (name: string): URL => new URL(`../fixtures/rules-1/${name}`, import.meta.url)

function engineOver(ledger: Ledger): Engine {
  const collector = { collect: () => Promise.resolve([]) }
  const checker = { check: () => Promise.resolve(''), clientOf: () => '' }
  const source = {
    async *pull() {
      // has no blocks
    },
  }
  return new Engine({ ledger, reader, offers: noOffers, checker, collector, source })
}

async function blockOf(ledger: Ledger, number: bigint): Promise<common.Block> {
  return decode(common.BlockSchema, (await ledger.block(number))!)
}

describe('a ledger by the version before rules were numbered', () => {
  let dir = ''
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'heddle-earlier-'))
    await mkdir(join(dir, 'ledger'))
  })
  afterEach(() => rm(dir, { recursive: true, force: true }))

  /** The ledger of a fixture, with nothing but its blocks. */
  async function open(name: string): Promise<Ledger> {
    const blocks = gunzipSync(await readFile(fixture(name)))
    await writeFile(join(dir, 'ledger', '00000000000000000000.blocks'), blocks)
    return openLedger({ dir: join(dir, 'ledger') })
  }

  /** Where its chain ends must be what the quorum signed, and it must go on from there. */
  async function recovered(ledger: Ledger): Promise<Engine> {
    const engine = engineOver(ledger)
    await engine.recover()
    const last = await blockOf(ledger, ledger.height - 1n)
    expect(engine.tip.stateDigest).to.deep.equal(new Uint8Array(blockProofOf(last).stateDigest))
    expect(ledger.state.savepoint.height).to.equal(ledger.height)
    return engine
  }

  const text = (ledger: Ledger, namespace: string, key: string): string =>
    Buffer.from(ledger.state.get(namespace, key) ?? []).toString()

  for (const [name, words] of [
    ['node-20.blocks.gz', 'in JSON at position 1'],
    ['node-24.blocks.gz', 'in JSON at position 1 (line 1 column 2)'],
  ] as const) {
    it(`opens and goes on, with the words of V8 in it (${name})`, async () => {
      const ledger = await open(name)
      const engine = await recovered(ledger)
      const reasons = new Set<string | undefined>()
      for (let number = 1n; number < ledger.height; number++)
        for (const { reason } of transactionsOf(await blockOf(ledger, number))) reasons.add(reason)
      expect([...reasons]).to.include(`not JSON: Expected property name or '}' ${words}`)
      expect(text(ledger, 'accounts', 'carol')).to.equal('3')
      const { client } = await testMembers()
      const { sequence } = engine.lastExecuted()
      await engine.execute(sequence + 1n, [transaction(client, { input: '{"id":"new"}' })])
      expect(text(ledger, 'records', 'new')).to.equal('{"id":"new"}')
      const proof = blockProofOf(await blockOf(ledger, ledger.height - 1n))
      expect(proof.rules, 'rules 1, until all validators offer others').to.equal(0)
      await ledger.close()
    })
  }

  it('opens and goes on from a line that had stopped every validator, without losing a block', async () => {
    const ledger = await open('stopped.blocks.gz')
    const height = ledger.height
    const engine = await recovered(ledger)
    expect(ledger.height).to.equal(height)
    const stopping = await blockOf(ledger, height - 1n)
    expect([...resultsOf(stopping).filter], 'its quorum signed that it was accepted').to.deep.equal(
      [0],
    )
    const [held] = ledger.state.entries(unfitNamespace('records'))
    expect(Buffer.from(held!.value).toString()).to.equal('{"id":"lone\\ud800"}')
    const { client } = await testMembers()
    const { sequence } = engine.lastExecuted()
    const others = [
      { input: '{"id":"lone\\ud800"}' },
      { input: '{"id":"lone\\ud800","other":1}' },
      { input: `{"id":1.${'0'.repeat(1100)}1}` },
      { input: '{"from":"alice","to":"\\ud800x","amount":1}', contract: 'accounts' },
      { input: '{"from":"\\ud800x","to":"bob","amount":1}', contract: 'accounts' },
    ]
    await engine.execute(
      sequence + 1n,
      others.map((each) => transaction(client, each)),
    )
    const last = await blockOf(ledger, ledger.height - 1n)
    expect([...resultsOf(last).filter]).to.deep.equal([0, 255, 0, 0, 0])
    await ledger.close()
    const again = await openLedger({ dir: join(dir, 'ledger') })
    await recovered(again)
    await again.close()
  })

  it('gives the block that the others stored, where it was agreed on and not stored yet', async () => {
    const ledger = await open('stopped.blocks.gz')
    const stored = await blockOf(ledger, ledger.height - 1n)
    const [before, after] = [await openLedger({ dir: join(dir, 'behind') }), ledger]
    for (let number = 0n; number + 1n < after.height; number++)
      await before.append({ block: (await after.block(number))!, txIds: [''] })
    const engine = await recovered(before)
    await engine.execute(blockProofOf(stored).sequence, stored.data!.data)
    const own = await blockOf(before, before.height - 1n)
    expect(own.header).to.deep.equal(stored.header)
    expect(blockProofOf(own)).to.deep.equal(blockProofOf(stored))
    expect(own.metadata!.metadata[5]).to.deep.equal(stored.metadata!.metadata[5])
    await before.close()
    await ledger.close()
  })
})
