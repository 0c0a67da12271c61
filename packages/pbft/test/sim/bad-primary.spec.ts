import { expect } from 'chai'
import { weakQuorumOf } from '../../src/index.ts'
import { floodFactor } from '../../src/testing/behaviours.ts'
import { Cluster } from '../../src/testing.ts'
import type { BehaviourName, ClusterOptions } from '../../src/testing.ts'

/** Each run follows from its seed. */
const seeds = Array.from({ length: 20 }, (_, index) => index + 1)

const requestTimeoutMs = 2_000
/** A client's request so often, in milliseconds. */
const everyMs = 50

/** Four replicas, a liar as primary, that have heard of each other. */
async function under(
  liar: BehaviourName,
  seed: number,
  onEvent: ClusterOptions['onEvent'] = () => undefined,
): Promise<Cluster> {
  const cluster = new Cluster({ seed, liars: { 0: liar }, replica: { requestTimeoutMs }, onEvent })
  await cluster.start()
  // The first status message of each arrives.
  await cluster.run(50)
  return cluster
}

/** Clients of the replicas in `at` ask for so long; returns how many were answered in that time. */
async function load(cluster: Cluster, at: readonly number[], ms: number): Promise<number> {
  const answered = (): number =>
    cluster.submissions.filter(({ outcome }) => outcome === 'executed').length
  const before = answered()
  for (let passed = 0; passed < ms; passed += everyMs) {
    const i = cluster.submissions.length
    cluster.submit(at[i % at.length]!, `request ${i}`)
    await cluster.run(everyMs, everyMs)
  }
  return answered() - before
}

/** Clients of one replica, which differs with the seed, or of all that follow the protocol. */
const clientsAt = (seed: number): number[] => [[1], [2], [3], [1, 2, 3]][seed % 4]!

describe('a primary that orders only its own', function () {
  this.timeout(120_000)

  for (const seed of seeds)
    it(`is left in a time-out, and everybody is served from then on: seed ${seed}`, async () => {
      const cluster = await under('starvingPrimary', seed)
      const clients = clientsAt(seed)
      expect(await load(cluster, clients, requestTimeoutMs * 0.95)).to.equal(0)
      expect(cluster.status(1).lastExecuted, 'it orders its own').to.equal(1n)
      await load(cluster, clients, requestTimeoutMs * 0.5)
      expect(cluster.status(1)).to.include({ view: 1n, activeView: true })
      expect(await load(cluster, clients, 4_000)).to.be.greaterThan((0.9 * 4_000) / everyMs)
      await cluster.stop()
    })
})

describe('a primary that takes all the time it has', function () {
  this.timeout(120_000)

  for (const seed of seeds)
    it(`is left before its second batch, and all that is offered is served from then on: seed ${seed}`, async () => {
      const cluster = await under('slowPrimary', seed)
      const clients = clientsAt(seed)
      await load(cluster, clients, requestTimeoutMs)
      expect(cluster.status(1).lastExecuted, 'one batch just in time').to.equal(1n)
      await load(cluster, clients, requestTimeoutMs)
      expect(cluster.status(1)).to.include({ view: 1n, activeView: true })
      expect(await load(cluster, clients, 4_000)).to.be.greaterThan((0.9 * 4_000) / everyMs)
      await cluster.stop()
    })
})

describe('a primary that orders one request at a time, soon each time', function () {
  this.timeout(120_000)

  for (const seed of seeds)
    it(`is left when what it has known for long waits, and all is served from then on: seed ${seed}`, async () => {
      const cluster = new Cluster({
        seed,
        liars: { 0: 'tricklingPrimary' },
        replica: { requestTimeoutMs },
        replicaOf: (id) => (id === 0 ? { batchSize: 1, pipelineDepth: 1 } : {}),
      })
      await cluster.start()
      await cluster.run(50)
      const clients = clientsAt(seed)
      const answered = await load(cluster, clients, 1_000)
      expect(answered, 'one each tenth').to.be.within(1, 6)
      await load(cluster, clients, 5_000)
      expect(cluster.status(1)).to.include({ view: 1n, activeView: true })
      expect(await load(cluster, clients, 4_000)).to.be.greaterThan((0.9 * 4_000) / everyMs)
      await cluster.stop()
    })
})

describe('a primary that floods the others with what is cheap', function () {
  this.timeout(120_000)

  for (const seed of seeds)
    it(`costs nobody the service: seed ${seed}`, async () => {
      const rejected = new Map<string, number>()
      const cluster = await under('flooder', seed, (_replica, event) => {
        if (event.type !== 'rejected') return
        rejected.set(event.code, (rejected.get(event.code) ?? 0) + 1)
      })
      // It may be held back for what it costs, and left then.
      await load(cluster, clientsAt(seed), 2 * requestTimeoutMs)
      // Long beside the change of the view, in whatever part of it that falls.
      expect(await load(cluster, clientsAt(seed), 8_000)).to.be.greaterThan((0.9 * 8_000) / everyMs)
      expect(rejected.get('PBFT_MALFORMED')).to.be.greaterThan(floodFactor)
      await cluster.stop()
    })
})

describe('a frozen primary', function () {
  this.timeout(120_000)

  for (const n of [4, 7])
    for (const seed of seeds)
      it(`is left within two time-outs for a request that any f + 1 backups have: seed ${seed}, n = ${n}`, async () => {
        const cluster = new Cluster({ n, seed, replica: { requestTimeoutMs } })
        await cluster.start()
        await cluster.run(1_500)
        // As by SIGSTOP: connections stay, nothing is answered.
        cluster.network.filter = (from, to) => from !== 0 && to !== 0
        const backups = Array.from({ length: n - 1 }, (_, at) => at + 1)
        const chosen = Array.from({ length: weakQuorumOf(n) }, () =>
          backups.splice(cluster.random.between(0, backups.length - 1), 1),
        ).flat()
        const given = chosen.map((id) => cluster.submit(id, 'the same bytes'))
        const isDone = (): boolean => given.every(({ outcome }) => outcome === 'executed')
        await cluster.runUntil(isDone, 2 * requestTimeoutMs, 'an execution')
        expect(cluster.status(chosen[0]!)).to.include({ view: 1n, activeView: true })
        await cluster.stop()
      })
})

describe('honest replicas that are slow', function () {
  this.timeout(120_000)

  for (const [what, options] of [
    ['disks', { appendMs: 200 }],
    ['executions', { executeMs: 600 }],
    ['a network', { faults: { minDelayMs: 150, maxDelayMs: 300 } }],
    [
      'disks, executions and a network, with batches of one',
      { appendMs: 100, executeMs: 100, faults: { maxDelayMs: 100 }, batchSize: 1 },
    ],
    ['executions, one batch after the other', { executeMs: 300, pipelineDepth: 1 }],
    ['disks, with one backup down', { appendMs: 300, isOneDown: true }],
  ] as const)
    for (const clients of [[1], [1, 2]])
      it(`stay in their view whatever is offered: slow ${what}, clients at ${clients.join(' and ')}`, async () => {
        const {
          batchSize = 500,
          pipelineDepth = 4,
          isOneDown = false,
          ...rest
        } = { batchSize: undefined, pipelineDepth: undefined, isOneDown: undefined, ...options }
        const cluster = new Cluster({
          seed: 5,
          ...rest,
          replica: { batchSize, pipelineDepth, requestTimeoutMs },
        })
        await cluster.start()
        // They may have to ask each other first whether they may vote.
        await cluster.run(5_000)
        if (isOneDown) cluster.crash(3)
        await load(cluster, clients, 15_000)
        for (const id of [1, 2]) expect(cluster.status(id).view).to.equal(0n)
        await cluster.stop()
      })
})
