import { expect } from 'chai'
import { Cluster } from '../../src/testing.ts'
import type { Submission } from '../../src/testing.ts'

/** Each run follows from its seed. */
const seeds = [1, 2]

/** Links that carry ten full batches a second. */
const bytesPerSecond = 1_000_000
const preferredBatchBytes = 100_000
/** Of what there is much of, waiting at each replica all the time: two seconds of what the links carry. */
const waitingBytes = 500_000
const fewEveryMs = 1_000
const stepMs = 50
const runMs = 8_000

/** Keeps every replica full of requests of one length, and gives it one of another client now and then. */
async function run(seed: number, manyBytes: number, fewBytes: number) {
  const cluster = new Cluster({
    ...{ seed, faults: { bytesPerSecond }, replica: { preferredBatchBytes } },
    // Of what there is much of, all is one client's.
    clientOf: ({ length }) => (length === manyBytes ? 'one' : 'another'),
  })
  await cluster.start()
  let submitted = 0
  const submit = (to: number, bytes: number): Submission =>
    cluster.submit(to, `request ${submitted++} `.padEnd(bytes, '.'))
  const isPending = ({ outcome }: Submission): boolean => outcome === 'pending'
  const many = [0, 1, 2, 3].map((): Submission[] => [])
  /** When they were submitted. */
  const few = new Map<Submission, number>()
  let slowestMs = 0
  for (let passed = 0; passed < runMs; passed += stepMs) {
    for (const [to, waiting] of many.entries()) {
      many[to] = waiting.filter(isPending)
      while (many[to].length * manyBytes < waitingBytes) many[to].push(submit(to, manyBytes))
    }
    if (passed % fewEveryMs === 0)
      for (const to of many.keys()) few.set(submit(to, fewBytes), cluster.clock.now())
    await cluster.run(stepMs, stepMs)
    for (const [submission, since] of few) {
      slowestMs = Math.max(slowestMs, cluster.clock.now() - since)
      if (!isPending(submission)) few.delete(submission)
    }
  }
  await cluster.runUntilLevel(10_000)
  const views = many.map((_, id) => cluster.status(id).view)
  const isAll = cluster.submissions.every(({ outcome }) => outcome === 'executed')
  await cluster.stop()
  return { slowestMs, views, isAll }
}

describe('unequal requests on slow links', function () {
  this.timeout(60_000)

  for (const seed of seeds) {
    it(`small ones pass by large ones that wait, and all are executed in one view: seed ${seed}`, async () => {
      const { slowestMs, views, isAll } = await run(seed, 50_000, 1_000)
      expect(slowestMs).to.be.lessThan(1_500)
      expect([isAll, ...views]).to.deep.equal([true, 0n, 0n, 0n, 0n])
    })

    it(`large ones wait for no longer than small ones that fill the links: seed ${seed}`, async () => {
      const { slowestMs, views, isAll } = await run(seed, 10_000, 50_000)
      expect(slowestMs).to.be.lessThan(1_500)
      expect([isAll, ...views]).to.deep.equal([true, 0n, 0n, 0n, 0n])
    })

    it(`those of one client do not wait for all small ones of another: seed ${seed}`, async () => {
      const { slowestMs, views, isAll } = await run(seed, 10_000, 1_000)
      expect(slowestMs).to.be.lessThan(2_000)
      expect([isAll, ...views]).to.deep.equal([true, 0n, 0n, 0n, 0n])
    })
  }

  it('a large one does not wait for all small ones of ten replicas, and no view ends', async () => {
    const [batchSize, perReplica] = [4, 100]
    const cluster = new Cluster({ n: 10, seed: 1, replica: { batchSize } })
    await cluster.start()
    const isPending = ({ outcome }: Submission): boolean => outcome === 'pending'
    const waiting = Array.from({ length: cluster.n }, (): Submission[] => [])
    let submitted = 0
    const fill = async (): Promise<void> => {
      for (const [to, before] of waiting.entries()) {
        const left = (waiting[to] = before.filter(isPending))
        while (left.length < perReplica) left.push(cluster.submit(to, `request ${submitted++}`))
      }
      await cluster.run(stepMs, stepMs)
    }
    for (let passed = 0; passed < 500; passed += stepMs) await fill()
    const large = cluster.submit(2, Buffer.alloc(1_000_000))
    const before = cluster.status(2).lastExecuted
    while (isPending(large) && cluster.status(2).view === 0n) await fill()
    const batches = Number(cluster.status(2).lastExecuted - before)
    expect(batches).to.be.lessThan((0.8 * cluster.n * perReplica) / batchSize)
    expect([large.outcome, cluster.status(2).view]).to.deep.equal(['executed', 0n])
    await cluster.stop()
  })
})
