import { expect } from 'chai'
import { compareMs, unseenTimeoutMs } from '@heddle/client'
import { systemClock } from '@heddle/events'
import { OrdererError, createOrdererServer } from '@heddle/orderer'
import { MemoryChain } from '@heddle/orderer/testing'
import { common, decode } from '@heddle/proto'
import { TransactionReader } from '../../src/engine/transaction.ts'
import { Submissions } from '../../src/network/submissions.ts'
import { Submitter } from '../../src/network/submitter.ts'
import { channelId, testClock, testMembers } from '../support/channel.ts'
import type { NetworkClient } from '@heddle/client'
import type { Clock } from '@heddle/interface'
import type { OrdererServer } from '@heddle/orderer'
import type { MemoryChainOptions } from '@heddle/orderer/testing'
import type { InputLine } from '../../src/input/ndjson.ts'

async function* lines(...texts: string[]): AsyncGenerator<InputLine> {
  for (const [index, text] of texts.entries()) {
    await Promise.resolve()
    yield { number: index + 1, text }
  }
}

const records = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `{"id":${index}}`)

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => error,
  )

describe('Submitter', () => {
  const servers: OrdererServer[] = []
  let submitter: Submitter | undefined

  afterEach(async () => {
    await submitter?.stop()
    for (const server of servers.splice(0)) await server.stop({ signal: AbortSignal.abort() })
  })

  async function serve(options: Partial<MemoryChainOptions> = {}) {
    const { clients, ordering } = await testMembers()
    const [tls, serverTls] = await Promise.all([clients.tls('client'), ordering.tls('validator0')])
    const chain = new MemoryChain({ channelId, ...options })
    const server = createOrdererServer(
      { chains: () => chain, clock: systemClock },
      {
        listen: { host: 'localhost', port: 0 },
        tls: { ...serverTls, roots: [...serverTls.roots, ...tls.roots] },
      },
    )
    await server.start()
    servers.push(server)
    return { chain, endpoint: { address: server.address ?? '', roots: serverTls.roots } }
  }

  async function submitterTo(
    endpoints: NetworkClient['endpoints'],
    window: number,
    clock: Clock = systemClock,
  ) {
    const { clients, client: signer } = await testMembers()
    const tls = await clients.tls('client')
    const client: NetworkClient = {
      channelId,
      genesis: Buffer.alloc(0),
      signer,
      tls: { certificate: Buffer.from(tls.certificate), key: Buffer.from(tls.key) },
      endpoints,
      validators: [],
      close: () => undefined,
    }
    const submissions = new Submissions()
    const failure = new AbortController()
    const onFailure = (error: Error): void => failure.abort(error)
    submitter = new Submitter({ client, submissions, clock }, { window, onFailure })
    return { submissions, submitter, failed: failure.signal }
  }

  async function start(window: number, options: Partial<MemoryChainOptions> = {}) {
    const { chain, endpoint } = await serve(options)
    return { chain, ...(await submitterTo([endpoint], window)) }
  }

  it('sends as many as the window lets through, and the rest as they are answered', async () => {
    const { chain, submissions, submitter: one } = await start(3)
    chain.hold()
    const all = one.submitAll(lines(...records(8)), new AbortController().signal)
    await chain.queued(3)
    expect(submissions.counts).to.include({ submitted: 3, acknowledged: 0 })
    chain.release()
    await all
    expect(submissions.counts).to.include({ submitted: 8, acknowledged: 8 })
    expect(one.problemCount).to.equal(0)
  })

  for (const [what, count] of [
    ['for room', 8],
    ['for the last answers', 3],
  ] as const) {
    it(`rejects with the reason of its signal while it waits ${what}`, async () => {
      const { chain, submitter: one } = await start(3)
      chain.hold()
      const stop = new AbortController()
      const all = rejection(one.submitAll(lines(...records(count)), stop.signal))
      await chain.queued(3)
      const reason = new Error('stopped by a person')
      stop.abort(reason)
      expect(await all).to.equal(reason)
      await one.stop()
      expect(one.problemCount).to.equal(0)
    })
  }

  it('goes on after lines that are no JSON objects, and after such as are refused', async () => {
    let asked = 0
    const { submissions, submitter: one } = await start(1, {
      authorize: () =>
        ++asked === 1
          ? Promise.reject(new OrdererError('ORDERER_FORBIDDEN', 'may not write'))
          : Promise.resolve({}),
    })
    const input = lines('{"id":1}', '[]', '{"id":2}')
    await one.submitAll(input, new AbortController().signal)
    expect(submissions.counts).to.include({ submitted: 1, acknowledged: 1 })
    expect(one.problemCount).to.equal(2)
    const problems = new Map(one.problems.map(({ line, problem }) => [line, problem]))
    expect(problems.get(1)).to.match(/^refused: .*FORBIDDEN/)
    expect(problems.get(2)).to.equal('not a JSON object')
  })

  it('refuses no line that it sent and of which nobody could be asked any more', async () => {
    const { chain, endpoint } = await serve()
    const clock = testClock()
    const { submissions, submitter: one, failed } = await submitterTo([endpoint], 10, clock)
    chain.hold()
    const all = rejection(one.submitAll(lines(...records(2)), failed))
    await chain.queued(2)
    await servers.pop()!.stop({ signal: AbortSignal.abort() })
    while (!failed.aborted) {
      await clock.advance(1000)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await all).to.include({ code: 'PEER_NETWORK_UNAVAILABLE' })
    expect(one.problems).to.deep.equal([])
    expect(submissions.openRuns()).to.deep.equal([{ first: 1, last: 2, count: 2 }])
  })

  it('sends what was acknowledged and is in no block to another, once', async () => {
    const [liar, honest] = [await serve(), await serve()]
    const clock = testClock()
    const endpoints = [liar.endpoint, honest.endpoint]
    const { submissions, submitter: one } = await submitterTo(endpoints, 10, clock)
    await one.submitAll(lines(...records(2)), new AbortController().signal)
    const [seen, unseen] = [...submissions.all()].map(({ submission }) => submission.txId)
    submissions.seen(seen!, { block: 1n, accepted: true })
    await clock.advance(unseenTimeoutMs - 1)
    expect(honest.chain.height()).to.equal(0n)
    await clock.advance(compareMs)
    while (honest.chain.height() === 0n) await new Promise((resolve) => setImmediate(resolve))
    const block = decode(common.BlockSchema, (await honest.chain.block(0n))!)
    expect(block.data!.data.map((each) => new TransactionReader().read(each).txId)).to.deep.equal([
      unseen,
    ])
    expect(submissions.counts).to.include({ submitted: 2, acknowledged: 2 })
    expect(one.problemCount).to.equal(0)
  })
})
