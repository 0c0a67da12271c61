import assert from 'node:assert/strict'
import type { Journal } from '../ports.ts'
import { casesOver } from './port-case.ts'
import type { Disposable, PortCase } from './port-case.ts'

/** A new journal, and how to get another object over the same storage, again and again. */
export interface JournalSetup extends Disposable {
  readonly journal: Journal
  readonly reopen: () => Journal | Promise<Journal>
}

/** What every {@link Journal} must do. */
export function journalCases(setup: () => JournalSetup | Promise<JournalSetup>): PortCase[] {
  return casesOver('journal', setup, {
    'begins empty': empty,
    'gives back what was appended, in order, after it was opened again': inOrder,
    'keeps the order of appends that are under way together': together,
    'goes on where it was after it was opened again': goesOn,
    'rewriting replaces everything, and appends go on after it': rewrites,
    'rewriting to nothing leaves nothing': rewritesToNothing,
  })
}

const bytes = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text))

async function contents(journal: Journal): Promise<string[]> {
  return (await journal.records()).map((record) => Buffer.from(record).toString())
}

async function empty({ journal, reopen }: JournalSetup): Promise<void> {
  assert.deepEqual(await contents(journal), [])
  assert.deepEqual(await contents(await reopen()), [])
}

async function inOrder({ journal, reopen }: JournalSetup): Promise<void> {
  await journal.append(bytes('a', 'b'))
  await journal.append(bytes(''))
  await journal.append([])
  await journal.append(bytes('c'.repeat(100_000)))
  assert.deepEqual(await contents(await reopen()), ['a', 'b', '', 'c'.repeat(100_000)])
}

async function together({ journal, reopen }: JournalSetup): Promise<void> {
  const names = Array.from({ length: 50 }, (_, index) => `record ${index}`)
  await Promise.all(names.map((name) => journal.append(bytes(name))))
  assert.deepEqual(await contents(await reopen()), names)
}

async function goesOn({ journal, reopen }: JournalSetup): Promise<void> {
  await journal.append(bytes('a'))
  const second = await reopen()
  assert.deepEqual(await contents(second), ['a'])
  await second.append(bytes('b'))
  const third = await reopen()
  await third.append(bytes('c'))
  assert.deepEqual(await contents(await reopen()), ['a', 'b', 'c'])
}

async function rewrites({ journal, reopen }: JournalSetup): Promise<void> {
  await journal.append(bytes('old', 'older'))
  await journal.rewrite(bytes('kept', 'old'))
  const second = await reopen()
  assert.deepEqual(await contents(second), ['kept', 'old'])
  await second.append(bytes('new'))
  await second.rewrite(bytes('new'))
  await second.append(bytes('newer'))
  assert.deepEqual(await contents(await reopen()), ['new', 'newer'])
}

async function rewritesToNothing({ journal, reopen }: JournalSetup): Promise<void> {
  await journal.append(bytes('a'))
  await journal.rewrite([])
  const second = await reopen()
  assert.deepEqual(await contents(second), [])
  await second.append(bytes('b'))
  assert.deepEqual(await contents(await reopen()), ['b'])
}
