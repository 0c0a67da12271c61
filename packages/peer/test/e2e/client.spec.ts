import { expect } from 'chai'
import { connect } from '@heddle/client'
import { Sandbox } from '../support/heddle.ts'
import { Validators } from '../support/validators.ts'
import type { Network } from '@heddle/client'

describe('an application that calls a network', function () {
  this.timeout(180_000)
  const sandbox = new Sandbox()
  let validators: Validators
  let network: Network

  before(async () => {
    await sandbox.open()
    validators = await Validators.make(sandbox, 'net')
    await validators.startAll()
    network = await connect({ folder: validators.dir })
  })
  after(async () => {
    try {
      await network.close()
      await validators.stop()
    } finally {
      await sandbox.close()
    }
  })

  const record = (id: string, text: string) => {
    return { contract: 'records', input: JSON.stringify({ id, text }) }
  }

  it('submits, learns what became of it, and reads it as f + 1 have it', async () => {
    const { block, ...first } = await network.submit(record('a', 'one'))
    expect(first).to.include({ accepted: true })
    const other = await network.submit(record('a', 'two'))
    expect(other).to.include({ accepted: false, reason: 'record a exists with other content' })
    expect(other.block > block).to.equal(true)
    const { value, validators: who } = await network.query('records', 'a')
    expect(Buffer.from(value!).toString()).to.equal(record('a', 'one').input)
    expect(who.length).to.be.greaterThan(1)
  })

  it('follows the transactions from where it left off', async () => {
    const { block } = await network.submit(record('b', 'one'))
    const ids: string[] = []
    const rest = network.transactions({ from: block, follow: true })
    for await (const { txId } of rest) {
      ids.push(txId)
      if (ids.length === 2) break
      await network.submit(record('c', 'one'))
    }
    expect(new Set(ids).size).to.equal(2)
  })

  it('submits the same bytes again without a second execution, also as another client', async () => {
    const signed = await network.sign(record('d', 'one'))
    const first = await network.submit(signed)
    const { endpoints, genesis, signer, tls } = validators.client
    await using other = await connect({ validators: endpoints, genesis, signer, tls })
    expect(await other.submit(signed)).to.deep.equal(first)
    let seen = 0
    for await (const { txId } of other.transactions({ from: signed.from }))
      if (txId === signed.txId) seen++
    expect(seen).to.equal(1)
  })

  it('asks each validator, and goes on without one', async () => {
    await validators.kill(validators.names[0]!)
    expect(await network.submit(record('e', 'one'))).to.include({ accepted: true })
    const words = await network.status()
    expect(words.map(({ status }) => status !== undefined)).to.deep.equal([false, true, true, true])
    expect(words[0]!.failure).to.include({ code: 'CLIENT_UNAVAILABLE' })
  })
})
