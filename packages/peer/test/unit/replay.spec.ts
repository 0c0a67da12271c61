import { expect } from 'chai'
import { ClientError } from '@heddle/client'
import { blockProofOf, signTransaction } from '@heddle/client'
import { systemClock } from '@heddle/events'
import { CodedError, isCodedError } from '@heddle/interface'
import { makeTestBlock, openMemoryLedger } from '@heddle/ledger/testing'
import { common, create, decode, encode, heddle, receive } from '@heddle/proto'
import { buildCandidate, encodeCandidate } from '../../src/engine/candidate.ts'
import { Engine } from '../../src/engine/engine.ts'
import { reexecute, reexecuteReceived } from '../../src/engine/replay.ts'
import { TransactionReader } from '../../src/engine/transaction.ts'
import { PeerError } from '../../src/errors.ts'
import { encodeBalance } from '../../src/rules/rules-2/accounts.ts'
import { rulesInForce, rulesWrite } from '../../src/rules/in-force.ts'
import { knownRules, newestRules, rulesOf } from '../../src/rules/known-rules.ts'
import { openEngine } from '../support/engine.ts'
import { testMembers, transaction } from '../support/channel.ts'
import { noOffers } from '../support/offers.ts'
import type { Ledger } from '@heddle/ledger'
import type { Received } from '@heddle/proto'
import type { Rules } from '../../src/rules/rules.ts'
import type { StateView } from '../../src/rules/state-view.ts'

const signer = { serialized: Buffer.from('somebody'), sign: () => Buffer.from('signature') }
const reader = new TransactionReader()

const before = {
  height: 5n,
  headerHash: Buffer.alloc(32, 1),
  sequence: 8n,
  stateDigest: Buffer.alloc(32, 2),
}

/** A state in which rules of this number are in force, and `a` has 10. */
function stateWith(number: number): StateView {
  const { namespace, key, value } = rulesWrite(number)
  return {
    get(of, name) {
      if (of === namespace && name === key) return number === 1 ? undefined : value
      return of === 'accounts' && name === 'a' ? encodeBalance(10n) : undefined
    },
  }
}

async function call(input: string, contract = 'records'): Promise<Uint8Array> {
  const made = { channelId: 'c', contract, input: Buffer.from(input) }
  return (await signTransaction(signer, systemClock, made)).bytes
}

const overdraft = (): Promise<Uint8Array> => call('{"from":"a","to":"b","amount":11}', 'accounts')

/** Rules 1 as another Node has them: with other words for what is no JSON, or whatever `change` gives. */
function otherWords(change: (reason: string) => string): Rules {
  const rules = rulesOf(1, 0n)
  return {
    ...rules,
    execute(...given) {
      const execution = rules.execute(...given)
      const { rejections } = decode(heddle.TransactionResultsSchema, execution.results)
      const changed = create(heddle.TransactionResultsSchema, {
        rejections: rejections.map(({ index, reason }) => ({ index, reason: change(reason) })),
      })
      return { ...execution, results: encode(heddle.TransactionResultsSchema, changed) }
    },
  }
}

const foreign = (reason: string): string =>
  reason.startsWith('not JSON: ') ? 'not JSON: no more of this' : reason

/** A block by `rules` in a state in which they are in force, unless another is given. */
async function blockBy(rules: Rules, state = stateWith(rules.number)) {
  const envelopes = [await call('{bad}'), await call('{"id":1}'), await overdraft()]
  const candidate = buildCandidate(
    { before, state, reader, offers: noOffers, rules },
    { sequence: 9n, envelopes },
  )
  return receive(common.BlockSchema, encodeCandidate(candidate, []))
}

const replay = (block: Received<common.Block>, number: number): Uint8Array =>
  reexecuteReceived({ before, state: stateWith(number), reader, offers: noOffers }, block).execution
    .results

/** The same block, with something in its metadata changed. */
function altered(
  block: Received<common.Block>,
  change: (metadata: Uint8Array[]) => void,
): Received<common.Block> {
  const copy = decode(common.BlockSchema, Uint8Array.from(block.bytes))
  change(copy.metadata!.metadata)
  return receive(common.BlockSchema, encode(common.BlockSchema, copy))
}

describe('the rules of a block', () => {
  it('are those that the state has in force: 1 unless it says otherwise', () => {
    expect(rulesInForce({ get: () => undefined })).to.equal(1)
    for (const number of [2, 3, 1000]) expect(rulesInForce(stateWith(number))).to.equal(number)
  })

  it('stand in its signed proof, except for rules 1, whose proof is as it was before', async () => {
    for (const number of knownRules) {
      const { message } = await blockBy(rulesOf(number, 0n))
      expect(blockProofOf(message).rules).to.equal(number === 1 ? 0 : number)
    }
  })

  it('are named when they are not known, with the block and the cure', () => {
    const missing = newestRules + 1
    expect(() => rulesOf(missing, 7n))
      .to.throw(PeerError, `block 7 needs rules ${missing}; this software knows 1, 2`)
      .with.property('cure', `install a version of heddle that knows rules ${missing}`)
  })
})

describe('executing a stored block again', () => {
  it('gives what the quorum signed, by each of the rules', async () => {
    for (const number of knownRules) {
      const block = await blockBy(rulesOf(number, 0n))
      expect(replay(block, number)).to.deep.equal(block.message.metadata?.metadata[5])
    }
  })

  it('takes the words of another Node for what is no JSON, which rules 1 put into blocks', async () => {
    const block = await blockBy(otherWords(foreign))
    const { rejections } = decode(heddle.TransactionResultsSchema, replay(block, 1))
    expect(rejections.map(({ reason }) => reason)).to.deep.equal([
      'not JSON: no more of this',
      'overdraws a: balance 10, amount 11',
    ])
  })

  it('takes no other reason than its own for anything else', async () => {
    for (const change of [
      (reason: string) => (reason.startsWith('overdraws') ? 'not JSON: x' : reason),
      (reason: string) => (reason.startsWith('not JSON') ? 'no' : reason),
    ]) {
      const block = await blockBy(otherWords(change))
      expect(() => replay(block, 1)).to.throw(PeerError, 'gives other results here')
    }
  })

  it('takes no results but those that were signed', async () => {
    const [one, other] = [await blockBy(rulesOf(1, 0n)), await blockBy(otherWords(foreign))]
    const forged = altered(one, (metadata) => {
      metadata[5] = other.message.metadata!.metadata[5]!
    })
    expect(() => replay(forged, 1)).to.throw(
      ClientError,
      'holds codes or results that its quorum did not sign',
    )
  })

  it('takes no metadata from another validator that does not follow from what was signed', async () => {
    for (const number of knownRules) {
      const block = await blockBy(rulesOf(number, 0n))
      const changes: ((metadata: Uint8Array[]) => void)[] = [
        (metadata) => void (metadata[1] = Buffer.of(1)),
        (metadata) => void (metadata[2] = Buffer.of(0, 0, 0)),
        (metadata) => void (metadata[5] = new Uint8Array()),
        (metadata) => void metadata.push(Buffer.from('more')),
      ]
      for (const change of changes)
        expect(() => replay(altered(block, change), number)).to.throw(
          CodedError,
          /metadata|results|codes/,
        )
    }
  })

  it('refuses a block by other rules than those in force', async () => {
    const block = await blockBy(rulesOf(1, 0n), stateWith(1))
    const deps = { before, state: stateWith(2), reader, offers: noOffers }
    expect(() => reexecute(deps, block.message)).to.throw(
      PeerError,
      'block 5 was made by rules 1, while rules 2 are in force',
    )
  })
})

/** An engine over a chain of a first block, in which rules 1 are in force. */
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

describe('opening a ledger', () => {
  it('brings the state up over blocks with the words of another Node', async () => {
    const ledger = await openMemoryLedger()
    await ledger.append(makeTestBlock(undefined))
    await ledger.state.apply(1n, 0n, [])
    const tip = { height: 1n, headerHash: ledger.lastHeader!.hash, sequence: 0n }
    const candidate = buildCandidate(
      {
        before: { ...tip, stateDigest: ledger.state.savepoint.digest },
        state: ledger.state,
        reader,
        offers: noOffers,
        rules: otherWords(foreign),
      },
      { sequence: 1n, envelopes: [await call('{bad}'), await call('{"id":"x"}')] },
    )
    await ledger.append({
      block: encodeCandidate(candidate, []),
      txIds: candidate.execution.txIds,
    })
    await engineOver(ledger).recover()
    expect(ledger.state.savepoint.height).to.equal(2n)
    expect(Buffer.from(ledger.state.get('records', 'x') ?? []).toString()).to.equal('{"id":"x"}')
  })

  it('refuses one whose next block needs rules that are not known', async () => {
    const ledger = await openMemoryLedger()
    await ledger.append(makeTestBlock(undefined))
    await ledger.state.apply(1n, 0n, [rulesWrite(99)])
    const failure = await engineOver(ledger)
      .recover()
      .catch((error: unknown) => error)
    expect(isCodedError(failure, 'PEER_UNKNOWN_RULES'), String(failure)).to.equal(true)
    expect(String(failure)).to.include('block 1 needs rules 99')
  })

  it('goes on by the rules that the genesis block names', async () => {
    for (const number of knownRules) {
      const one = await openEngine({ rules: number })
      try {
        const { client } = await testMembers()
        await one.engine.execute(1n, [transaction(client, { input: '{bad}' })])
        const again = await one.reopen()
        await again.engine.execute(2n, [transaction(client)])
        const block = await again.storage.ledger.block(2n)
        const proof = blockProofOf(decode(common.BlockSchema, block!))
        expect(proof.rules).to.equal(number === 1 ? 0 : number)
        await again.close()
      } catch (error) {
        await one.close()
        throw error
      }
    }
  })
})
