import assert from 'node:assert/strict'
import { isCodedError } from '@heddle/interface'

/** One case of a compliance suite, for any test framework: `it(c.name, c.run)`. */
export interface ComplianceCase {
  readonly name: string
  readonly run: () => Promise<void>
}

/** A place for stores of one kind: what one of them stored, the next one opened there finds. */
export interface Opened<T> {
  /** Opens the store; the one before was closed. */
  readonly open: () => Promise<T>
  /** Removes everything. Called at the end of each case, after the store was closed. */
  readonly dispose: () => Promise<void>
}

/** A case over a place of its own, which is removed at the end. */
export function caseOver<T extends AsyncDisposable>(
  setup: () => Promise<Opened<T>>,
  name: string,
  run: (open: () => Promise<T>) => Promise<void>,
): ComplianceCase {
  return {
    name,
    run: async () => {
      const place = await setup()
      const opened: T[] = []
      const open = async (): Promise<T> => {
        const store = await place.open()
        opened.push(store)
        return store
      }
      try {
        await run(open)
      } finally {
        for (const store of opened) await store[Symbol.asyncDispose]()
        await place.dispose()
      }
    },
  }
}

/** Asserts that `promise` rejects with a coded error of this code. */
export async function rejectsWith(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(isCodedError(error, code), `expected ${code}, got ${String(error)}`)
    return true
  })
}
