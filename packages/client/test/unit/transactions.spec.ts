import { expect } from 'chai'
import { systemClock } from '@heddle/events'
import { OrdererError } from '@heddle/orderer'
import { common, decode, encode } from '@heddle/proto'
import { ClientError } from '../../src/index.ts'
import { Transactions } from '../../src/transactions.ts'
import { SignedNetwork } from '../support/signed-network.ts'
import type { Deviation } from '../support/signed-network.ts'

const good = { contract: 'records', input: '{"id":1}' }
const bad = { contract: 'records', input: 'bad' }

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => error,
  )

/** The same block, of which a source says that all of it was rejected. */
function withOtherCodes(bytes: Uint8Array): Uint8Array {
  const block = decode(common.BlockSchema, bytes)
  const slots = block.metadata!.metadata
  if (block.header!.number > 0n) slots[2] = Buffer.alloc(slots[2]!.length, 255)
  return encode(common.BlockSchema, block)
}

describe('Transactions', function () {
  this.timeout(60_000)
  const closing = new ClientError('CLIENT_CLOSED', 'closed')
  const made: Transactions[] = []
  let network: SignedNetwork
  beforeEach(async () => {
    network = await SignedNetwork.make()
  })
  afterEach(async () => {
    for (const each of made.splice(0)) await each.stop(closing)
    await network.stop()
  })

  async function start(...deviations: Deviation[]): Promise<Transactions> {
    for (const each of deviations) await network.serve(each)
    return another()
  }

  /** A client that knows nothing of those before it. */
  function another(): Transactions {
    const transactions = new Transactions({ client: network.client(), clock: systemClock })
    made.push(transactions)
    return transactions
  }

  const honest = {}
  const submit = async (to: Transactions, call: typeof good, signal?: AbortSignal) =>
    to.submit(await to.sign(call, {}), signal === undefined ? {} : { signal })

  it('tells in which block each stands, whether it was accepted, and why not', async () => {
    const to = await start(honest, honest, honest, honest)
    expect(await submit(to, good)).to.include({ block: 1n, accepted: true })
    const { code, ...outcome } = await submit(to, bad)
    expect(outcome).to.include({ block: 2n, accepted: false })
    expect(outcome.reason).to.equal('not JSON: it ends too soon')
    expect(code).to.equal(4)
  })

  it('believes no outcome that a quorum did not sign, whoever acknowledged it', async () => {
    const liar = { alter: withOtherCodes }
    const to = await start(liar, honest, honest, honest)
    for (const block of [1n, 2n, 3n])
      expect(await submit(to, good)).to.include({ block, accepted: true })
  })

  it('gives the same outcome for the same bytes, whoever submits them again', async () => {
    const to = await start(honest, honest, honest, honest)
    const signed = await to.sign(good, {})
    const [first, together] = await Promise.all([to.submit(signed, {}), to.submit(signed, {})])
    await submit(to, bad)
    expect(together).to.deep.equal(first)
    expect(await to.submit(signed, {})).to.deep.equal(first)
    expect(await another().submit(signed, {})).to.deep.equal(first)
    expect(network.height).to.equal(3)
  })

  it('gives up what f + 1 refuse, and not what one does', async () => {
    const refuse = (): Promise<void> =>
      Promise.reject(new OrdererError('ORDERER_FORBIDDEN', 'may not write'))
    const to = await start({ submit: refuse }, honest, honest, honest)
    expect(await submit(to, good)).to.include({ accepted: true })
    await network.stop()
    const refused = await start(...Array<Deviation>(4).fill({ submit: refuse }))
    const failure = await failureOf(submit(refused, good))
    expect(failure).to.be.instanceOf(ClientError).and.include({ code: 'CLIENT_REFUSED' })
    expect(String(failure)).to.match(/may not write/)
  })

  it('ends its wait when the signal aborts, and when it is closed', async () => {
    const never = { submit: () => new Promise<void>(() => undefined) }
    const to = await start(never, never, never, never)
    const stop = new AbortController()
    const reason = new Error('enough')
    const [aborted, closed] = [
      failureOf(submit(to, good, stop.signal)),
      failureOf(submit(to, good)),
    ]
    await to.sign(good, {})
    stop.abort(reason)
    expect(await aborted).to.equal(reason)
    await to.stop(closing)
    expect(await closed).to.equal(closing)
    expect(await failureOf(submit(to, good))).to.equal(closing)
  })
})
