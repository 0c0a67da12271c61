import type { Ledger } from '../../src/index.ts'
import {
  createMemoryStateStore,
  journalCases,
  ledgerCases,
  makeTestChain,
  stateStoreCases,
} from '../../src/testing.ts'
import type { ComplianceCase, DisposableStateStore, Opened } from '../../src/testing.ts'
import { diskJournals, diskLedgers, memoryJournals, memoryLedgers } from '../places.ts'

function register(cases: readonly ComplianceCase[]): void {
  for (const { name, run } of cases) it(name, run)
}

/** The state of a ledger that has blocks enough. */
async function stateOf(place: Promise<Opened<Ledger>>): Promise<Opened<DisposableStateStore>> {
  const { open, dispose } = await place
  return {
    dispose,
    open: async () => {
      const ledger = await open()
      await Promise.all(
        makeTestChain(100, { transactions: 0 }).map((block) => ledger.append(block)),
      )
      return Object.assign(ledger.state, { [Symbol.asyncDispose]: () => ledger.close() })
    },
  }
}

function standingAlone(): Promise<Opened<DisposableStateStore>> {
  const store = createMemoryStateStore()
  const disposable = Object.assign(store, { [Symbol.asyncDispose]: () => Promise.resolve() })
  return Promise.resolve({
    open: () => Promise.resolve(disposable),
    dispose: () => Promise.resolve(),
  })
}

describe('ledger on a disk', () => register(ledgerCases(() => diskLedgers())))
describe('ledger on a disk, in small files', () =>
  register(ledgerCases(() => diskLedgers({ maxSegmentBytes: 4_096 }))))
describe('ledger on a disk, reading only the tail on opening', () =>
  register(ledgerCases(() => diskLedgers({ verifyOnOpen: 'tail', maxSegmentBytes: 4_096 }))))
describe('ledger in memory', () => register(ledgerCases(() => memoryLedgers())))
describe('state store on a disk', () => register(stateStoreCases(() => stateOf(diskLedgers()))))
describe('state store in memory', () => register(stateStoreCases(() => stateOf(memoryLedgers()))))
describe('state store in memory, alone', () => register(stateStoreCases(standingAlone)))
describe('journal on a disk', () => register(journalCases(() => diskJournals())))
describe('journal in memory', () => register(journalCases(() => memoryJournals())))
