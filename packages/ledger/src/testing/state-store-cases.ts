import assert from 'node:assert/strict'
import { isStateWrite, maxValueBytes } from '../state/state-keys.ts'
import type { StateStore, StateWrite } from '../ports.ts'
import { sliceBytes } from '../state/content-digest.ts'
import { nextStateDigest, stateDigestSeed } from '../state/state-digest.ts'
import { caseOver, rejectsWith } from './compliance.ts'
import type { ComplianceCase, Opened } from './compliance.ts'

/** A state store, with how to close it if it has one of its own. */
export type DisposableStateStore = StateStore & AsyncDisposable
type Open = () => Promise<StateStore>

/** The cases that every {@link StateStore} must pass. Blocks up to 100 must count as durable. */
export function stateStoreCases(
  setup: () => Promise<Opened<DisposableStateStore>>,
): ComplianceCase[] {
  const cases: Record<string, (open: Open) => Promise<void>> = {
    'gives back what was applied, and nothing of what was removed': givesBack,
    'keeps namespaces apart': namespaces,
    'lists entries in the order of their bytes, from a key, up to a limit': entries,
    'moves the savepoint with the writes': savepoint,
    'refuses a height or sequence that cannot come next': order,
    'takes overlapping changes in order': overlapping,
    'refuses names out of range, and applies nothing of that block': names,
    'has the same content digest for the same content, whatever led to it': content,
    'digests the content of one moment, once for all who ask, whatever is applied meanwhile':
      contentOfOneMoment,
    'lists no more entries once their values have maxBytes': entriesByBytes,
    'gives copies': copies,
  }
  return Object.entries(cases).map(([name, run]) => caseOver(setup, name, run))
}

const put = (key: string, value: string, namespace = 'a'): StateWrite => ({
  namespace,
  key,
  value: Buffer.from(value),
})
const remove = (key: string, namespace = 'a'): StateWrite => ({ namespace, key, value: undefined })
const text = (value: Uint8Array | undefined): string | undefined =>
  value && Buffer.from(value).toString()

async function givesBack(open: Open): Promise<void> {
  const state = await open()
  await state.apply(1n, 1n, [put('x', '1'), put('y', ''), put('z', '3')])
  await state.apply(2n, 2n, [put('x', '2'), remove('z'), remove('never')])
  assert.equal(text(state.get('a', 'x')), '2')
  assert.equal(text(state.get('a', 'y')), '')
  assert.equal(state.get('a', 'z'), undefined)
  assert.equal(state.get('a', ''), undefined)
}

async function namespaces(open: Open): Promise<void> {
  const state = await open()
  await state.apply(1n, 1n, [put('k', '1', 'a'), put('k', '2', 'ab'), put('bk', '3', 'a')])
  assert.equal(text(state.get('a', 'k')), '1')
  assert.equal(text(state.get('ab', 'k')), '2')
  assert.deepEqual(
    state.entries('a').map(({ key }) => key),
    ['bk', 'k'],
  )
  assert.deepEqual(
    state.entries('ab').map(({ key }) => key),
    ['k'],
  )
  assert.deepEqual(state.entries('b'), [])
}

async function entries(open: Open): Promise<void> {
  const state = await open()
  const keys = ['\u{1F600}', '\u{FB00}', 'b', 'a', 'aa', 'B']
  await state.apply(
    1n,
    1n,
    keys.map((key) => put(key, key)),
  )
  const list = (options?: { from?: string; limit?: number }): string[] =>
    state.entries('a', options).map(({ key }) => key)
  // By UTF-8 bytes, the emoji comes last; by UTF-16 units it would come before the ligature.
  assert.deepEqual(list(), ['B', 'a', 'aa', 'b', '\u{FB00}', '\u{1F600}'])
  assert.deepEqual(list({ from: 'aa' }), ['aa', 'b', '\u{FB00}', '\u{1F600}'])
  assert.deepEqual(list({ from: 'ab', limit: 1 }), ['b'])
  assert.throws(() => state.entries('a', { limit: 0 }), { code: 'LEDGER_INVALID_OPTIONS' })
}

async function savepoint(open: Open): Promise<void> {
  const state = await open()
  assert.deepEqual(state.savepoint.digest, stateDigestSeed())
  const writes = [put('x', '1'), remove('y')]
  await state.apply(1n, 5n, writes)
  const digest = nextStateDigest(stateDigestSeed(), 1n, writes)
  assert.equal(state.savepoint.height, 1n)
  assert.equal(state.savepoint.sequence, 5n)
  assert.deepEqual(Buffer.from(state.savepoint.digest), Buffer.from(digest))
  await state.apply(2n, 5n, writes, nextStateDigest(digest, 2n, writes))
  const second = nextStateDigest(digest, 2n, writes)
  assert.deepEqual(Buffer.from(state.savepoint.digest), Buffer.from(second))
  await state.apply(2n, 6n, [])
  assert.equal(state.savepoint.sequence, 6n)
  assert.deepEqual(Buffer.from(state.savepoint.digest), Buffer.from(second))
  await state.apply(3n, 6n, writes)
  const third = nextStateDigest(second, 3n, writes)
  assert.deepEqual(Buffer.from(state.savepoint.digest), Buffer.from(third))
}

async function order(open: Open): Promise<void> {
  const state = await open()
  await state.apply(1n, 3n, [])
  for (const [height, sequence] of [
    [0n, 4n],
    [3n, 4n],
    [2n, 2n],
    [1n, 3n],
  ] as const) {
    await rejectsWith(state.apply(height, sequence, []), 'LEDGER_OUT_OF_ORDER')
  }
  await rejectsWith(state.apply(1n, 4n, [put('x', '1')]), 'LEDGER_OUT_OF_ORDER')
  await state.apply(2n, 3n, [])
  assert.equal(state.savepoint.height, 2n)
}

async function overlapping(open: Open): Promise<void> {
  const state = await open()
  const heights = Array.from({ length: 30 }, (_, index) => BigInt(index + 1))
  await Promise.all(heights.map((height) => state.apply(height, height, [put('x', `${height}`)])))
  assert.equal(text(state.get('a', 'x')), '30')
  assert.equal(state.savepoint.height, 30n)
}

async function names(open: Open): Promise<void> {
  const state = await open()
  const good = put('good', '1')
  const bad = [
    put('', '1'),
    put('k', '1', ''),
    put('k', '1', 'n\0n'),
    put('k'.repeat(1_025), '1'),
    put('k', '1', 'n'.repeat(65)),
    put('\ud800', '1'),
  ]
  for (const write of bad) {
    assert.equal(isStateWrite(write), false)
    await rejectsWith(state.apply(1n, 1n, [good, write]), 'LEDGER_BAD_KEY')
  }
  assert.equal(isStateWrite(good), true)
  const large = { ...good, value: new Uint8Array(maxValueBytes) }
  assert.equal(isStateWrite(large), true)
  const tooLarge = { ...good, value: new Uint8Array(maxValueBytes + 1) }
  assert.equal(isStateWrite(tooLarge), false)
  await rejectsWith(state.apply(1n, 1n, [tooLarge]), 'LEDGER_TOO_LARGE')
  assert.equal(state.get('a', 'good'), undefined)
  await state.apply(1n, 1n, [put('k'.repeat(1_024), '1'), put('k', '2', 'n'.repeat(64))])
  assert.equal(text(state.get('a', 'k'.repeat(1_024))), '1')
}

async function content(open: Open): Promise<void> {
  const state = await open()
  const empty = await digestOf(state)
  await state.apply(1n, 1n, [put('x', '1'), put('y', '2')])
  const full = await digestOf(state)
  assert.notDeepEqual(full, empty)
  assert.deepEqual(await digestOf(state), full)
  await state.apply(2n, 2n, [put('x', 'other'), put('z', '3')])
  assert.notDeepEqual(await digestOf(state), full)
  await state.apply(3n, 3n, [put('x', '1'), remove('z')])
  assert.deepEqual(await digestOf(state), full)
  await state.apply(4n, 4n, [remove('x'), remove('y'), put('xy', '12')])
  assert.notDeepEqual(await digestOf(state), full)
  await state.apply(5n, 5n, [remove('xy')])
  assert.deepEqual(await digestOf(state), empty)
}

const digestOf = async (state: StateStore): Promise<Uint8Array> =>
  (await state.contentDigest()).digest

async function contentOfOneMoment(open: Open): Promise<void> {
  const state = await open()
  const value = new Uint8Array(sliceBytes)
  const large = ['k', 'l', 'm'].map((key) => ({ namespace: 'a', key, value }))
  await state.apply(1n, 1n, [...large, put('x', '1')])
  const first = state.contentDigest()
  const second = state.contentDigest()
  await state.apply(2n, 2n, [put('x', '2'), remove('m')])
  const before = await first
  assert.equal(before.savepoint.height, 1n)
  assert.deepEqual(await second, before)
  const after = await state.contentDigest()
  assert.equal(after.savepoint.height, 2n)
  assert.notDeepEqual(after.digest, before.digest)
  await state.apply(3n, 3n, [...large, put('x', '1')])
  assert.deepEqual(await digestOf(state), before.digest)
}

async function entriesByBytes(open: Open): Promise<void> {
  const state = await open()
  await state.apply(1n, 1n, [put('x', '12345'), put('y', '12345'), put('z', '12345')])
  const count = (maxBytes: number): number => state.entries('a', { maxBytes }).length
  assert.deepEqual([1, 5, 6, 10, 11].map(count), [1, 1, 2, 2, 3])
}

async function copies(open: Open): Promise<void> {
  const state = await open()
  await state.apply(1n, 1n, [put('x', 'abc')])
  state.get('a', 'x')?.fill(0)
  state.entries('a')[0]?.value.fill(0)
  ;(await digestOf(state)).fill(0)
  assert.equal(text(state.get('a', 'x')), 'abc')
  assert.notDeepEqual(await digestOf(state), new Uint8Array(32))
}
