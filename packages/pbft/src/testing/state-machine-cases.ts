import assert from 'node:assert/strict'
import { isCodedError } from '@heddle/interface'
import type { StateMachine, StatePoint } from '../ports.ts'
import { casesOver } from './port-case.ts'
import type { Disposable, PortCase } from './port-case.ts'

/** A service under test. */
export interface StateMachineSetup extends Disposable {
  /**
   * A new replica of it, in its initial state.
   *
   * @param source - whom its state transfers get the state from; nobody when absent
   */
  readonly create: (source?: StateMachine) => StateMachine | Promise<StateMachine>
  /** Another object over what `machine`, which is used no more, made durable. */
  readonly reopen: (machine: StateMachine) => StateMachine | Promise<StateMachine>
  /** Valid requests with different ids. */
  readonly requests: readonly [Uint8Array, Uint8Array, Uint8Array]
  readonly invalid: Uint8Array
}

/** What every {@link StateMachine} must do. */
export function stateMachineCases(
  setup: () => StateMachineSetup | Promise<StateMachineSetup>,
): PortCase[] {
  return casesOver('state machine', setup, {
    'the same batches give the same digests on every replica': deterministic,
    'other batches, or another order, give other digests': telling,
    'a request that was executed before is skipped by all alike': once,
    'several executions may be under way, and take effect in order': together,
    'the null request takes its number and changes nothing else': nullRequest,
    'a request has one id, and is executed once it was executed': identified,
    'an invalid request is refused with a coded error': invalid,
    'what was executed is there after it was opened again': durable,
    'the digests of earlier states, if it knows them, are what it executed to': remembers,
    'the mark of the journal, if it keeps one, is that of the last execution that is durable':
      marked,
    'a transfer leads to the state of its target, and execution goes on from there': transfers,
    'a transfer ends at its target, though its source is further': transfersPart,
    'a transfer to a state that nobody has rejects': transfersNowhere,
  })
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const pointOf = (machine: StateMachine): [bigint, string] => {
  const { sequence, digest } = machine.lastExecuted()
  return [sequence, hex(digest)]
}

/** Executes each request as a batch of its own, numbered from 1 on. */
async function executeAll(machine: StateMachine, requests: readonly Uint8Array[]): Promise<void> {
  for (const [index, request] of requests.entries()) {
    await machine.execute(BigInt(index) + 1n, [request])
  }
}

async function deterministic({ create, requests }: StateMachineSetup): Promise<void> {
  const [one, other] = [await create(), await create()]
  assert.equal(one.lastExecuted().sequence, 0n)
  assert.deepEqual(pointOf(one), pointOf(other))
  for (const [index, request] of requests.entries()) {
    const sequence = BigInt(index) + 1n
    const digest = hex(await one.execute(sequence, [request]))
    assert.equal(hex(await other.execute(sequence, [request])), digest)
    assert.deepEqual(pointOf(one), [sequence, digest])
  }
}

async function telling({ create, requests }: StateMachineSetup): Promise<void> {
  const [a, b] = requests
  const seen = new Set<string>([hex((await create()).lastExecuted().digest)])
  for (const batch of [[a], [b], [a, b], [b, a]]) {
    seen.add(hex(await (await create()).execute(1n, batch)))
  }
  assert.equal(seen.size, 5)
}

async function once({ create, requests }: StateMachineSetup): Promise<void> {
  const [one, other] = [await create(), await create()]
  const [a, b] = requests
  await one.execute(1n, [a])
  await one.execute(2n, [a, b, b, a])
  await other.execute(1n, [a])
  await other.execute(2n, [b])
  assert.deepEqual(pointOf(one), pointOf(other))
  assert.equal(one.isExecuted(await one.check(b, 'intake')), true)
}

async function together({ create, requests }: StateMachineSetup): Promise<void> {
  const [one, other] = [await create(), await create()]
  // The last batch repeats a request of one that may still be under way.
  const batches = [...requests.map((request) => [request]), [...requests]]
  const digests = await Promise.all(
    batches.map((batch, index) => one.execute(BigInt(index) + 1n, batch)),
  )
  for (const [index, batch] of batches.entries()) {
    const digest = await other.execute(BigInt(index) + 1n, batch)
    assert.equal(hex(digests[index] ?? new Uint8Array()), hex(digest))
  }
  assert.deepEqual(pointOf(one), pointOf(other))
}

async function nullRequest({ create, requests, reopen }: StateMachineSetup): Promise<void> {
  const machine = await create()
  await machine.execute(1n, [requests[0]])
  const digest = hex(await machine.execute(2n, []))
  assert.deepEqual(pointOf(machine), [2n, digest])
  assert.equal((await reopen(machine)).lastExecuted().sequence, 2n)
}

async function identified({ create, requests }: StateMachineSetup): Promise<void> {
  const machine = await create()
  const id = await machine.check(requests[0], 'intake')
  for (const purpose of ['intake', 'proposal'] as const) {
    assert.equal(await machine.check(Uint8Array.from(requests[0]), purpose), id)
    assert.notEqual(await machine.check(requests[1], purpose), id)
  }
  assert.equal(machine.isExecuted(id), false)
  await machine.execute(1n, [requests[0]])
  assert.equal(machine.isExecuted(id), true)
  assert.equal(machine.isExecuted(await machine.check(requests[1], 'intake')), false)
}

async function invalid({ create, invalid: request }: StateMachineSetup): Promise<void> {
  const machine = await create()
  for (const purpose of ['intake', 'proposal'] as const) {
    await assert.rejects(machine.check(request, purpose), isCodedError)
  }
}

async function durable({ create, reopen, requests }: StateMachineSetup): Promise<void> {
  const machine = await create()
  await machine.execute(1n, [requests[0]])
  await machine.execute(2n, [requests[1]])
  const point = pointOf(machine)
  const again = await reopen(machine)
  assert.deepEqual(pointOf(again), point)
  assert.equal(again.isExecuted(await again.check(requests[0], 'intake')), true)
  assert.equal(again.isExecuted(await again.check(requests[2], 'intake')), false)
  const other = await create()
  await executeAll(other, requests)
  assert.equal(hex(await again.execute(3n, [requests[2]])), pointOf(other)[1])
}

/** Digests of the states before the last one, down to that after `downTo`. */
async function earlierOf(machine: StateMachine, downTo: bigint): Promise<string[]> {
  return ((await machine.earlierDigests?.(downTo)) ?? []).map(hex)
}

async function remembers({ create, reopen, requests }: StateMachineSetup): Promise<void> {
  const machine = await create()
  const batches = [[requests[0]], [], [requests[1]], [requests[2]]]
  const given: string[] = []
  for (const [index, batch] of batches.entries())
    given.unshift(hex(await machine.execute(BigInt(index) + 1n, batch)))
  const behind = await create(machine)
  await behind.transfer(targetAt(machine.lastExecuted()), {})
  for (const downTo of [1n, 2n, 3n, 4n])
    for (const one of [machine, behind]) {
      const told = await earlierOf(one, downTo)
      assert.deepEqual(told, given.slice(1, 1 + told.length))
      assert.ok(told.length <= Number(4n - downTo))
    }
  const told = await earlierOf(machine, 1n)
  const again = await reopen(machine)
  assert.deepEqual(await earlierOf(again, 1n), told)
}

async function marked({ create, requests, reopen }: StateMachineSetup): Promise<void> {
  const source = await create()
  if (source.journalMark === undefined) return
  const markOf = (machine: StateMachine): string => hex(machine.journalMark?.() ?? Buffer.alloc(0))
  const [one, two, three, four] = [1, 2, 3, 4].map((value) => Buffer.alloc(24, value))
  const [a, b, c] = requests
  assert.equal(markOf(source), '')
  await source.execute(1n, [a], one)
  assert.equal(markOf(source), hex(one ?? a))
  await Promise.all([source.execute(2n, [b], two), source.execute(3n, [c], three)])
  const again = await reopen(source)
  assert.equal(markOf(again), hex(three ?? a))
  const later = await create()
  await later.execute(1n, [a], one)
  const unmarked = await reopen(later)
  await unmarked.execute(2n, [b])
  assert.equal(markOf(await reopen(unmarked)), hex(one ?? a), 'an execution without one keeps it')
  const behind = await create(again)
  await behind.execute(1n, [a], one)
  await behind.transfer(targetAt(again.lastExecuted()), { mark: four })
  assert.equal(markOf(await reopen(behind)), hex(four ?? a))
}

/** The target that a replica behind is given: where `machine` is. */
function targetAt({ sequence, digest }: StatePoint): Parameters<StateMachine['transfer']>[0] {
  return { sequence, digest, replicas: [0] }
}

async function transfers({ create, reopen, requests }: StateMachineSetup): Promise<void> {
  const source = await create()
  const [a, b, c] = requests
  await executeAll(source, [a, b])
  const behind = await create(source)
  await behind.execute(1n, [a])
  const reached = await behind.transfer(targetAt(source.lastExecuted()), {})
  assert.deepEqual([reached.sequence, hex(reached.digest)], pointOf(source))
  const again = await reopen(behind)
  assert.deepEqual(pointOf(again), pointOf(source))
  assert.equal(again.isExecuted(await again.check(b, 'intake')), true)
  assert.equal(hex(await again.execute(3n, [c])), hex(await source.execute(3n, [c])))
}

async function transfersPart({ create, requests }: StateMachineSetup): Promise<void> {
  const source = await create()
  const [a, b, c] = requests
  await executeAll(source, [a, b])
  const target = targetAt(source.lastExecuted())
  const point = pointOf(source)
  await source.execute(3n, [c])
  const behind = await create(source)
  await behind.transfer(target, {})
  assert.deepEqual(pointOf(behind), point)
  assert.equal(behind.isExecuted(await behind.check(c, 'intake')), false)
}

async function transfersNowhere({ create, requests }: StateMachineSetup): Promise<void> {
  const source = await create()
  await executeAll(source, requests)
  for (const sequence of [1n, 3n, 4n]) {
    const wrong = { sequence, digest: Buffer.alloc(32, 1), replicas: [0] }
    const behind = await create(source)
    await assert.rejects(behind.transfer(wrong, {}), isCodedError)
    assert.ok(behind.lastExecuted().sequence <= sequence)
  }
  await assert.rejects((await create()).transfer(targetAt(source.lastExecuted()), {}), isCodedError)
}
