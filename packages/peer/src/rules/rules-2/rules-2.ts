import { execute } from './execution.ts'
import type { Rules } from '../rules.ts'

/**
 * Rejections are codes, and bytes of the transaction or the state: nothing that an engine, a library
 * or a locale words, orders or rounds. What a contract returns is checked against the store's bounds.
 */
export const rules2: Rules = {
  number: 2,
  execute,
  isSameResult: (stored, own) => Buffer.compare(stored, own) === 0,
}
