import { expect } from 'chai'
import { blockProofOf, resultsOf, transactionsOf } from '@heddle/client'
import { isCodedError } from '@heddle/interface'
import { common, decode, heddle, protos } from '@heddle/proto'
import { rulesInForce, rulesSince } from '../../src/rules/in-force.ts'
import { offerBlocks } from '../../src/switch/offer.ts'
import { encodeSwitch } from '../../src/switch/switch.ts'
import { testMembers, transaction } from '../support/channel.ts'
import { blockOf, openEngine } from '../support/engine.ts'
import { offerOf } from '../support/offers.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import type { TestEngine, TestEngineOptions } from '../support/engine.ts'
import type { OfferInit } from '../support/offers.ts'

const { RejectionCode } = heddle
const { VALID, INVALID_OTHER_REASON } = protos.TxValidationCode
const broken = { input: '{bad' }

describe('an engine whose rules are switched', () => {
  let engines: TestEngine[] = []
  let logger: RecordingLogger
  const unknown: Error[] = []
  afterEach(async () => {
    for (const each of engines) await each.close()
    engines = []
    unknown.length = 0
  })

  /** An engine of a channel of one validator, which decides alone. */
  async function open(options: TestEngineOptions = {}): Promise<TestEngine> {
    logger = new RecordingLogger()
    const onUnknownRules = (reason: Error): void => void unknown.push(reason)
    const opened = await openEngine({ rules: 1, logger, onUnknownRules, ...options })
    engines.push(opened)
    return opened
  }

  /** A transaction of the validator that switches to what its offer says. */
  async function switchTo(init: OfferInit): Promise<Buffer> {
    const { validators } = await testMembers()
    const input = encodeSwitch([await offerOf(0, init)])
    return transaction(validators[0]!, { contract: 'rules', input })
  }

  const line = async (init: { input: string }): Promise<Buffer> =>
    transaction((await testMembers()).client, init)

  /** By which rules a block was made, and what became of its transactions. */
  async function made(test: TestEngine, number: bigint): Promise<unknown[]> {
    const block = await blockOf(test, number)
    const { filter, results } = resultsOf(block)
    const { rejections } = decode(heddle.TransactionResultsSchema, results)
    const { rules } = blockProofOf(block)
    const said = rejections.map(({ code, reason }) => (reason === '' ? code : reason))
    return [rules === 0 ? 1 : rules, [...filter], ...said]
  }

  const inForce = ({ storage }: TestEngine): unknown[] => [
    rulesInForce(storage.ledger.state),
    rulesSince(storage.ledger.state),
  ]
  const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => 'done',
      (error: unknown) => (isCodedError(error) ? error.code : error),
    )
  const told = (): unknown[] =>
    logger.lines.filter(({ event }) => event === 'rules are in force').map(({ fields }) => fields)

  it('executes the block after the switch by the new rules, also with executions in flight', async () => {
    const test = await open()
    const batches = [
      [await line(broken)],
      [await line({ input: '{"id":"a"}' }), await switchTo({ rules: 2 }), await line(broken)],
      [await line(broken), await line({ input: '{"id":"b"}' })],
    ]
    await Promise.all(batches.map((batch, at) => test.engine.execute(BigInt(at) + 1n, batch)))
    const words = (await made(test, 1n)).at(-1)
    expect(await made(test, 1n)).to.deep.equal([1, [INVALID_OTHER_REASON], words])
    expect(words).to.match(/^not JSON: /)
    expect(await made(test, 2n)).to.deep.equal([1, [VALID, VALID, INVALID_OTHER_REASON], words])
    expect(await made(test, 3n)).to.deep.equal([
      2,
      [INVALID_OTHER_REASON, VALID],
      RejectionCode.NOT_JSON,
    ])
    expect(inForce(test)).to.deep.equal([2, 3n])
    expect(told()).to.deep.equal([{ rules: 2, fromBlock: 3n }])
  })

  it('switches back, and goes on so after a restart', async () => {
    const test = await open({ rules: 2 })
    await test.engine.execute(1n, [await switchTo({ rules: 1 })])
    const again = await test.reopen()
    engines = [again]
    expect(inForce(again)).to.deep.equal([1, 2n])
    await again.engine.execute(2n, [await line(broken)])
    await again.engine.execute(3n, [await switchTo({ rules: 2, block: 3n })])
    await again.engine.execute(4n, [await line(broken)])
    const rules = await Promise.all([1n, 2n, 3n, 4n].map(async (at) => (await made(again, at))[0]))
    expect(rules).to.deep.equal([2, 1, 1, 2])
  })

  it('gives the same chain to one that was away during switches', async () => {
    const test = await open()
    const batches = [
      [await line(broken)],
      [await switchTo({ rules: 2 })],
      [await line(broken)],
      [await switchTo({ rules: 1, block: 3n })],
      [await line(broken)],
    ]
    for (const [at, batch] of batches.entries()) await test.engine.execute(BigInt(at) + 1n, batch)
    const late = await open({ other: test })
    const target = { ...test.engine.lastExecuted(), replicas: [1] }
    await late.engine.transfer(target, { signal: new AbortController().signal })
    expect(late.engine.tip).to.deep.equal(test.engine.tip)
    expect(inForce(late)).to.deep.equal([1, 5n])
    expect(told()).to.deep.equal([
      { rules: 2, fromBlock: 3n },
      { rules: 1, fromBlock: 5n },
    ])
  })

  it('brings its state over switches that are stored and not applied yet', async () => {
    const test = await open()
    const batches = [
      [await line(broken)],
      [await switchTo({ rules: 2 })],
      [await line(broken)],
      [await switchTo({ rules: 1, block: 3n }), await line(broken)],
    ]
    for (const [at, batch] of batches.entries()) await test.engine.execute(BigInt(at) + 1n, batch)
    const fresh = await open()
    for (let number = 1n; number < test.storage.ledger.height; number++) {
      const block = (await test.storage.ledger.block(number))!
      const txIds = transactionsOf(decode(common.BlockSchema, block)).map(({ txId }) => txId)
      await fresh.storage.ledger.append({ block, txIds })
    }
    const again = await fresh.reopen()
    engines = [test, again]
    expect(again.engine.tip).to.deep.equal(test.engine.tip)
    expect(inForce(again)).to.deep.equal([1, 5n])
  })

  it('gives under rules 1 the answer to a bad switch that there always was', async () => {
    const test = await open()
    const { client } = await testMembers()
    const bad = [
      transaction(client, { contract: 'rules', input: '{"id":"forged"}' }),
      transaction(client, { contract: 'rules', input: '' }),
      await switchTo({ rules: 1 }),
      await switchTo({ rules: 2, block: 2n }),
      await switchTo({ rules: 2, channelId: 'other' }),
    ]
    await test.engine.execute(1n, bad)
    const never = 'no such contract: rules'
    expect(await made(test, 1n)).to.deep.equal([
      1,
      bad.map(() => INVALID_OTHER_REASON),
      ...bad.map(() => never),
    ])
    expect(inForce(test)).to.deep.equal([1, 0n])
  })

  it('says under rules 2 what is wrong with a switch', async () => {
    const test = await open({ rules: 2 })
    const { client, validators } = await testMembers()
    const offer = await offerOf(0, { rules: 1 })
    const stranger = await offerOf(1, { rules: 1, as: 0 })
    const withOffer = (each: heddle.SignedRulesOffer): Buffer =>
      transaction(validators[0]!, { contract: 'rules', input: encodeSwitch([each]) })
    await test.engine.execute(1n, [
      transaction(client, { contract: 'rules', input: '{"id":"forged"}' }),
      await switchTo({ rules: 2 }),
      await switchTo({ rules: 1, block: 2n }),
      withOffer(stranger),
      withOffer(offer),
    ])
    expect(await made(test, 1n)).to.deep.equal([
      2,
      [
        INVALID_OTHER_REASON,
        INVALID_OTHER_REASON,
        INVALID_OTHER_REASON,
        INVALID_OTHER_REASON,
        VALID,
      ],
      RejectionCode.SWITCH_MALFORMED,
      RejectionCode.SWITCH_TO_NOTHING_ELSE,
      RejectionCode.SWITCH_NOT_GOOD_HERE,
      RejectionCode.SWITCH_NOT_SIGNED,
    ])
  })

  it('makes one switch in a block, and none with used offers', async () => {
    const test = await open({ rules: 2 })
    const first = await switchTo({ rules: 1 })
    const second = [await switchTo({ rules: 2 }), await switchTo({ rules: 1 })]
    await test.engine.execute(1n, [first, ...second])
    expect(inForce(test)).to.deep.equal([1, 2n])
    await test.engine.execute(2n, [await switchTo({ rules: 2, block: 2n })])
    expect(inForce(test)).to.deep.equal([2, 3n])
    // The very transaction is in a block already; its offers in another one are from before.
    await test.engine.execute(3n, [first])
    expect(test.engine.tip.height).to.equal(3n)
    await test.engine.execute(4n, [
      await switchTo({ rules: 1 }),
      await switchTo({ rules: 1, block: 2n }),
    ])
    expect(await made(test, 3n)).to.deep.equal([
      2,
      [INVALID_OTHER_REASON, INVALID_OTHER_REASON],
      RejectionCode.SWITCH_NOT_GOOD_HERE,
      RejectionCode.SWITCH_NOT_GOOD_HERE,
    ])
    expect(inForce(test)).to.deep.equal([2, 3n])
  })

  it('makes none with an offer that has expired', async () => {
    const test = await open({ rules: 2 })
    const offer = { rules: 1, block: 1n }
    let sequence = 0n
    while (test.engine.tip.height <= offerBlocks)
      await test.engine.execute(++sequence, [await line({ input: `{"id":${sequence}}` })])
    const [last, late] = [await switchTo(offer), await switchTo({ ...offer, rules: 3 })]
    await test.engine.execute(++sequence, [late])
    expect(await made(test, offerBlocks + 1n)).to.deep.equal([
      2,
      [INVALID_OTHER_REASON],
      RejectionCode.SWITCH_NOT_GOOD_HERE,
    ])
    await test.engine.execute(sequence + 1n, [last])
    expect(inForce(test)).to.deep.equal([2, 0n])
  }).timeout(120_000)

  it('stops when rules come that it does not know, and does not start again', async () => {
    const test = await open()
    expect(await codeOf(test.engine.execute(1n, [await switchTo({ rules: 7 })]))).to.equal(
      'PEER_UNKNOWN_RULES',
    )
    expect(unknown.map(({ message }) => message)).to.deep.equal([
      'block 2 needs rules 7; this software knows 1, 2',
    ])
    const late = await open({ other: test })
    const target = { ...test.engine.lastExecuted(), replicas: [1] }
    const transferred = late.engine.transfer(target, { signal: new AbortController().signal })
    expect(await codeOf(transferred)).to.equal('PEER_UNKNOWN_RULES')
    expect(unknown, 'whoever runs it hears of it').to.have.length(2)

    for (const each of [test, late]) {
      const error: unknown = await each.reopen().catch((reason: unknown) => reason)
      expect(isCodedError(error, 'PEER_UNKNOWN_RULES')).to.equal(true)
      expect(error).to.include({
        message: 'block 2 needs rules 7; this software knows 1, 2',
        cure: 'install a version of heddle that knows rules 7',
      })
    }
    engines = []
  })
})
