import type { Status } from './messages.ts'

/** What a replica that may not vote asks the others. */
export interface Inquiry {
  /** Repeated by whoever answers; 0n before the start. */
  query: bigint
  /** By replica, the least that it answered. */
  readonly answers: Map<number, Pick<Status, 'lastExecuted' | 'view'>>
  /** Who answered in this life, forgetful or not, and the view that it was in, or may have been. */
  readonly echoed: Map<number, bigint>
  /** Status intervals since it began. */
  intervals: number
  /** How often the state of a replica was asked for: see lost-blocks.ts. */
  readonly fetches: Map<number, number>
}

/** Nothing was asked or answered yet. */
export const newInquiry = (): Inquiry => ({
  ...{ query: 0n, answers: new Map(), echoed: new Map(), intervals: 0, fetches: new Map() },
})
