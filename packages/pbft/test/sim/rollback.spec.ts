import { expect } from 'chai'
import { Cluster } from '../../src/testing.ts'
import type { ClusterOptions, Submission } from '../../src/testing.ts'

async function withCluster(
  options: ClusterOptions,
  test: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const cluster = new Cluster(options)
  try {
    await cluster.start()
    await cluster.run(100)
    await test(cluster)
  } finally {
    await cluster.stop()
  }
}

/** Submits one request each 100 ms, to one of `to` after the other. @returns what was acknowledged */
async function load(
  cluster: Cluster,
  to: readonly number[],
  ms: number,
  name = 'load',
): Promise<Submission[]> {
  const begun = cluster.submissions.length
  for (let passed = 0; passed < ms; passed += 100) {
    cluster.submit(to[(passed / 100) % to.length]!, `${name} ${cluster.submissions.length}`)
    await cluster.run(100, 100)
  }
  return cluster.submissions.slice(begun).filter(({ outcome }) => outcome === 'executed')
}

/** Whether the state of every replica has all of these, in one order. */
function expectKept(cluster: Cluster, acknowledged: readonly Submission[]): void {
  const orders = cluster.correct.map((id) => cluster.machine(id).executedIds)
  for (const order of orders) expect(order).to.deep.equal(orders[0])
  const texts = new Set(
    orders[0]!.map((id) => Buffer.from(cluster.machine(0).requestOf(id)!).toString()),
  )
  const lost = acknowledged.map(({ request }) => Buffer.from(request).toString())
  expect(lost.filter((text) => !texts.has(text))).to.deep.equal([])
}

const heights = (cluster: Cluster): bigint[] =>
  cluster.correct.map((id) => cluster.machine(id).lastExecuted().sequence)

describe('a replica that was set back to an older copy', function () {
  this.timeout(60_000)

  for (const [what, seed] of Object.entries({ 'a copy': 1, nothing: 2 }))
    it(`says nothing that contradicts what it said, and votes when the others are past it: ${what}`, () =>
      withCluster({ seed }, async (cluster) => {
        const copy = what === 'nothing' ? undefined : await cluster.copyDisk(3)
        const acknowledged = await load(cluster, [0, 1, 2], 2_000)
        cluster.crashAndSetBack(3, copy)
        await cluster.start(3)
        await cluster.run(500)
        expect(cluster.status(3).notVoting).to.match(
          /^replicas [012], [012](, 2)? heard more from it/,
        )
        acknowledged.push(...(await load(cluster, [0, 1], 10_000)))
        expect(cluster.status(3), 'left for where it votes').to.include({
          view: 1n,
          activeView: false,
        })
        cluster.crash(0)
        acknowledged.push(...(await load(cluster, [1, 2], 10_000)))
        expect(cluster.status(3).notVoting).to.equal(undefined)
        await cluster.start(0)
        await cluster.runUntilLevel(30_000)
        expectKept(cluster, acknowledged)
      }))

  it('is still known when the others were started again since it spoke', () =>
    withCluster({ seed: 3 }, async (cluster) => {
      await load(cluster, [0, 1, 2], 500)
      for (const id of [0, 1, 2, 3]) cluster.crash(id)
      cluster.crashAndSetBack(3)
      await cluster.start()
      await cluster.run(500)
      expect(cluster.status(3).notVoting).to.match(/heard more from it/)
      expect([0, 1, 2].map((id) => cluster.status(id).notVoting)).to.deep.equal([
        ...[undefined, undefined, undefined],
      ])
    }))

  it('is told from a new one: a group of which one comes late goes on with it at once', () =>
    withCluster({ seed: 4 }, async (cluster) => {
      cluster.crashAndSetBack(3)
      const other = new Cluster({ seed: 4 })
      await other.start(0, 1, 2)
      await load(other, [0, 1, 2], 3_000)
      await other.start(3)
      await other.run(500)
      expect(other.status(3).notVoting).to.equal(undefined)
      await other.stop()
    }))

  it('is not made up by a liar', () =>
    withCluster({ seed: 5, liars: { 0: 'accusing' } }, async (cluster) => {
      await load(cluster, [1, 2, 3], 1_000)
      for (const id of [1, 2, 3]) cluster.crash(id)
      await cluster.start()
      await cluster.run(2_000)
      expect([1, 2, 3].map((id) => cluster.status(id).notVoting)).to.deep.equal([
        ...[undefined, undefined, undefined],
      ])
    }))

  it('says whom it waits for when the others are down', () =>
    withCluster({ seed: 6 }, async (cluster) => {
      for (const id of [0, 1, 2, 3]) cluster.crash(id)
      await cluster.start(3)
      await cluster.run(3_000)
      expect(cluster.status(3).notVoting).to.match(/2 must have answered, replicas 0, 1, 2 did not/)
      expect(cluster.status(3).isAsking).to.equal(true)
    }))
})

describe('replicas that were set back together', function () {
  this.timeout(60_000)

  for (const acceptLoss of [false, true])
    it(`three of four: what was acknowledged is not replaced, ${acceptLoss ? 'and all go on where that is accepted' : 'even if nothing moves any more'}`, () =>
      withCluster({ seed: 7, replica: { acceptLoss } }, async (cluster) => {
        await load(cluster, [0, 1, 2], 1_000)
        const copies = await Promise.all([0, 1, 2].map((id) => cluster.copyDisk(id)))
        const acknowledged = await load(cluster, [0, 1, 2, 3], 300)
        await cluster.runUntilLevel(5_000)
        for (const id of [0, 1, 2]) cluster.crashAndSetBack(id, copies[id])
        await cluster.start()
        // Agreement is checked on all that was ever executed.
        acknowledged.push(...(await load(cluster, [0, 1, 2, 3], 3_000)))
        if (!acceptLoss) return
        await cluster.runUntilLevel(60_000)
        expectKept(cluster, acknowledged)
      }))

  for (const seed of [8, 9, 10])
    it(`all, from copies of different ages without journals: nothing moves until all accept losses, then all go on from the furthest copy, seed ${seed}`, async () => {
      const before = new Cluster({ seed })
      await before.start()
      const copies = []
      for (const id of [0, 1, 2, 3]) {
        await load(before, [0, 1, 2], before.random.between(1, 25) * 100)
        copies.push({ ...(await before.copyDisk(id)), journal: [] })
      }
      await before.stop()
      const furthest = copies.reduce((a, b) =>
        b.state!.history.length > a.state!.history.length ? b : a,
      )
      for (const acceptLoss of [false, true]) {
        const cluster = new Cluster({ seed, replica: { acceptLoss } })
        await cluster.start()
        for (const id of [0, 1, 2, 3]) cluster.crashAndSetBack(id, copies[id])
        await cluster.start()
        await cluster.run(5_000)
        if (acceptLoss) {
          const acknowledged = await load(cluster, [0, 1, 2, 3], 10_000, 'later')
          await cluster.runUntilLevel(60_000)
          expectKept(cluster, acknowledged)
          expect(acknowledged.length).to.be.above(90)
          const { history } = cluster.machine(0)
          expect(history.slice(0, furthest.state!.history.length)).to.deep.equal(
            furthest.state!.history,
          )
        } else {
          const stood = heights(cluster)
          for (const id of [0, 1, 2, 3]) {
            expect(cluster.status(id).notVoting).to.match(/^the journal is/)
            expect(cluster.status(id).forgetful).to.have.length(3)
          }
          cluster.submit(0, 'in vain')
          await cluster.run(20_000)
          expect(heights(cluster)).to.deep.equal(stood)
        }
        await cluster.stop()
      }
    })
})
