import { expect } from 'chai'
import { faultsTolerated, weakQuorumOf } from '../../src/index.ts'
import { Cluster, Random, behaviours, checkRecovery, isOutOfVote } from '../../src/testing.ts'
import type { BehaviourName } from '../../src/testing.ts'

/**
 * Seeds that once failed, with their liars of then, as other names may stand in their place by now.
 * In both a replica hears nothing while it writes a record, so that all are about as slow as the usual
 * time-out: whatever was executed in time made the time-outs short again, and the view changed more
 * than fifty times.
 */
const onceFailed: Readonly<Record<number, Readonly<Record<number, BehaviourName>>>> = {
  1040: { 1: 'garbage', 3: 'wrongVotes', 4: 'wrongVotes' },
  1301: { 3: 'silent' },
}

/**
 * More that once failed. A slow source kept replicas behind for longer than the test waits (6017). What a
 * primary owed of a longer time-out was too much of a shorter one (6314). A liar became a second fault when
 * it was told, after the crash, that it boasts (6680). A liar gave in ever more, so that all were never level (9156).
 */
const failedAsTheyAre = [6017, 6314, 6680, 9156]

/** The seeds to run; each fault plan follows from its seed. More: PBFT_SEEDS=from-to. */
function seeds(): number[] {
  const [first = 1, last = 30] = (process.env['PBFT_SEEDS'] ?? '')
    .split('-')
    .filter(Boolean)
    .map(Number)
  const range = Array.from({ length: last - first + 1 }, (_, at) => first + at)
  return process.env['PBFT_SEEDS'] === undefined
    ? [...range, ...Object.keys(onceFailed).map(Number), ...failedAsTheyAre]
    : range
}

/** The name of a request up to `#`: what follows makes other requests of the same id. */
const idOf = (request: Uint8Array): string => Buffer.from(request).toString().split('#')[0]!

/** One that left alone, or votes in a later view only, is followed when all is quiet for long enough. */
async function allTogether(cluster: Cluster): Promise<void> {
  const isAway = (id: number): boolean => {
    const { activeView, notVoting } = cluster.status(id)
    return !activeView || notVoting !== undefined
  }
  for (let i = 0; i < 600 && cluster.correct.some(isAway); i++) await cluster.run(1_000)
}

/** A cluster of random size, faults and liars, as its seed says; `known`, if given, are its liars. */
function randomCluster(
  seed: number,
  random: Random,
  known?: Readonly<Record<number, BehaviourName>>,
): Cluster {
  const n = random.pick([4, 4, 4, 7, 1, 2, 5, 10])
  const names = Object.keys(behaviours) as [BehaviourName, ...BehaviourName[]]
  const liars: Record<number, BehaviourName> = {}
  if (random.chance(0.5))
    for (let i = 0; i < Math.floor((n - 1) / 3); i++)
      liars[random.between(0, n - 1)] = random.pick(names)
  return new Cluster({
    ...{ n, seed, liars: known ?? liars, idOf },
    faults: {
      loss: random.chance(0.5) ? 0.15 : 0,
      duplication: 0.1,
      minDelayMs: 0,
      maxDelayMs: random.pick([5, 50, 300]),
    },
    appendMs: random.pick([0, 1, 20]),
    executeMs: random.pick([0, 1, 40]),
    replica: {
      batchSize: random.pick([1, 3, 500]),
      checkpointPeriod: random.pick([1, 2, 10]),
      logMultiplier: random.pick([2, 3, 4]),
      pipelineDepth: random.pick([1, 4, 50]),
      journalRewriteBytes: random.pick([0, 1_000_000]),
      batchTimeoutMs: random.pick([0, 20]),
      maxJournalQueue: random.pick([1, 5, 10_000]),
      // All liars may be slow sources: another is asked in time for what the tests wait for.
      transferTimeoutMs: 4_000,
    },
  })
}

/** One random act of the world: requests, a crash, a restart, a cut, its end, a disk that hangs, its end. */
async function disturb(
  cluster: Cluster,
  random: Random,
  step: number,
  disksFail = false,
): Promise<void> {
  const running = cluster.correct.filter((id) => cluster.isRunning(id))
  const any = (ids: readonly number[]): number => ids[random.between(0, ids.length - 1)]!
  if (running.length > 0)
    for (let i = random.between(0, 4); i > 0; i--)
      cluster.submit(any(running), `request ${step}.${i}`)
  // One id, other content: only what is executed may be acknowledged, wherever it was given in.
  if (step % 8 === 0)
    for (const [i, id] of running.slice(0, 3).entries()) cluster.submit(id, `twin ${step}#${i % 2}`)
  await disturbOne(cluster, random, disksFail)
  await cluster.run(random.pick([10, 50, 200, 1_000]))
}

/** Something happens to a replica, a disk or the network, or nothing. */
async function disturbOne(cluster: Cluster, random: Random, disksFail: boolean): Promise<void> {
  const running = cluster.correct.filter((id) => cluster.isRunning(id))
  const down = cluster.correct.filter((id) => !cluster.isRunning(id))
  const any = (ids: readonly number[]): number => ids[random.between(0, ids.length - 1)]!
  const dice = random.next()
  if (dice < 0.08 && running.length > 0) crash(cluster, random, any(running), disksFail)
  else if (dice < 0.2 && down.length > 0) await cluster.start(any(down))
  else if (dice < 0.52) disturbNetwork(cluster, random, dice, running)
  else if (dice < 0.58) cluster.journal(any(cluster.correct)).hang()
  else if (dice < 0.68) resumeJournals(cluster)
}

/** Kills it; when disks fail, its journal, or the end of it, may be gone, within what is tolerated. */
function crash(cluster: Cluster, random: Random, id: number, disksFail: boolean): void {
  const { n, correct } = cluster
  const faulty = n - correct.length + correct.filter((each) => isInDoubt(cluster, each)).length
  // What executed nothing has no mark of its journal: a disk that lost both is like a new one.
  const isMarked = cluster.machine(id).journalMark() !== undefined
  if (!disksFail || !isMarked || faulty >= faultsTolerated(n) || random.chance(0.5))
    cluster.crash(id)
  else {
    forgetful.set(
      cluster,
      (forgetful.get(cluster) ?? new Map<number, bigint>()).set(id, heightOf(cluster, id)),
    )
    cluster.crashAndForget(id, random.pick([undefined, 1, 5]))
  }
}

/** By cluster: those that ever lost records, and how far they had executed then. */
const forgetful = new WeakMap<Cluster, Map<number, bigint>>()

/** Whether it lost records, and would be in doubt again after a restart. */
function isInDoubt(cluster: Cluster, id: number): boolean {
  const height = forgetful.get(cluster)?.get(id)
  if (height === undefined) return false
  // The mark of the journal is kept with what is executed: until then it is that of the one that was lost.
  if (heightOf(cluster, id) <= height) return true
  return !cluster.isRunning(id) || cluster.status(id).notVoting !== undefined
}

/** Whether it lost records, and has not yet got over it. */
function hasForgotten(cluster: Cluster, id: number): boolean {
  if (forgetful.get(cluster)?.has(id) !== true) return false
  return !cluster.isRunning(id) || /checkpoint|quorum/.test(cluster.status(id).notVoting ?? '')
}

function resumeJournals(cluster: Cluster): void {
  for (const id of cluster.correct) cluster.journal(id).resume()
}

function disturbNetwork(
  cluster: Cluster,
  random: Random,
  dice: number,
  running: readonly number[],
): void {
  const { network, n } = cluster
  if (dice < 0.26) {
    const groups: number[][] = [[], []]
    for (let id = 0; id < n; id++) groups[random.between(0, 1)]!.push(id)
    network.partition(groups)
  } else if (dice < 0.4) network.partition(undefined)
  else if (dice < 0.46 && running.length > 0) {
    // Who leads is heard by one: what it says prepares at some and not at others.
    const { primary } = cluster.status(running[random.between(0, running.length - 1)]!)
    const hearing = random.between(0, n - 1)
    network.filter = (from, to) => from !== primary || to === hearing
  } else network.filter = undefined
}

/** The world gets quiet: every message arrives, every disk answers, all of `ids` run, by default all. */
async function calm(cluster: Cluster, ...ids: number[]): Promise<void> {
  cluster.network.partition(undefined)
  cluster.network.filter = undefined
  resumeJournals(cluster)
  cluster.network.faults = { ...cluster.network.faults, loss: 0, maxDelayMs: 10 }
  await cluster.start(...ids)
}

const heightOf = (cluster: Cluster, id: number): bigint =>
  cluster.machine(id).lastExecuted().sequence

/** One replica is cut off until it leaves the view alone; the others hear each other now and then. */
async function tearApart(cluster: Cluster, random: Random): Promise<void> {
  const alone = cluster.correct.at(-1)!
  const others = Array.from({ length: cluster.n }, (_, id) => id).filter((id) => id !== alone)
  await calm(cluster)
  await cluster.run(1_000)
  cluster.network.partition([others, [alone]])
  cluster.submit(alone, 'cut off')
  for (let step = 0; step < 40; step++) {
    const deaf = others.filter(() => random.chance(0.3))
    cluster.network.filter = (_from, to) => !deaf.includes(to)
    const [to] = others.filter((id) => cluster.isRunning(id) && cluster.correct.includes(id))
    if (to !== undefined && random.chance(0.5)) cluster.submit(to, `apart ${step}`)
    await cluster.run(random.pick([20, 50, 100]))
  }
}

/** How far f + 1 of `ids` executed. */
function provenHeight(cluster: Cluster, ids: readonly number[]): bigint {
  const heights = ids.map((id) => heightOf(cluster, id)).sort((a, b) => (a > b ? -1 : 1))
  return heights[weakQuorumOf(cluster.n) - 1]!
}

describe('random faults', function () {
  this.timeout(600_000)

  for (const seed of seeds()) {
    it(`seed ${seed}: agreement throughout, progress once the world is quiet, and one crash costs little then`, async () => {
      const random = new Random(seed * 7919)
      const cluster = randomCluster(seed, random, onceFailed[seed])
      await cluster.start()
      for (let step = 0; step < 40; step++) await disturb(cluster, random, step, true)
      await calm(cluster)
      for (const id of cluster.correct) cluster.submit(id, `last of ${id}`)
      // A liar or an earlier partition may have doubled the time-outs up to their cap.
      await cluster.runUntilLevel(200_000)
      for (let i = 0; i < 1_000 && cluster.correct.some((id) => hasForgotten(cluster, id)); i++) {
        cluster.submit(cluster.correct[i % cluster.correct.length]!, `more ${i}`)
        await cluster.run(200, 200)
      }
      expect(cluster.correct.filter((id) => hasForgotten(cluster, id))).to.deep.equal([])
      await allTogether(cluster)
      const ids = Array.from({ length: cluster.n }, (_, id) => id)
      const areTogether = ids.every((id) => cluster.status(id).activeView)
      // What still waits from before, in batches of one, is ahead of the requests that are timed.
      const isIdle = ids.every((id) => cluster.status(id).pendingRequests === 0)
      const couldJudge = await checkRecovery(cluster)
      // A liar that boasts is told so, doubts itself, and votes no more: the next fault is one too many.
      const isUsedUp = ids.some((id) => cluster.isRunning(id) && isOutOfVote(cluster, id))
      if (isUsedUp) expect(cluster.correct.length, 'somebody has lied').to.be.lessThan(cluster.n)
      // With so small a bound a replica drops most of what it hears.
      const isDeaf = Number(cluster.replicaOptions.maxJournalQueue) <= 5
      if (faultsTolerated(cluster.n) > 0 && !isDeaf && !isUsedUp && areTogether && isIdle)
        expect(couldJudge).to.equal(true)
      await cluster.stop()
    })

    it(`seed ${seed}: restarted without traffic and without the faulty ones, all get to where f + 1 were`, async () => {
      const random = new Random(seed * 104_729)
      const cluster = randomCluster(seed, random)
      await cluster.start()
      for (let step = 0; step < 10; step++) await disturb(cluster, random, step)
      await tearApart(cluster, random)
      for (const id of cluster.correct) if (cluster.isRunning(id)) cluster.crash(id)
      const liars = cluster.n - cluster.correct.length
      const running = cluster.correct.slice(faultsTolerated(cluster.n) - liars)
      await calm(cluster, ...running)
      const height = provenHeight(cluster, running)
      const isThere = (id: number): boolean => heightOf(cluster, id) >= height
      await cluster.runUntil(() => running.every(isThere), 20_000, `${height} everywhere`)
      await cluster.stop()
    })
  }
})
