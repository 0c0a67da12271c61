import { decode, heddle } from '@heddle/proto'
import { execute } from './execution.ts'
import type { Rules } from '../rules.ts'

/** Before the words of the JSON parser: those of V8, other ones in each version of Node. */
const foreignWords = 'not JSON: '

function isSameReason(stored: string, own: string): boolean {
  return stored === own || (stored.startsWith(foreignWords) && own.startsWith(foreignWords))
}

/** The rejections in a block; undefined when they are damaged. */
function rejectionsIn(results: Uint8Array): readonly heddle.Rejection[] | undefined {
  try {
    return decode(heddle.TransactionResultsSchema, results).rejections
  } catch {
    return undefined
  }
}

function isSameResult(stored: Uint8Array, own: Uint8Array): boolean {
  if (Buffer.compare(stored, own) === 0) return true
  const [theirs, ours] = [rejectionsIn(stored), rejectionsIn(own)]
  if (theirs === undefined || theirs.length !== ours?.length) return false
  return theirs.every(({ index, reason }, at) => {
    const rejection = ours[at]
    return rejection?.index === index && isSameReason(reason, rejection.reason)
  })
}

/**
 * The rules of chains that began before rules were numbered, as that version executed them. Nothing
 * in this folder may change. Their reasons are sentences; where the input is no JSON they quote V8,
 * so validators of two Node versions agree on no such block.
 */
export const rules1: Rules = { number: 1, execute, isSameResult }
