import type { StateWrite } from '@heddle/ledger'

export type { StateWrite }

/** What a contract may read: the state after all transactions before its own. */
export interface StateView {
  /** The value of a key; undefined when there is none. Not to be changed. */
  get(namespace: string, key: string): Uint8Array | undefined
}
