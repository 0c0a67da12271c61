import type { Incoming } from '../wire/codec.ts'

/*
 * What taking a message in costs, in microseconds of a slow core, rounded up; measured on one that
 * verifies some 10,000 signatures of P-256 a second. Ordering a request is what all of this is for:
 * what comes of that is not counted.
 */

/** Checking a request, or any one signature. */
export const checkCost = 100

const costs = { vote: 4, fetchBatch: 10, status: 30, forward: 4, perRequest: 0.25 } as const
/** Decoding claims, slots and digests. */
const costPerByte = 0.05

/** What a message of so many bytes costs before anything is known of its worth; its signatures apart. */
export function costOf(incoming: Incoming, bytes: number): number {
  switch (incoming.type) {
    case 'plain':
      return costOfPlain(incoming.message.type, bytes)
    case 'pre-prepare':
    case 'batch':
      return costs.vote + costs.perRequest * incoming.requests.length
    case 'forward':
      return costs.forward
    case 'signed':
    case 'certificate':
      return costs.vote + costPerByte * bytes
  }
}

function costOfPlain(type: string, bytes: number): number {
  if (type === 'status') return costs.status + costPerByte * bytes
  return type === 'fetch-batch' ? costs.fetchBatch : costs.vote
}
