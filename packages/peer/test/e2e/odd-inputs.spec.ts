import { expect } from 'chai'
import { otherNode } from '@heddle/other-node'
import { rulesContract } from '../../src/switch/switch.ts'
import { corpusAccounts, oddCalls, realisticCalls } from '../support/corpus.ts'
import { Sandbox } from '../support/heddle.ts'
import { submitCalls } from '../support/submit-calls.ts'
import { Validators } from '../support/validators.ts'
import type { CorpusCall } from '../support/corpus.ts'

/** Larger ones cost time on the way and decide nothing: corpus.spec.ts executes them. */
const maxInputBytes = 5000

/** Each had stopped every validator, or split those of two versions of Node. */
const stopping: readonly [what: string, contract: string, input: string][] = [
  ['half a surrogate pair as an id', 'records', '{"id":"lone\\ud800"}'],
  ['a number of 1,102 digits as an id', 'records', `{"id":1.${'0'.repeat(1100)}1}`],
  ['half a surrogate pair in a name', 'accounts', '{"from":"alice","to":"\\ud800x","amount":1}'],
  ['what is no JSON', 'records', '{bad}'],
]

/**
 * The kind: what one permitted client sends stops a validator, or is judged otherwise by another
 * machine. Two validators run on one version of Node, two on another: no quorum without both.
 */
describe('a network on two versions of Node', function () {
  this.timeout(600_000)
  const sandbox = new Sandbox()
  let network: Validators
  let corpus: CorpusCall[] = []
  const [here, there] = [
    ['validator0', 'validator1'],
    ['validator2', 'validator3'],
  ] as const

  const goesOn = async (id: string): Promise<void> => {
    await submitCalls(network.client, [
      { contract: 'records', input: Buffer.from(JSON.stringify({ id })) },
    ])
    // Whoever acknowledged it has it; the others soon.
    await network.level()
    const { value } = await network.client.validators[0]!.get('records', id, {
      timeoutMs: 20_000,
    })
    expect(Buffer.from(value).toString()).to.equal(JSON.stringify({ id }))
  }

  before(async () => {
    await sandbox.open()
    const balances = [...corpusAccounts].map(([name, units]) => [name, Number(units)])
    const accounts = await sandbox.file(
      'accounts.json',
      JSON.stringify(Object.fromEntries(balances)),
    )
    network = await Validators.make(sandbox, 'net', { args: ['--genesis-accounts', accounts] })
    for (const name of here) network.start(name)
    for (const name of there) network.start(name, { node: otherNode })
    await network.ready()
    // A client may not call the contract of switches: its validator refuses to pass that on.
    const odd = (await oddCalls()).filter(
      ({ contract, input }) => contract !== rulesContract && input.length <= maxInputBytes,
    )
    corpus = [...odd, ...realisticCalls(5000)]
  })
  after(async () => {
    try {
      await network.stop()
    } finally {
      await sandbox.close()
    }
  })

  for (const [what, contract, input] of stopping) {
    it(`goes on after ${what}`, async () => {
      await submitCalls(network.client, [{ contract, input: Buffer.from(input) }])
      await goesOn(`after ${what}`)
    })
  }

  it('agrees on the corpus', async () => {
    expect(corpus.length).to.be.above(7000)
    await submitCalls(network.client, corpus)
    await network.level()
    await goesOn('after the corpus')
  })

  it('has the same state when each is opened again by the other version', async () => {
    const before = await network.level()
    for (const name of network.names) await network.kill(name)
    for (const name of here) network.start(name, { node: otherNode })
    for (const name of there) network.start(name)
    await network.ready()
    expect(await network.level()).to.deep.equal(before)
    await goesOn('after the exchange')
  })
})
