import { isCodedError } from '@heddle/interface'
import type { CodedError } from '@heddle/interface'

/** What `run` throws: an error with a code. */
export function errorOf(run: () => unknown): CodedError {
  try {
    run()
  } catch (error) {
    if (isCodedError(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** Code and sentence with which `run` refuses; `taken` when it does not. */
export function lineOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (isCodedError(error)) return `${error.code}: ${error.message}`
    throw error
  }
  return 'taken'
}
