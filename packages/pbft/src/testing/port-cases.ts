import assert from 'node:assert'
import type { Journal, Network, Signer, StateMachine, Verifier } from '../ports.ts'

/** One test of a compliance suite: `for (const c of journalCases(setup)) it(c.name, c.run)`. */
export interface PortCase {
  readonly name: string
  readonly run: () => Promise<void>
}

/** Two ends of a network under test: what 0 sends with `port` arrives at 1, in `received`. */
export interface NetworkSetup {
  readonly port: Network
  readonly received: readonly { readonly from: number; readonly bytes: Uint8Array }[]
  /** Resolves when everything sent so far has arrived. */
  readonly settle: () => Promise<void>
  readonly teardown?: () => Promise<void>
}

/** What every {@link Network} must do. */
export function networkCases(setup: () => NetworkSetup | Promise<NetworkSetup>): PortCase[] {
  const within = (test: (s: NetworkSetup) => Promise<void>) => async (): Promise<void> => {
    const network = await setup()
    try {
      await test(network)
    } finally {
      await network.teardown?.()
    }
  }
  return [
    {
      name: 'network: messages arrive whole, in order, with their sender',
      run: within(async ({ port, received, settle }) => {
        const sent = [1, 2, 3].map((length) => Buffer.alloc(length * 1000, length))
        for (const bytes of sent) await port.send(1, bytes)
        await settle()
        assert.deepEqual(
          received.map(({ from, bytes }) => [from, Buffer.from(bytes)]),
          sent.map((bytes) => [0, bytes]),
        )
      }),
    },
    {
      name: 'network: sending to nobody rejects or loses, and does not throw',
      run: within(async ({ port }) => {
        const sending = port.send(99, Buffer.from('x'))
        await sending.catch((error: unknown) => assert.ok(error instanceof Error))
      }),
    },
  ]
}

/** A new journal, and how to get another object over the same storage. */
export interface JournalSetup {
  readonly journal: Journal
  readonly reopen: () => Journal | Promise<Journal>
}

/** What every {@link Journal} must do. */
export function journalCases(setup: () => JournalSetup | Promise<JournalSetup>): PortCase[] {
  const bytes = (text: string): Uint8Array => Buffer.from(text)
  const contents = async (journal: Journal): Promise<string[]> => {
    const found: string[] = []
    for await (const record of journal.records()) found.push(Buffer.from(record).toString())
    return found
  }
  return [
    {
      name: 'journal: begins empty',
      run: async () => assert.deepEqual(await contents((await setup()).journal), []),
    },
    {
      name: 'journal: gives back what was appended, in order, after it was opened again',
      run: async () => {
        const { journal, reopen } = await setup()
        await journal.append([bytes('a'), bytes('b')])
        await journal.append([bytes('')])
        await journal.append([bytes('c'.repeat(100_000))])
        assert.deepEqual(await contents(await reopen()), ['a', 'b', '', 'c'.repeat(100_000)])
      },
    },
    {
      name: 'journal: keeps the order of appends that are under way together',
      run: async () => {
        const { journal, reopen } = await setup()
        const names = Array.from({ length: 50 }, (_, i) => `record ${i}`)
        await Promise.all(names.map((name) => journal.append([bytes(name)])))
        assert.deepEqual(await contents(await reopen()), names)
      },
    },
    {
      name: 'journal: rewriting replaces everything, and appends go on after it',
      run: async () => {
        const { journal, reopen } = await setup()
        await journal.append([bytes('old'), bytes('older')])
        await journal.rewrite([bytes('kept')])
        await journal.append([bytes('new')])
        assert.deepEqual(await contents(await reopen()), ['kept', 'new'])
      },
    },
  ]
}

/** A service under test. */
export interface StateMachineSetup {
  /** A new replica of it, in its initial state. */
  readonly create: () => StateMachine | Promise<StateMachine>
  /** Valid requests with different ids. */
  readonly requests: readonly [Uint8Array, Uint8Array, Uint8Array]
  readonly invalid: Uint8Array
}

/** What every {@link StateMachine} must do. */
export function stateMachineCases(
  setup: () => StateMachineSetup | Promise<StateMachineSetup>,
): PortCase[] {
  return [...executionCases(setup), ...requestCases(setup)]
}

function executionCases(setup: () => StateMachineSetup | Promise<StateMachineSetup>): PortCase[] {
  return [
    {
      name: 'state machine: the same batches give the same digests on every replica',
      run: async () => {
        const { create, requests } = await setup()
        const [one, other] = [await create(), await create()]
        for (const [index, request] of requests.entries()) {
          const sequence = BigInt(index) + 1n
          const digest = await one.execute(sequence, [request])
          assert.deepEqual(
            Buffer.from(await other.execute(sequence, [request])),
            Buffer.from(digest),
          )
          assert.equal(one.lastExecuted().sequence, sequence)
          assert.deepEqual(Buffer.from(one.lastExecuted().digest), Buffer.from(digest))
        }
      },
    },
    {
      name: 'state machine: a request that was executed before is skipped by all alike',
      run: async () => {
        const { create, requests } = await setup()
        const machine = await create()
        await machine.execute(1n, [requests[0]])
        await machine.execute(2n, [requests[0], requests[1]])
        assert.equal(machine.isExecuted(await machine.check(requests[1], 'intake')), true)
        assert.equal(machine.lastExecuted().sequence, 2n)
      },
    },
    {
      name: 'state machine: several executions may be under way, and take effect in order',
      run: async () => {
        const { create, requests } = await setup()
        const [one, other] = [await create(), await create()]
        const together = requests.map((request, i) => one.execute(BigInt(i) + 1n, [request]))
        const digests = await Promise.all(together)
        for (const [i, request] of requests.entries())
          await other.execute(BigInt(i) + 1n, [request])
        assert.deepEqual(Buffer.from(digests[2] ?? []), Buffer.from(other.lastExecuted().digest))
      },
    },
    {
      name: 'state machine: the null request takes its number',
      run: async () => {
        const machine = await (await setup()).create()
        await machine.execute(1n, [])
        assert.equal(machine.lastExecuted().sequence, 1n)
      },
    },
  ]
}

function requestCases(setup: () => StateMachineSetup | Promise<StateMachineSetup>): PortCase[] {
  return [
    {
      name: 'state machine: a request has one id, and is executed once it was executed',
      run: async () => {
        const { create, requests } = await setup()
        const machine = await create()
        const id = await machine.check(requests[0], 'intake')
        assert.equal(await machine.check(Uint8Array.from(requests[0]), 'proposal'), id)
        assert.notEqual(await machine.check(requests[1], 'intake'), id)
        assert.equal(machine.isExecuted(id), false)
        await machine.execute(1n, [requests[0]])
        assert.equal(machine.isExecuted(id), true)
      },
    },
    {
      name: 'state machine: an invalid request is refused with a coded error',
      run: async () => {
        const { create, invalid } = await setup()
        const machine = await create()
        await assert.rejects(
          machine.check(invalid, 'proposal'),
          (error) => error instanceof Error && 'code' in error,
        )
      },
    },
  ]
}

/** Keys under test. */
export interface SignerSetup {
  readonly signer: (replica: number) => Signer
  readonly verifier: Verifier
}

/** What every pair of {@link Signer} and {@link Verifier} must do. */
export function signerCases(setup: () => SignerSetup | Promise<SignerSetup>): PortCase[] {
  const isGood = async (answer: () => boolean | Promise<boolean>): Promise<boolean> => {
    try {
      return await answer()
    } catch {
      return false
    }
  }
  return [
    {
      name: 'signer: a signature verifies for its replica and bytes, and for nothing else',
      run: async () => {
        const { signer, verifier } = await setup()
        const bytes = Buffer.from('statement')
        const signature = await signer(1).sign(bytes)
        assert.equal(await isGood(() => verifier.verify(1, bytes, signature)), true)
        assert.equal(await isGood(() => verifier.verify(2, bytes, signature)), false)
        assert.equal(await isGood(() => verifier.verify(1, Buffer.from('other'), signature)), false)
        assert.equal(await isGood(() => verifier.verify(1, bytes, Buffer.alloc(3))), false)
      },
    },
  ]
}
