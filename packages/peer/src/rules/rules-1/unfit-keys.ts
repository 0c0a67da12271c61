import { createHash } from 'node:crypto'
import { isStateWrite } from '@heddle/ledger'
import type { StateView, StateWrite } from '../state-view.ts'

/*
 * Rules 1 accept records and accounts whose key no state store takes: half of a surrogate pair, or a
 * number of more than 1,024 digits. The version that had no other rules stopped for good on such a
 * block, after its quorum had signed that they were accepted. So the state holds them under another
 * name, in a namespace of their own.
 */

const suffix = '/unfit'

/** The namespace of what has an unfit key in `namespace`. */
export const unfitNamespace = (namespace: string): string => `${namespace}${suffix}`

/** What holds a key: itself when it fits, otherwise the SHA-256 of its UTF-16. */
function heldAs<Named extends Pick<StateWrite, 'namespace' | 'key'>>(named: Named): Named {
  const { namespace, key } = named
  if (isStateWrite({ namespace, key, value: undefined })) return named
  const digest = createHash('sha256').update(Buffer.from(key, 'utf16le')).digest('hex')
  return { ...named, namespace: unfitNamespace(namespace), key: digest }
}

/** A state as the contracts of rules 1 see it: it holds any key. */
export function withUnfitKeys(state: StateView): StateView {
  return {
    get(namespace, key) {
      const held = heldAs({ namespace, key })
      return state.get(held.namespace, held.key)
    },
  }
}

/** How a state holds these changes. */
export function heldWrites(changes: readonly StateWrite[]): StateWrite[] {
  return changes.map(heldAs)
}
