import { expect } from 'chai'
import { Cluster, SimulationError } from '../../src/testing.ts'
import type { ClusterOptions, MachineParts } from '../../src/testing.ts'
import { Tally } from '../support/tally.ts'

const tally = ({ disk, machineOf }: MachineParts<Tally>): Promise<Tally> =>
  Tally.open(disk, machineOf)

/** A tally of which something is different. */
const changed =
  (change: (machine: Tally, id: number) => Partial<Tally>) =>
  async (parts: MachineParts<Tally>): Promise<Tally> => {
    const machine = await tally(parts)
    return Object.assign(machine, change(machine, parts.id))
  }

/** Submits requests at all replicas in turn. */
async function load(cluster: Cluster<Tally>, count: number): Promise<void> {
  const running = cluster.correct.filter((id) => cluster.isRunning(id))
  for (let i = 0; i < count; i++) {
    cluster.submit(running[i % running.length]!, `${cluster.submissions.length}`)
    await cluster.run(20, 20)
  }
}

async function problemOf(run: Promise<unknown>): Promise<string> {
  const error: unknown = await run.catch((caught: unknown) => caught)
  expect(error).to.be.instanceOf(SimulationError)
  return (error as SimulationError).message.split('\n')[0]!
}

describe('simulated cluster with a state machine of one’s own', function () {
  this.timeout(30_000)

  async function faults(seed: number): Promise<{ transcript: string; opened: number[] }> {
    const opened = [0, 0, 0, 0]
    const cluster = new Cluster<Tally>({
      seed,
      faults: { loss: 0.05, duplication: 0.05 },
      liars: { 3: 'wrongVotes' },
      replica: { batchSize: 2, checkpointPeriod: 2, logMultiplier: 2 },
      stateMachine: (parts) => {
        opened[parts.id]!++
        return tally(parts)
      },
    })
    await cluster.start()
    await load(cluster, 10)
    cluster.crash(1)
    const before = cluster.machine(1).lastExecuted().sequence
    await load(cluster, 20)
    await cluster.start(1)
    expect(cluster.machine(1).lastExecuted().sequence, 'from its disk').to.equal(before)
    await cluster.runUntilLevel(60_000)
    const failed = cluster.submissions.filter(({ outcome }) => outcome !== 'executed')
    expect(failed.every(({ to }) => to === 1)).to.equal(true)
    expect(cluster.machine(1).count).to.equal(cluster.machine(0).count)
    await cluster.stop()
    return { transcript: cluster.network.transcript(), opened }
  }

  it('gets level after a crash and a state transfer, in the same run for the same seed', async () => {
    const { transcript, opened } = await faults(7)
    expect(opened).to.deep.equal([1, 2, 1, 1])
    expect((await faults(7)).transcript).to.equal(transcript)
    expect((await faults(8)).transcript).not.to.equal(transcript)
  })

  it('takes requests as bytes', async () => {
    const cluster = new Cluster<Tally>({ stateMachine: tally })
    await cluster.start()
    const { request } = cluster.submit(2, Uint8Array.from([0x31]))
    await cluster.runUntilLevel(5_000)
    expect(request).to.deep.equal(Uint8Array.from([0x31]))
    expect(cluster.machine(0).entries).to.deep.equal([{ sequence: '1', texts: ['1'] }])
    await cluster.stop()
  })

  it('loses what a crash interrupts, and nothing that a dead one writes gets onto the disk', async () => {
    let isExecuting = false
    const stateMachine = changed((machine, id) => ({
      execute: (...args) => {
        isExecuting ||= id === 1
        return Tally.prototype.execute.apply(machine, args)
      },
    }))
    const cluster = new Cluster<Tally>({ executeMs: 100, stateMachine })
    await cluster.start()
    cluster.submit(0, 'x')
    await cluster.runUntil(() => isExecuting, 5_000, 'an execution')
    const dead = cluster.machine(1)
    cluster.crash(1)
    void dead.execute(1n, [Buffer.from('late')])
    await cluster.run(1_000)
    await cluster.start(1)
    expect(cluster.machine(1).entries).to.deep.equal([])
    await cluster.runUntilLevel(20_000)
    expect(cluster.machine(1).entries).to.deep.equal([{ sequence: '1', texts: ['x'] }])
    await cluster.stop()
  })

  it('gives a machine the state of those that run and do not lie', async () => {
    const parts: MachineParts<Tally>[] = []
    const cluster = new Cluster<Tally>({
      liars: { 3: 'wrongVotes' },
      stateMachine: (own) => {
        parts.push(own)
        return tally(own)
      },
    })
    await cluster.start()
    cluster.crash(2)
    const known = [0, 1, 2, 3].map((id) => parts[0]!.machineOf(id))
    expect(known).to.deep.equal([cluster.machine(0), cluster.machine(1), undefined, undefined])
    await cluster.stop()
  })

  describe('throws with the seed when', () => {
    const run = async (options: ClusterOptions<Tally>): Promise<void> => {
      const cluster = new Cluster<Tally>({ seed: 5, ...options })
      await cluster.start()
      await load(cluster, 6)
      cluster.crash(2)
      await load(cluster, 6)
      await cluster.start(2)
      await load(cluster, 6)
    }

    it('replicas execute to different states', async () => {
      const stateMachine = changed((machine, id) => ({
        execute: async (sequence, requests) => {
          const digest = await Tally.prototype.execute.call(machine, sequence, requests)
          return id === 1 && sequence === 3n ? Buffer.alloc(32) : digest
        },
      }))
      const problem = await problemOf(run({ stateMachine }))
      expect(problem).to.match(/^seed 5: agreement: replicas . and . differ at 3$/)
      expect(problem).to.include('1')
    })

    it('a machine comes back without what it executed', async () => {
      const stateMachine = (parts: MachineParts<Tally>) =>
        parts.id === 2 ? new Tally(parts.disk, parts.machineOf) : tally(parts)
      const problem = await problemOf(run({ stateMachine }))
      expect(problem).to.match(/^seed 5: replica 2 executed [1-9]\d*, and came back at 0$/)
    })

    it('a request that was acknowledged is not executed', async () => {
      const stateMachine = changed((_machine, id) => (id === 2 ? { isExecuted: () => false } : {}))
      const problem = await problemOf(run({ stateMachine }))
      expect(problem).to.equal('seed 5: replica 2 acknowledged and lost a request')
    })

    it('a transfer ends in another state than that of its target', async () => {
      const stateMachine = changed((machine) => ({
        transfer: async (target) => {
          const point = await Tally.prototype.transfer.call(machine, target)
          return { ...point, digest: Buffer.alloc(32) }
        },
      }))
      const replica = { batchSize: 1, checkpointPeriod: 2, logMultiplier: 2 }
      expect(await problemOf(run({ stateMachine, replica }))).to.match(/^seed 5: agreement: /)
    })
  })

  it('is asked for a machine only after it was started', () => {
    const cluster = new Cluster({ seed: 6 })
    expect(() => cluster.machine(0)).to.throw(
      SimulationError,
      'seed 6: replica 0 was never started',
    )
  })
})
