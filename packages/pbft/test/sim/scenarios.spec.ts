import { expect } from 'chai'
import { decodeFrame } from '../../src/wire/frame.ts'
import { behaviours, Cluster } from '../../src/testing.ts'
import type { BehaviourName, ClusterOptions } from '../../src/testing.ts'
import type { ReplicaNotification } from '../../src/types.ts'

/** Submits `count` requests to the running correct replicas in turn, one every `everyMs`. */
async function load(cluster: Cluster, prefix: string, count: number, everyMs = 5): Promise<void> {
  for (let i = 0; i < count; i++) {
    const running = cluster.correct.filter((id) => cluster.isRunning(id))
    cluster.submit(running[i % running.length]!, `${prefix} ${i}`)
    await cluster.run(everyMs, everyMs)
  }
}

async function withCluster(
  options: ClusterOptions,
  test: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const cluster = new Cluster(options)
  try {
    await test(cluster)
  } finally {
    await cluster.stop()
  }
}

/** Fields of `heddle.pbft.Message`. */
const fields = {
  prePrepare: 1,
  prepare: 2,
  commit: 3,
  newView: 6,
  status: 7,
  fetchBatch: 8,
  batch: 9,
} as const

/** The fields of the messages in a frame. */
const fieldsOf = (frame: Uint8Array): number[] =>
  decodeFrame(frame).map((message) => message[0]! >> 3)

const allExecuted = (cluster: Cluster): boolean =>
  cluster.submissions.every((submission) => submission.outcome === 'executed')

describe('simulated cluster', function () {
  this.timeout(30_000)

  it('orders requests of all replicas in the same way, each once', () =>
    withCluster({ seed: 1 }, async (cluster) => {
      await cluster.start()
      await load(cluster, 'request', 60)
      await cluster.runUntilLevel(5_000)
      expect(allExecuted(cluster)).to.equal(true)
      expect(cluster.machine(3).executedIds).to.have.length(60)
    }))

  it('runs again byte for byte from the same seed, and otherwise from another', async () => {
    const run = async (seed: number): Promise<string> => {
      const cluster = new Cluster({ seed, faults: { loss: 0.05, duplication: 0.1 } })
      await cluster.start()
      await load(cluster, 'request', 40)
      cluster.crash(2)
      await load(cluster, 'more', 40)
      await cluster.start(2)
      await cluster.runUntilLevel(20_000)
      await cluster.stop()
      return cluster.network.transcript()
    }
    const [first, second, other] = [await run(7), await run(7), await run(8)]
    expect(first).to.equal(second)
    expect(first).to.not.equal(other)
  })

  it('gets on with 10 % loss, duplication and reordering, and levels when that ends', () =>
    withCluster(
      { seed: 2, faults: { loss: 0.1, duplication: 0.1, maxDelayMs: 50 } },
      async (cluster) => {
        await cluster.start()
        await load(cluster, 'request', 100, 20)
        cluster.network.faults = { ...cluster.network.faults, loss: 0 }
        await cluster.runUntilLevel(30_000)
        expect(allExecuted(cluster)).to.equal(true)
      },
    ))

  it('primary silent from the start: the next one takes over, within 5 seconds', () =>
    withCluster({ seed: 3 }, async (cluster) => {
      await cluster.start(1, 2, 3)
      for (let i = 0; i < 9; i++) cluster.submit(1 + (i % 3), `request ${i}`)
      await cluster.runUntilLevel(5_000)
      expect(cluster.status(2)).to.include({ view: 1n, activeView: true })
    }))

  it('primary killed under load: nothing acknowledged is lost, and it catches up without new traffic', () =>
    withCluster({ seed: 4 }, async (cluster) => {
      await cluster.start()
      await load(cluster, 'before', 60)
      cluster.crash(0)
      await load(cluster, 'after', 300)
      await cluster.runUntilLevel(10_000)
      await cluster.start(0)
      const level = () =>
        cluster.machine(0).lastExecuted().sequence === cluster.machine(1).lastExecuted().sequence
      await cluster.runUntil(level, 3_000, 'catching up')
      expect(cluster.status(0).view).to.equal(cluster.status(1).view)
    }))

  it('backup away for more than a window: it is level 3 seconds after it came back', () =>
    withCluster({ seed: 5, replica: { batchSize: 1, checkpointPeriod: 2 } }, async (cluster) => {
      await cluster.start()
      cluster.network.partition([[0, 1, 2], [3]])
      for (let i = 0; i < 80; i++) {
        cluster.submit(i % 3, `request ${i}`)
        await cluster.run(20, 20)
      }
      cluster.network.partition(undefined)
      await cluster.runUntilLevel(3_000)
      expect(cluster.machine(3).history.length).to.be.at.least(80)
    }))

  it('all replicas killed at once: acknowledged requests are there after the restart, and it goes on', () =>
    withCluster({ seed: 6 }, async (cluster) => {
      await cluster.start()
      await load(cluster, 'before', 50)
      for (const id of [0, 1, 2, 3]) cluster.crash(id)
      await cluster.start()
      await load(cluster, 'after', 20)
      await cluster.runUntilLevel(10_000)
    }))

  it('full partition for 10 seconds: progress within 5 seconds of its end', () =>
    withCluster({ seed: 8 }, async (cluster) => {
      await cluster.start()
      await load(cluster, 'before', 20)
      cluster.network.partition([
        [0, 1],
        [2, 3],
      ])
      for (const id of [0, 1, 2, 3]) cluster.submit(id, `cut off ${id}`)
      await cluster.run(10_000)
      cluster.network.partition(undefined)
      await cluster.runUntilLevel(5_000)
    }))

  it('two next primaries in a row dead, of seven: the third one orders', () =>
    withCluster({ seed: 9, n: 7 }, async (cluster) => {
      await cluster.start()
      await load(cluster, 'before', 20)
      cluster.crash(0)
      cluster.crash(1)
      await load(cluster, 'after', 20)
      await cluster.runUntilLevel(20_000)
      expect(cluster.status(3).view).to.equal(2n)
    }))

  it('a request known to one backup only, which cannot reach the primary, is executed', () =>
    withCluster({ seed: 10 }, async (cluster) => {
      await cluster.start()
      cluster.network.filter = (from, to) => !(from === 3 && to === 0)
      cluster.submit(3, 'mine')
      await cluster.runUntilLevel(5_000)
      expect(cluster.status(1).view, 'without a view change').to.equal(0n)
    }))

  it('a request that one primary leaves out while it orders others makes it lose its office', () =>
    withCluster({ seed: 11 }, async (cluster) => {
      await cluster.start()
      // What replica 3 sends never reaches the machine of the primary’s requests: censorship.
      const victim = Buffer.from('victim').toString('latin1')
      cluster.network.filter = (_from, to, bytes) =>
        to !== 0 || !Buffer.from(bytes).toString('latin1').includes(victim)
      const submission = cluster.submit(3, 'victim')
      for (let i = 0; i < 200 && submission.outcome === 'pending'; i++) {
        cluster.submit(i % 3, `other ${i}`)
        await cluster.run(50, 50)
      }
      expect(submission.outcome).to.equal('executed')
      expect(Number(cluster.status(1).view)).to.be.greaterThan(0)
    }))

  it('the same request at every replica is executed once, over a view change too', () =>
    withCluster({ seed: 12 }, async (cluster) => {
      await cluster.start()
      for (const id of [1, 2, 3]) cluster.submit(id, 'same')
      await cluster.run(3, 1)
      cluster.crash(0)
      for (const id of [1, 2, 3]) cluster.submit(id, 'same')
      await cluster.runUntilLevel(10_000)
      expect(cluster.machine(1).executedIds).to.have.length(1)
      expect(allExecuted(cluster)).to.equal(true)
    }))

  it('a replica that stays out of the view alone still executes, and its requests are ordered', () =>
    withCluster({ seed: 13 }, async (cluster) => {
      await cluster.start()
      await cluster.run(100)
      cluster.network.partition([[0, 1, 2], [3]])
      cluster.submit(3, 'cut off')
      await cluster.run(4_000)
      expect(cluster.status(3).activeView).to.equal(false)
      cluster.network.partition(undefined)
      await load(cluster, 'after', 40)
      await cluster.runUntilLevel(10_000)
      expect(allExecuted(cluster)).to.equal(true)
    }))

  it('a replica alone in a later view, which missed batches of two views, gets level though nothing new comes', () => {
    const transfers: number[] = []
    const onEvent = (id: number, { type }: ReplicaNotification): void => {
      if (type === 'transferEnded') transfers.push(id)
    }
    return withCluster({ seed: 16, onEvent }, async (cluster) => {
      const { network } = cluster
      await cluster.start()
      await cluster.run(100)
      network.partition([[0, 1, 2], [3]])
      cluster.submit(1, 'ordered in view 0')
      await cluster.run(500)
      // Primary 0 orders nothing more; in view 1 replica 2 does not prepare again what it executed.
      network.filter = (from, to, frame) =>
        !(from === 0 && fieldsOf(frame).includes(fields.prePrepare)) &&
        !(to === 2 && fieldsOf(frame).includes(fields.prepare))
      cluster.submit(1, 'ordered in view 1')
      const isBegun = () => [0, 1, 2].every((id) => cluster.status(id).view === 1n)
      await cluster.runUntil(isBegun, 10_000, 'view 1')
      await cluster.run(100)
      network.filter = undefined
      await cluster.runUntil(() => cluster.machine(0).history.length === 2, 10_000, 'its batch')
      const waiting = cluster.submit(3, 'of a client of 3')
      await cluster.run(3_000)
      network.partition(undefined)
      // Replica 3 learns of view 1 and nothing else, and goes on to view 2, for its request waits.
      const { newView, batch, fetchBatch, status } = fields
      const heard: readonly number[] = [newView, batch, fetchBatch, status]
      network.filter = (from, to, frame) =>
        (from !== 3 && to !== 3) || fieldsOf(frame).every((field) => heard.includes(field))
      await cluster.runUntil(() => cluster.status(3).view === 2n, 10_000, 'view 2')
      network.filter = undefined
      await cluster.runUntilLevel(10_000)
      expect(waiting.outcome).to.equal('executed')
      expect([0, 1, 2, 3].map((id) => cluster.status(id).view)).to.deep.equal([1n, 1n, 1n, 2n])
      expect(transfers).to.deep.equal([3])
      cluster.crash(3)
      await cluster.start(3)
      cluster.submit(3, 'after a restart')
      await cluster.runUntilLevel(10_000)
      expect(allExecuted(cluster)).to.equal(true)
    })
  })

  it('a disk that does not answer: no state is lost or remade, and its replica is level soon after', () =>
    withCluster({ seed: 17, replica: { batchSize: 1, maxJournalQueue: 20 } }, async (cluster) => {
      await cluster.start()
      await load(cluster, 'before', 10)
      await cluster.runUntilLevel(5_000)
      cluster.journal(3).hang()
      for (let i = 0; i < 200; i++) {
        cluster.submit(i % 3, `meanwhile ${i}`)
        await cluster.run(20, 20)
      }
      const refused = cluster.submit(3, 'refused')
      await cluster.run(100)
      expect(refused.error).to.have.property('code', 'PBFT_JOURNAL_BUSY')
      expect(Number(cluster.status(3).highestKnown)).to.be.at.most(10 + 20)
      cluster.journal(3).resume()
      await cluster.runUntilLevel(5_000)
      expect(cluster.machine(3).history.length).to.be.at.least(210)
      expect([0, 3].map((id) => cluster.status(id).view)).to.deep.equal([0n, 0n])
      cluster.submit(3, 'after')
      await cluster.runUntilLevel(5_000)
    }))

  it('restarts at different numbers in an idle network: who is behind gets to where f + 1 others were', () =>
    withCluster({ seed: 18 }, async (cluster) => {
      const { network } = cluster
      const executed = (id: number): number => cluster.machine(id).history.length
      await cluster.start()
      await cluster.run(100)
      network.partition([[0, 1, 2], [3]])
      cluster.submit(3, 'cut off, so that 3 leaves view 0 alone')
      for (let i = 1; i <= 3; i++) {
        cluster.submit(0, `request ${i}`)
        await cluster.runUntil(() => executed(1) === i, 1_000, `number ${i}`)
      }
      await cluster.runUntil(() => cluster.status(3).view === 1n, 5_000, 'view 1 at 3')
      // Replica 1 hears no commits of the fourth. Then all are killed, and 2 for good: it is the faulty one.
      network.filter = (_from, to, frame) => to !== 1 || !fieldsOf(frame).includes(fields.commit)
      cluster.submit(0, 'request 4')
      await cluster.runUntil(() => executed(0) === 4, 1_000, 'number 4')
      for (const id of [0, 1, 2, 3]) cluster.crash(id)
      network.filter = undefined
      network.partition(undefined)
      await cluster.start(0, 1, 3)
      expect([0, 1, 3].map(executed)).to.deep.equal([4, 3, 0])
      await cluster.runUntil(() => executed(3) >= 3, 10_000, 'catching up')
      cluster.submit(0, 'the next one')
      await cluster.runUntilLevel(20_000)
      expect([0, 1, 3].map(executed), 'and the next request brings all level').to.satisfy(
        (heights: number[]) => heights.every((height) => height >= 5),
      )
    }))

  it('many requests of one replica make nobody suspect the primary for a few of another', () =>
    withCluster(
      {
        seed: 15,
        executeMs: 50,
        replica: { batchSize: 5, maxExecutionsInFlight: 1, pipelineDepth: 2 },
      },
      async (cluster) => {
        await cluster.start()
        for (let i = 0; i < 600; i++) cluster.submit(1, `flood ${i}`)
        await cluster.run(100)
        const few = [cluster.submit(2, 'one'), cluster.submit(3, 'another')]
        await cluster.run(1_000)
        expect(few.map((submission) => submission.outcome)).to.deep.equal(['executed', 'executed'])
        await cluster.runUntilLevel(20_000)
        expect(cluster.status(0).view).to.equal(0n)
      },
    ))

  it('idle for a minute: no view change, and nothing but status messages', () =>
    withCluster({ seed: 14 }, async (cluster) => {
      await cluster.start()
      await load(cluster, 'request', 15)
      await cluster.runUntilLevel(5_000)
      await cluster.run(3_000)
      const before = cluster.network.delivered
      await cluster.run(60_000, 1_000)
      expect(cluster.network.delivered - before).to.equal(60 * 12)
      expect(cluster.status(0).view).to.equal(0n)
    }))

  for (const name of Object.keys(behaviours) as BehaviourName[]) {
    for (const liar of [0, 3]) {
      it(`${name} ${liar === 0 ? 'primary' : 'backup'}: the others agree and make progress`, () =>
        withCluster(
          { seed: 100 + liar, liars: { [liar]: name }, replica: { checkpointPeriod: 2 } },
          async (cluster) => {
            await cluster.start()
            await load(cluster, 'request', 40)
            await cluster.runUntilLevel(30_000)
            await load(cluster, 'later', 10)
            await cluster.runUntilLevel(30_000)
            expect(allExecuted(cluster)).to.equal(true)
          },
        ))
    }
  }
})
