import { expect } from 'chai'
import { decodeMessage } from '../../src/wire/codec.ts'
import { busyFactor, loneIntervals, maxLeap } from '../../src/core/lone.ts'
import { Encoder } from '../../src/wire/encoder.ts'
import { resolveReplicaOptions } from '../../src/options.ts'
import { decodeFrame } from '../../src/wire/frame.ts'
import { checkRecovery, Cluster } from '../../src/testing.ts'
import type { ClusterOptions } from '../../src/testing.ts'

const timeouts = { requestTimeoutMs: 5_000, viewChangeTimeoutMs: 5_000 }

async function withCluster(
  options: ClusterOptions,
  test: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const cluster = new Cluster(options)
  try {
    await cluster.start()
    await test(cluster)
  } finally {
    await cluster.stop()
  }
}

/** Submits one request each 100 ms to replica `to`. */
async function load(cluster: Cluster, to: number, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    cluster.submit(to, `load ${cluster.submissions.length}`)
    await cluster.run(100, 100)
  }
}

/** How long it takes until a request that `to` gets now is executed there. */
async function timeToExecute(cluster: Cluster, to: number): Promise<number> {
  const start = cluster.clock.now()
  const submission = cluster.submit(to, `request ${cluster.submissions.length}`)
  await cluster.runUntil(() => submission.outcome === 'executed', 300_000, 'an execution')
  return cluster.clock.now() - start
}

const isNewView = (frame: Uint8Array): boolean =>
  decodeFrame(frame).some((bytes) => {
    const message = decodeMessage(bytes)
    return message.type === 'signed' && message.kind === 'new-view'
  })

describe('trouble that is over', function () {
  this.timeout(30_000)

  for (const views of [1, 2, 3, 5])
    it(`costs nothing any more: ${views} views that never began`, () =>
      withCluster({ seed: 7, replica: timeouts }, async (cluster) => {
        await load(cluster, 3, 1_000)
        cluster.network.filter = (_from, _to, frame) => !isNewView(frame)
        cluster.crash(0)
        cluster.submit(3, 'in trouble')
        await cluster.runUntil(() => Number(cluster.status(3).view) > views, 300_000, 'views')
        cluster.network.filter = undefined
        await cluster.runUntilLevel(300_000)
        await cluster.start(0)
        await cluster.runUntilLevel(10_000)
        expect(await checkRecovery(cluster)).to.equal(true)
      }))

  for (const n of [4, 7, 10, 13])
    it(`costs nothing any more: f dead primaries in a row, of ${n}`, () =>
      withCluster({ seed: 7, n }, async (cluster) => {
        await load(cluster, n - 1, 1_000)
        const dead = Array.from({ length: Math.floor((n - 1) / 3) }, (_, id) => id)
        for (const id of dead) cluster.crash(id)
        await timeToExecute(cluster, n - 1)
        await cluster.start(...dead)
        await cluster.runUntilLevel(30_000)
        expect(await checkRecovery(cluster)).to.equal(true)
      }))
})

describe('the crash of the primary', function () {
  this.timeout(60_000)

  for (const n of [4, 7])
    for (let seed = 1; seed <= 10; seed++)
      it(`costs a time-out and the messages of a view change, no status interval: seed ${seed}, n = ${n}`, () =>
        withCluster({ seed, n }, async (cluster) => {
          // At any point of a status interval.
          await cluster.run(2_000 + 100 * seed)
          cluster.crash(0)
          const { requestTimeoutMs } = resolveReplicaOptions({ id: 1, n })
          expect(await timeToExecute(cluster, n - 1)).to.be.at.most(requestTimeoutMs + 100)
        }))
})

describe('with one backup dead', function () {
  this.timeout(30_000)

  it('one that leaves a healthy primary alone stops the others for less than a time-out, though the dead one is next', () =>
    withCluster({ seed: 7, replica: timeouts }, async (cluster) => {
      cluster.crash(1)
      await load(cluster, 2, 3_000)
      // Nobody but replica 3 ever hears of this one.
      const victim = Buffer.from('victim').toString('latin1')
      cluster.network.filter = (_from, _to, frame) =>
        !Buffer.from(frame).toString('latin1').includes(victim)
      cluster.submit(3, 'victim')
      while (cluster.status(3).view === 0n) await load(cluster, 2, 100)
      cluster.network.filter = undefined
      expect(await timeToExecute(cluster, 2)).to.be.lessThan(5_000)
      expect(cluster.status(2), 'past the dead one').to.include({ view: 2n, activeView: true })
    }))
})

describe('f dead primaries in a row', function () {
  this.timeout(30_000)

  for (const n of [4, 7, 10])
    it(`cost less than two time-outs, of ${n}`, () =>
      withCluster({ seed: 8, n, replica: timeouts }, async (cluster) => {
        await load(cluster, n - 1, 3_000)
        for (let id = 0; id < Math.floor((n - 1) / 3); id++) cluster.crash(id)
        expect(await timeToExecute(cluster, n - 1)).to.be.lessThan(10_000)
      }))
})

describe('a replica that lost its journal', function () {
  this.timeout(30_000)

  for (const seed of [1, 2, 3])
    it(`says nothing that is a vote, restarted again and again with batches under way: seed ${seed}`, () =>
      withCluster({ seed, faults: { loss: 0.2, maxDelayMs: 50 } }, async (cluster) => {
        await load(cluster, 1, 2_000)
        // With nothing executed it would be a new replica, which votes at once.
        while (cluster.status(3).lastExecuted === 0n) await load(cluster, 1, 100)
        cluster.crashAndForget(3)
        for (let life = 0; life < 10; life++) {
          await cluster.start(3)
          // Throws when it votes though it may not.
          await load(cluster, 1, cluster.random.between(300, 1_500))
          cluster.crash(3)
        }
        await cluster.start(3)
        cluster.network.endFaults()
        const canVoteNext = (): boolean => {
          const { notVoting, view } = cluster.status(3)
          return notVoting === undefined || notVoting.endsWith(`before view ${view + 1n}`)
        }
        for (let i = 0; i < 300 && !canVoteNext(); i++) await load(cluster, 1 + (i % 2), 100)
        const { primary, notVoting } = cluster.status(3)
        if (notVoting !== undefined) cluster.crash(primary)
        cluster.submit((primary + 1) % 4, 'ordered in the next view, if not in this one')
        await cluster.runUntilLevel(60_000)
        expect(cluster.status(3).notVoting).to.equal(undefined)
      }))

  for (const isBusy of [true, false])
    it(`votes again though nobody else fails, ${isBusy ? 'under load' : 'when all is quiet'}`, () =>
      withCluster({}, async (cluster) => {
        await load(cluster, 1, 2_000)
        cluster.crashAndForget(3)
        await cluster.start(3)
        // A window of batches, so that nothing that it voted for counts.
        await load(cluster, 1, 5_000)
        const left = isBusy ? busyFactor * loneIntervals + 2 : loneIntervals + 2
        for (let second = 0; second < left; second++)
          await (isBusy ? load(cluster, 1, 1_000) : cluster.run(1_000))
        expect(cluster.status(3)).to.include({ notVoting: undefined, activeView: true })
        await cluster.runUntilLevel(10_000)
        // With one of the others dead it is needed.
        cluster.crash((cluster.status(3).primary + 1) % 4)
        expect(await timeToExecute(cluster, 3)).to.be.below(2_000)
      }))

  for (const isSilentNext of [false, true])
    it(`votes again soon though one told it of a far view once, and ${isSilentNext ? 'is down' : 'is correct'} after that`, () =>
      withCluster({}, async (cluster) => {
        await load(cluster, 1, 2_000)
        cluster.crashAndForget(3)
        let isLying = true
        const { random, clock } = cluster
        const liar = { id: 2, random, clock, signer: cluster.keys.signer(2), timeoutMs: 2_000 }
        const boast = (bytes: Buffer): Uint8Array => {
          const message = decodeMessage(bytes)
          if (!isLying || message.type !== 'plain' || message.message.type !== 'status')
            return bytes
          const { message: honest } = message
          return new Encoder().message({ ...honest, view: honest.view + maxLeap })
        }
        cluster.network.corrupt(2, (bytes) => [boast(bytes)], liar)
        await cluster.start(3)
        await load(cluster, 1, 6_000)
        isLying = false
        expect(cluster.status(3), 'where nobody is').to.include({
          view: 1n + maxLeap,
          activeView: false,
        })
        if (isSilentNext) {
          cluster.crash(2)
          expect(await timeToExecute(cluster, 1)).to.be.below(6_000)
        } else {
          await cluster.run((loneIntervals + 2) * 1_000)
        }
        expect(cluster.status(3)).to.include({ notVoting: undefined, activeView: true })
      }))
})
