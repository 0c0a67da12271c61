import assert from 'node:assert/strict'
import type { Journal } from '../ports.ts'
import { caseOver, rejectsWith } from './compliance.ts'
import type { ComplianceCase, Opened } from './compliance.ts'

type Open = () => Promise<Journal>

/** The cases that every {@link Journal} must pass. */
export function journalCases(setup: () => Promise<Opened<Journal>>): ComplianceCase[] {
  const cases: Record<string, (open: Open) => Promise<void>> = {
    'gives back all records in order': inOrder,
    'keeps records when it is opened again': keeps,
    'takes overlapping appends in order': overlapping,
    'keeps records of several megabytes': large,
    'replaces what was appended before a rewrite, and keeps what comes after': rewrites,
    'can be rewritten to nothing': rewritesToNothing,
    'gives copies': copies,
    'refuses everything after close, and closes twice': closes,
    'refuses a second opening while it is open': locks,
  }
  return Object.entries(cases).map(([name, run]) => caseOver(setup, name, run))
}

const bytes = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text))
const texts = async (journal: Journal): Promise<string[]> =>
  (await journal.records()).map((record) => Buffer.from(record).toString())

async function inOrder(open: Open): Promise<void> {
  const journal = await open()
  assert.deepEqual(await journal.records(), [])
  await journal.append(bytes('a', 'b'))
  await journal.append([])
  await journal.append(bytes('', 'c'))
  assert.deepEqual(await texts(journal), ['a', 'b', '', 'c'])
}

async function keeps(open: Open): Promise<void> {
  const first = await open()
  await first.append(bytes('a', 'b'))
  await first.close()
  const second = await open()
  assert.deepEqual(await texts(second), ['a', 'b'])
  await second.append(bytes('c'))
  await second.close()
  assert.deepEqual(await texts(await open()), ['a', 'b', 'c'])
}

async function overlapping(open: Open): Promise<void> {
  const journal = await open()
  const expected = Array.from({ length: 100 }, (_, index) => `record ${index}`)
  const done: string[] = []
  await Promise.all(
    expected.map(async (record) => {
      await journal.append(bytes(record))
      done.push(record)
    }),
  )
  assert.deepEqual(done, expected)
  assert.deepEqual(await texts(journal), expected)
}

async function large(open: Open): Promise<void> {
  const journal = await open()
  const records = [1, 5 * 1024 * 1024, 3, 2 * 1024 * 1024].map((size, fill) =>
    Buffer.alloc(size, fill),
  )
  await journal.append(records)
  await journal.close()
  const again = await open()
  assert.ok(Buffer.concat(await again.records()).equals(Buffer.concat(records)))
  await again.rewrite(records.slice(1))
  assert.ok(Buffer.concat(await again.records()).equals(Buffer.concat(records.slice(1))))
}

async function rewrites(open: Open): Promise<void> {
  const journal = await open()
  await Promise.all([
    journal.append(bytes('a')),
    journal.append(bytes('b')),
    journal.rewrite(bytes('b', 'x')),
    journal.append(bytes('c')),
  ])
  assert.deepEqual(await texts(journal), ['b', 'x', 'c'])
  await journal.close()
  assert.deepEqual(await texts(await open()), ['b', 'x', 'c'])
}

async function rewritesToNothing(open: Open): Promise<void> {
  const journal = await open()
  await journal.append(bytes('a'))
  await journal.rewrite([])
  assert.deepEqual(await journal.records(), [])
  await journal.close()
  const again = await open()
  await again.append(bytes('b'))
  assert.deepEqual(await texts(again), ['b'])
}

async function copies(open: Open): Promise<void> {
  const journal = await open()
  await journal.append(bytes('abc'))
  const [record] = await journal.records()
  record?.fill(0)
  assert.deepEqual(await texts(journal), ['abc'])
}

async function closes(open: Open): Promise<void> {
  const journal = await open()
  const last = journal.append(bytes('a'))
  await Promise.all([journal.close(), journal.close()])
  await last
  await rejectsWith(journal.append(bytes('b')), 'LEDGER_CLOSED')
  await rejectsWith(journal.records(), 'LEDGER_CLOSED')
  await rejectsWith(journal.rewrite([]), 'LEDGER_CLOSED')
}

async function locks(open: Open): Promise<void> {
  const journal = await open()
  await rejectsWith(open(), 'LEDGER_LOCKED')
  await journal.close()
  await (await open()).close()
}
