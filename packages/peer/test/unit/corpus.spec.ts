import { expect } from 'chai'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resultsOf } from '@heddle/client'
import { openLedger } from '@heddle/ledger'
import { common, decode } from '@heddle/proto'
import { Engine } from '../../src/engine/engine.ts'
import { TransactionReader } from '../../src/engine/transaction.ts'
import { stateWrites } from '../../src/node/genesis-state.ts'
import {
  corpusGenesis,
  corpusState,
  envelopeOf,
  oddCalls,
  realisticCalls,
} from '../support/corpus.ts'
import { noOffers } from '../support/offers.ts'
import type { Ledger } from '@heddle/ledger'

/*
 * The kind: what becomes of an input must not depend on the machine, the version of Node or of a
 * library, and no input stops a validator. Every supported version of Node must come to these digests.
 *
 * Those of rules 1 leave the results out, whose sentences quote V8; they are also what the version
 * came to that knew no other rules.
 */
const expected: Readonly<Record<number, string>> = {
  1: 'b0befcaa348a162a2023cb08b739d146df28c8617ec42363c0228e96ae62ccc4',
  2: '6cd26852ccc30aae30de0357450364fcc3ff89b5f77cb4452b26c23456076488',
}

const batchSize = 250

function engineOver(ledger: Ledger): Engine {
  const collector = { collect: () => Promise.resolve([]) }
  const checker = { check: () => Promise.resolve(''), clientOf: () => '' }
  const source = {
    async *pull() {
      // has no blocks
    },
  }
  const reader = new TransactionReader()
  return new Engine({ ledger, reader, checker, collector, source, offers: noOffers })
}

/** An engine that has recovered; the state begins with what the genesis block says. */
async function startedOver(ledger: Ledger, rules: number): Promise<Engine> {
  await ledger.state.apply(1n, 0n, stateWrites(corpusState(rules)))
  const engine = engineOver(ledger)
  await engine.recover()
  return engine
}

/** A digest over the chain, the state, and what became of each transaction. */
async function digestOf(ledger: Ledger, rules: number): Promise<string> {
  const hash = createHash('sha256')
  for (let number = 1n; number < ledger.height; number++) {
    const { filter, results } = resultsOf(decode(common.BlockSchema, (await ledger.block(number))!))
    hash.update(filter)
    if (rules > 1) hash.update(results)
  }
  hash.update(ledger.lastHeader!.hash).update(ledger.state.savepoint.digest)
  return hash.update((await ledger.state.contentDigest()).digest).digest('hex')
}

describe('the corpus of inputs', function () {
  this.timeout(120_000)
  let dir = ''
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'heddle-corpus-'))
  })
  afterEach(() => rm(dir, { recursive: true, force: true }))

  for (const rules of [1, 2]) {
    it(`comes to one digest by rules ${rules}: executed, opened again, and executed again`, async () => {
      const calls = [...(await oddCalls()), ...realisticCalls(5000)]
      const envelopes = calls.map(envelopeOf)
      let ledger = await openLedger({ dir })
      await ledger.append({ block: corpusGenesis(rules), txIds: [''] })
      const engine = await startedOver(ledger, rules)
      const batches = Math.ceil(envelopes.length / batchSize)
      for (let batch = 0; batch < batches; batch++) {
        const some = envelopes.slice(batch * batchSize, (batch + 1) * batchSize)
        await engine.execute(BigInt(batch) + 1n, some)
      }
      expect(ledger.height).to.equal(BigInt(batches) + 1n)
      expect(await digestOf(ledger, rules), 'executed').to.equal(expected[rules])
      await ledger.close()

      await rm(join(dir, 'state'), { recursive: true })
      ledger = await openLedger({ dir })
      expect(ledger.state.savepoint.height).to.equal(0n)
      await startedOver(ledger, rules)
      expect(await digestOf(ledger, rules), 'executed again').to.equal(expected[rules])
      await ledger.close()
    })
  }
})
