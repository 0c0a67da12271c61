import type { CoreOptions } from './protocol.ts'

/** How many status messages of one replica are answered between two status timeouts of this one. */
export const maxStatusAnswers = 8

/**
 * How often in one status interval a replica tells where it is because it missed what was said: all
 * of them are answered, whenever the intervals of the others end.
 */
export const maxAsksAgain = maxStatusAnswers / 2 - 1

/**
 * What one replica may still ask for before the next status timeout of this one. What fetching costs
 * is apart: who lacks many batches still hears where the others are.
 */
export interface Allowance {
  /** Status messages. */
  answers: number
  /** Bytes of batches in answer to them. */
  resendBytes: number
  /** Batches in answer to fetch-batch. */
  fetches: number
  /** Bytes of these. */
  fetchBytes: number
}

/** All that a replica may ask for in one status interval. */
export function fullAllowance(options: CoreOptions): Allowance {
  return {
    answers: maxStatusAnswers,
    resendBytes: options.maxResendBytes,
    fetches: options.maxFetchAnswers,
    fetchBytes: options.maxFetchBytes,
  }
}
