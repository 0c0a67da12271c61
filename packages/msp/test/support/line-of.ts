import { MspError } from '../../src/index.ts'

/** Code and sentence with which `run` refuses; `taken` when it does not. */
export function lineOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof MspError) return `${error.code}: ${error.message}`
    throw error
  }
  return 'taken'
}
