import type { Journal as LedgerJournal } from '@heddle/ledger'
import type { Journal } from '@heddle/pbft'

/** The ledger's journal as the consensus wants it. */
export function toPbftJournal(journal: LedgerJournal): Journal {
  return {
    append: (records) => journal.append(records),
    rewrite: (records) => journal.rewrite(records),
    async *records() {
      yield* await journal.records()
    },
  } satisfies Journal
}
