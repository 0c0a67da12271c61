import { bytesOf } from './messages.ts'
import type { FetchBatch, Vote } from './messages.ts'
import type { State, WantedBatch } from './state.ts'

/** Asks for a batch that is known by digest only: one holder at a time, the next on each timeout. */
export function want(state: State, { sequence, digest }: Vote, holders: readonly number[]): void {
  const others = holders.filter((id) => id !== state.id)
  const known = state.wanted.get(sequence)
  if (known?.digest === digest && known.holders.length >= others.length) return
  // Where to begin differs from replica to replica, so that not all ask the same one.
  const wanted = { digest, holders: others, turn: state.id + Number(sequence % 1024n) }
  state.wanted.set(sequence, wanted)
  ask(state, sequence, wanted)
  if (!state.isRunning('fetch')) state.startTimer('fetch', state.options.fetchTimeoutMs)
}

function ask(state: State, sequence: bigint, wanted: WantedBatch): void {
  const holder = wanted.holders[wanted.turn++ % wanted.holders.length]
  if (holder === undefined) return // nobody but this replica, which lost it
  state.send(holder, { type: 'fetch-batch', sequence, digest: wanted.digest })
}

/** Nobody answered in time: the next holders are asked, for as long as the batch is missing. */
export function onFetchTimeout(state: State): void {
  if (state.wanted.size === 0) return
  for (const [sequence, wanted] of state.wanted) ask(state, sequence, wanted)
  state.startTimer('fetch', state.options.fetchTimeoutMs)
}

/** Answers from what the log holds, as often as the asker's allowance lasts. */
export function onFetchBatch(state: State, from: number, { sequence, digest }: FetchBatch): void {
  const batch = state.slots.get(sequence)?.batch(digest)
  if (batch === undefined) return
  const allowance = state.allowanceOf(from)
  if (allowance.fetches <= 0 || allowance.fetchBytes <= 0) {
    state.reject(from, 'PBFT_TOO_MANY_REQUESTS', 'fetch-batch')
    return
  }
  allowance.fetches--
  allowance.fetchBytes -= bytesOf(batch)
  state.send(from, { type: 'batch', batch })
}

/** Only what a quorum committed, and what a new view that is awaited names, is still worth asking for. */
export function forgetUnwanted(state: State): void {
  const named = new Set(state.pendingView?.replay.digests)
  for (const [sequence, { digest }] of state.wanted) {
    const isDecided = state.slots.get(sequence)?.decided?.digest === digest
    if (!isDecided && !named.has(digest)) state.wanted.delete(sequence)
  }
  for (const digest of state.fetched.keys()) if (!named.has(digest)) state.fetched.delete(digest)
  if (state.wanted.size === 0) state.stopTimer('fetch')
}
