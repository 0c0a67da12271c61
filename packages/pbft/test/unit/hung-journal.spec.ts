import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { Encoder } from '../../src/wire/encoder.ts'
import { decodeMessage } from '../../src/wire/codec.ts'
import { decodeFrame, frameOf } from '../../src/wire/frame.ts'
import { maxAsksAgain } from '../../src/core/allowance.ts'
import { createReplica } from '../../src/index.ts'
import type { Replica, ReplicaOptions } from '../../src/index.ts'
import { MemoryJournal, MemoryStateMachine, TestKeys } from '../../src/testing.ts'
import { batchOf } from '../support/cores.ts'
import { echoing } from '../support/echoing.ts'
import { nextTurn } from '../support/turns.ts'

const bytes = (text: string): Buffer => Buffer.from(text)
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => (error as { code: string }).code,
  )

/** One of four replicas, started, and from then on its journal hangs. What it sends is counted. */
async function hungReplica(
  options: Partial<ReplicaOptions>,
  stateMachine = new MemoryStateMachine(),
) {
  const [clock, journal, keys] = [new VirtualClock(), new MemoryJournal(), new TestKeys()]
  const sent: string[] = []
  const statuses: number[] = []
  const dropped: unknown[] = []
  const metrics = {
    counter: ({ name }: { name: string }) => ({
      add: (count: number, labels?: object) => {
        if (name.endsWith('dropped_messages_total')) dropped.push({ count, ...labels })
      },
    }),
    gauge: () => ({ set: () => undefined }),
    histogram: () => ({ observe: () => undefined }),
  }
  const network = {
    send: (to: number, frame: Uint8Array) => {
      for (const message of decodeFrame(frame)) {
        const incoming = decodeMessage(message)
        const type = incoming.type === 'plain' ? incoming.message.type : incoming.type
        if (to !== 2) continue
        if (type === 'status') statuses.push(clock.now())
        else sent.push(type)
      }
      return Promise.resolve()
    },
  }
  const replica: Replica = createReplica(
    {
      network: echoing(network, () => replica),
      journal,
      stateMachine,
      signer: keys.signer(1),
      verifier: keys,
      clock,
      metrics,
    },
    { id: 1, n: 4, ...options },
  )
  await replica.start()
  await nextTurn()
  // The first word of the primary has a record of its own.
  const word = { type: 'prepare', view: 0n, sequence: 1n, digest: '00'.repeat(32) } as const
  replica.receive(0, frameOf(new Encoder().message(word)))
  await nextTurn()
  dropped.length = 0
  journal.hang()
  return { replica, clock, journal, sent, statuses, dropped }
}

const proposal = (sequence: bigint): Uint8Array => {
  const batch = batchOf(`request ${sequence}`)
  return frameOf(new Encoder().message({ type: 'pre-prepare', view: 0n, sequence, batch }))
}
const perRecord = proposal(1n).length - frameOf(bytes('')).length

describe('Replica: a journal that hangs', () => {
  for (const [name, options] of [
    ['maxJournalQueue records', { maxJournalQueue: 3 }],
    ['maxJournalQueueBytes', { maxJournalQueueBytes: 3 * perRecord }],
  ] as const)
    it(`holds up what others send from ${name} on, and nothing is sent before it is durable`, async () => {
      const machine = new MemoryStateMachine()
      const { replica, journal, sent, dropped } = await hungReplica(options, machine)
      for (let sequence = 1n; sequence <= 5n; sequence++) {
        replica.receive(0, proposal(sequence))
        await nextTurn()
      }
      expect(replica.status().highestKnown).to.equal(3n)
      expect(dropped).to.deep.equal(Array(2).fill({ count: 1, direction: 'in' }))
      expect(machine.checks, 'nor is what is dropped verified').to.equal(3)
      expect(sent).to.deep.equal([])
      journal.resume()
      await nextTurn()
      expect(sent).to.deep.equal(['prepare', 'prepare', 'prepare'])
      replica.receive(0, proposal(4n))
      await nextTurn()
      expect(sent, 'and it goes on').to.have.length(4)
      expect(await journal.records(), 'with its head, and what was heard').to.have.length(2 + 4)
      await replica.stop()
    })

  it(`tells at once where it is, when it missed something: ${maxAsksAgain} times in an interval`, async () => {
    const { replica, clock, journal, statuses } = await hungReplica({ maxJournalQueue: 1 })
    const hangOnce = async (sequence: bigint, misses: boolean): Promise<void> => {
      journal.hang()
      replica.receive(0, proposal(sequence))
      if (misses) replica.receive(0, proposal(sequence + 1n))
      await nextTurn()
      journal.resume()
      await nextTurn(3)
    }
    await hangOnce(1n, false)
    expect(statuses).to.deep.equal([0])
    for (let i = 0n; i < 5n; i++) await hangOnce(2n + i, true)
    expect(statuses).to.have.length(1 + maxAsksAgain)
    await clock.advance(1_000)
    await hangOnce(7n, true)
    expect(statuses).to.have.length(1 + maxAsksAgain + 2)
    await replica.stop()
  })

  it('drops at the bound what was still being verified', async () => {
    const ends: (() => void)[] = []
    const stateMachine = Object.assign(new MemoryStateMachine(), {
      check: (request: Uint8Array) =>
        new Promise<string>((resolve) => ends.push(() => resolve(Buffer.from(request).toString()))),
    })
    const { replica, journal, dropped } = await hungReplica({ maxJournalQueue: 1 }, stateMachine)
    for (const sequence of [1n, 2n]) replica.receive(0, proposal(sequence))
    await nextTurn()
    for (const end of ends) end()
    await nextTurn()
    expect(replica.status().highestKnown).to.equal(1n)
    expect(dropped).to.deep.equal([{ count: 1, direction: 'in' }])
    journal.resume()
    await replica.stop()
  })

  it('refuses new requests with a code, joins those that are pending, and takes them again later', async () => {
    const { replica, journal } = await hungReplica({ maxJournalQueue: 1 })
    const pending = codeOf(replica.submit(bytes('before')))
    await nextTurn()
    replica.receive(0, proposal(1n))
    await nextTurn()
    expect(await codeOf(replica.submit(bytes('new')))).to.equal('PBFT_JOURNAL_BUSY')
    const joined = codeOf(replica.submit(bytes('before')))
    await nextTurn()
    expect(replica.status().pendingRequests).to.equal(1)
    journal.resume()
    await nextTurn()
    const later = codeOf(replica.submit(bytes('new')))
    await nextTurn()
    expect(replica.status().pendingRequests).to.equal(2)
    await replica.stop()
    const stopped = Array(3).fill('PBFT_STOPPED')
    expect(await Promise.all([pending, joined, later])).to.deep.equal(stopped)
  })

  it('proposes nothing more as primary until there is room', async () => {
    const { replica, journal, sent } = await hungReplica({
      ...{ id: 0, batchSize: 1, maxJournalQueue: 2 },
    })
    for (const name of ['a', 'b', 'c']) void codeOf(replica.submit(bytes(name)))
    await nextTurn()
    expect(replica.status()).to.include({ highestKnown: 2n, pendingRequests: 3 })
    journal.resume()
    await nextTurn(5)
    expect(replica.status().highestKnown).to.equal(3n)
    expect(sent).to.deep.equal(['pre-prepare', 'pre-prepare', 'pre-prepare'])
    await replica.stop()
  })

  it('blames no primary while it hears nothing', async () => {
    const { replica, clock, journal } = await hungReplica({ maxJournalQueue: 1 })
    void codeOf(replica.submit(bytes('a')))
    await nextTurn()
    replica.receive(0, proposal(1n))
    await clock.advance(10_000)
    expect(replica.status()).to.include({ view: 0n, activeView: true })
    journal.resume()
    await clock.advance(10_000)
    expect(replica.status(), 'and then it does').to.include({ view: 1n, activeView: false })
    await replica.stop()
  })
})
