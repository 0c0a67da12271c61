// The same state machine under faults, in virtual time. The seed decides which messages are lost,
// doubled and late, where guests book and who crashes when; the same seed is the same run.
//   simulation.ts [SEED] [RUNS]
import assert from 'node:assert/strict'
import { VirtualClock } from '@heddle/events/testing'
import { createReplica } from '@heddle/pbft'
import type { Replica } from '@heddle/pbft'
import { MemoryJournal, Random, SimulatedNetwork, TestKeys, behaviours } from '@heddle/pbft/testing'
import { Bookings, encodeBooking } from './bookings.ts'

/** Seven replicas survive two that fail or lie: here one of each. */
const n = 7
/** As primary it proposes different batches to different replicas; it is the first primary. */
const liar = 0
const honest = [1, 2, 3, 4, 5, 6] as const
const guests = 60
const seats = 20

class Simulation {
  readonly clock = new VirtualClock()
  readonly #keys = new TestKeys()
  readonly random: Random
  readonly network: SimulatedNetwork
  /** The disks: they survive a crash, but for what was being written. */
  readonly #disks = Array.from({ length: n }, () => ({
    promised: new MemoryJournal({ clock: this.clock, appendMs: 1 }),
    executed: new MemoryJournal({ clock: this.clock, appendMs: 2 }),
  }))
  readonly bookings: Bookings[] = []
  readonly replicas: Replica[] = []
  /** Bookings whose guests were told that they were dealt with. */
  readonly acknowledged: Uint8Array[] = []

  constructor(seed: number) {
    this.random = new Random(seed)
    const faults = { minDelayMs: 1, maxDelayMs: 40, loss: 0.08, duplication: 0.05 }
    this.network = new SimulatedNetwork(this.clock, this.random, faults)
    const signer = this.#keys.signer(liar)
    this.network.corrupt(liar, behaviours.equivocating, {
      id: liar,
      random: this.random,
      signer,
    })
  }

  /** Starts replica `id` on its disk. */
  async start(id: number): Promise<void> {
    const { promised, executed } = this.#disks[id]!
    const stateMachine = new Bookings(
      executed,
      (from, range) => Promise.resolve(this.bookings[from]!.batches(range.from, range.to)),
      await executed.records(),
    )
    const replica = createReplica(
      {
        network: this.network.port(id),
        journal: promised,
        stateMachine,
        signer: this.#keys.signer(id),
        verifier: this.#keys,
        clock: this.clock,
      },
      { id, n, checkpointPeriod: 4, logMultiplier: 2 },
    )
    this.bookings[id] = stateMachine
    this.replicas[id] = replica
    this.network.connect(id, (from, bytes) => replica.receive(from, bytes))
    await replica.start()
  }

  /** As kill -9: what was not yet on the disk is gone. */
  crash(id: number): void {
    this.network.disconnect(id)
    for (const journal of Object.values(this.#disks[id]!)) journal.crash()
    void this.replicas[id]!.stop({ signal: AbortSignal.abort() })
  }

  /** A guest books at replica `id`; again, with the same bytes, if that one crashes. */
  book(id: number, guest: string, seat: string): void {
    const request = encodeBooking({ seat, guest })
    void this.replicas[id]!.submit(request).then(
      () => this.acknowledged.push(request),
      () => this.book(1 + (id % 6), guest, seat),
    )
  }

  /** Lets time pass until everybody was answered and all honest replicas are level. */
  async settle(): Promise<void> {
    const isLevel = (): boolean => new Set(honest.map((id) => this.digest(id))).size === 1
    for (let ms = 0; ms < 120_000; ms += 100) {
      if (this.acknowledged.length === guests && isLevel()) return
      await this.clock.advance(100)
    }
    assert.fail(`${this.acknowledged.length} of ${guests} guests were answered in two minutes`)
  }

  digest(id: number): string {
    return Buffer.from(this.bookings[id]!.lastExecuted().digest).toString('hex')
  }
}

/** One run; throws when a promise is broken. `trace` is a digest of every message delivered, and when. */
async function simulate(seed: number): Promise<{ trace: string; summary: string }> {
  const simulation = new Simulation(seed)
  const { random, clock } = simulation
  for (let id = 0; id < n; id++) await simulation.start(id)
  const victim = random.pick(honest)
  for (let guest = 0; guest < guests; guest++) {
    if (guest === 15) simulation.crash(victim)
    if (guest === 45) await simulation.start(victim)
    const others = honest.filter((id) => id !== victim)
    const at = others[random.between(0, others.length - 1)]!
    simulation.book(
      guest === 14 ? victim : at,
      `guest ${guest}`,
      `seat ${random.between(1, seats)}`,
    )
    await clock.advance(random.between(0, 300))
  }
  await simulation.settle()

  const [first, ...rest] = honest.map((id) => simulation.bookings[id]!)
  for (const other of rest) assert.deepEqual(other.guests, first!.guests, `seed ${seed}`)
  for (const request of simulation.acknowledged)
    assert.ok(first!.isExecuted(await first!.check(request)), `seed ${seed}: a booking was lost`)
  for (const replica of simulation.replicas) await replica.stop({ signal: AbortSignal.abort() })
  const summary =
    `seed ${seed}: ${guests} guests, ${first!.guests.size} seats taken, replica ${victim} crashed, ` +
    `view ${simulation.replicas[1]!.status().view}, ${simulation.network.delivered} messages, ` +
    `${clock.now() / 1000} s of virtual time`
  return { trace: simulation.network.transcript(), summary }
}

const [seed = 1, runs = 3] = process.argv.slice(2).map(Number)
for (let run = 0; run < runs; run++) console.log((await simulate(seed + run)).summary)

const [one, again, other] = [await simulate(seed), await simulate(seed), await simulate(seed + 1)]
console.log(`trace of seed ${seed}: ${one.trace}\nonce more:        ${again.trace}`)
assert.equal(one.trace, again.trace)
assert.notEqual(one.trace, other.trace)
console.log('all of it held')
