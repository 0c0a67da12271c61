// The same state machine under faults, in virtual time. The seed decides which messages are lost,
// doubled and late, where guests book and who crashes when; the same seed is the same run.
//   simulation.ts [SEED] [RUNS]
import assert from 'node:assert/strict'
import { Cluster } from '@heddle/pbft/testing'
import type { Submission } from '@heddle/pbft/testing'
import { Bookings, encodeBooking } from './bookings.ts'

const honest = [1, 2, 3, 4, 5, 6] as const
const guests = 60
const seats = 20

/** Seven replicas survive two that fail or lie: here one of each. */
function createCluster(seed: number): Cluster<Bookings> {
  return new Cluster<Bookings>({
    seed,
    n: 7,
    // As primary it proposes different batches to different replicas; it is the first primary.
    liars: { 0: 'equivocating' },
    faults: { minDelayMs: 1, maxDelayMs: 40, loss: 0.08, duplication: 0.05 },
    replica: { checkpointPeriod: 4, logMultiplier: 2 },
    // At each start of a replica, on the disk that it keeps.
    stateMachine: async ({ disk, machineOf }) =>
      new Bookings(
        disk,
        (replica, { from, to }) => Promise.resolve(machineOf(replica)?.batches(from, to) ?? []),
        await disk.records(),
      ),
  })
}

/** One run; throws when a promise is broken. `trace` is a digest of every message delivered, and when. */
async function simulate(seed: number): Promise<{ trace: string; summary: string }> {
  const cluster = createCluster(seed)
  const { random } = cluster
  const submissions: Submission[] = []
  const book = (at: number, request: Uint8Array): void =>
    void submissions.push(cluster.submit(at, request))
  await cluster.start()
  const victim = random.pick(honest)
  const others = honest.filter((id) => id !== victim)
  const another = (): number => others[random.between(0, others.length - 1)]!
  for (let guest = 0; guest < guests; guest++) {
    if (guest === 15) cluster.crash(victim)
    if (guest === 45) await cluster.start(victim)
    const seat = `seat ${random.between(1, seats)}`
    const at = guest === 14 ? victim : another()
    book(at, encodeBooking({ seat, guest: `guest ${guest}` }))
    await cluster.run(random.between(0, 300))
  }
  // Who got no answer because that replica crashed books again, in the same bytes, at another one.
  for (const { request, outcome } of [...submissions])
    if (outcome === 'failed') book(another(), request)
  await cluster.runUntilLevel(120_000)

  const [first, ...rest] = honest.map((id) => cluster.machine(id))
  for (const other of rest) assert.deepEqual(other.guests, first!.guests, `seed ${seed}`)
  const answered = submissions.filter(({ outcome }) => outcome === 'executed')
  assert.equal(answered.length, guests, `seed ${seed}: a guest got no answer`)
  await cluster.stop()
  const summary =
    `seed ${seed}: ${guests} guests, ${first!.guests.size} seats taken, replica ${victim} crashed, ` +
    `view ${cluster.status(1).view}, ${cluster.network.delivered} messages, ` +
    `${cluster.clock.now() / 1000} s of virtual time`
  return { trace: cluster.network.transcript(), summary }
}

const [seed = 1, runs = 3] = process.argv.slice(2).map(Number)
for (let run = 0; run < runs; run++) console.log((await simulate(seed + run)).summary)

const [one, again, other] = [await simulate(seed), await simulate(seed), await simulate(seed + 1)]
console.log(`trace of seed ${seed}: ${one.trace}\nonce more:        ${again.trace}`)
assert.equal(one.trace, again.trace)
assert.notEqual(one.trace, other.trace)
console.log('all of it held')
