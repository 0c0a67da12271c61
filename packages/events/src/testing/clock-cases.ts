import assert from 'node:assert/strict'
import type { Clock } from '@heddle/interface'

/** A clock to be checked, and the way to let its time pass. */
export interface ClockFixture {
  readonly clock: Clock
  /** Resolves when at least `ms` have passed on the clock and what was due has run. */
  readonly pass: (ms: number) => Promise<void>
}

/** One case of a compliance suite: in mocha, `it(name, run)`. */
export interface ComplianceCase {
  readonly name: string
  readonly run: () => Promise<void>
}

/** What every `Clock` does. `setup` is called once for each case. */
export function clockCases(setup: () => ClockFixture): ComplianceCase[] {
  const cases: Record<string, (fixture: ClockFixture) => Promise<void>> = {
    'calls once, not before its time': callsOnce,
    'never calls synchronously, also without a delay': neverSynchronous,
    'calls in the order of the due times': inOrder,
    'does not call after cancel, which is harmless later and twice': cancels,
    'takes a negative delay for none': negativeDelay,
    'has a now that never goes back and a wall time that is a date': tellsTime,
  }
  return Object.entries(cases).map(([name, run]) => ({ name, run: () => run(setup()) }))
}

async function callsOnce({ clock, pass }: ClockFixture): Promise<void> {
  const start = clock.now()
  const calls: number[] = []
  clock.schedule(5, () => calls.push(clock.now()))
  await pass(20)
  assert.equal(calls.length, 1)
  assert.ok((calls[0] ?? 0) >= start + 5, `called after ${(calls[0] ?? 0) - start} ms`)
}

async function neverSynchronous({ clock, pass }: ClockFixture): Promise<void> {
  let isCalled = false
  clock.schedule(0, () => {
    isCalled = true
  })
  assert.equal(isCalled, false)
  await pass(1)
  assert.equal(isCalled, true)
}

async function inOrder({ clock, pass }: ClockFixture): Promise<void> {
  const order: string[] = []
  clock.schedule(20, () => order.push('late'))
  clock.schedule(5, () => order.push('early'))
  await pass(30)
  assert.deepEqual(order, ['early', 'late'])
}

async function cancels({ clock, pass }: ClockFixture): Promise<void> {
  let calls = 0
  const cancelled = clock.schedule(1, () => (calls += 1))
  cancelled.cancel()
  const called = clock.schedule(1, () => (calls += 10))
  await pass(10)
  assert.equal(calls, 10)
  cancelled.cancel()
  called.cancel()
}

async function negativeDelay({ clock, pass }: ClockFixture): Promise<void> {
  let calls = 0
  clock.schedule(-1000, () => (calls += 1))
  await pass(1)
  assert.equal(calls, 1)
}

async function tellsTime({ clock, pass }: ClockFixture): Promise<void> {
  const before = clock.now()
  await pass(3)
  assert.ok(clock.now() >= before + 3)
  assert.ok(!Number.isNaN(new Date(clock.wallTime()).getTime()))
}
