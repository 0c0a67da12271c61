import type { Clock } from '@heddle/interface'
import { decodeMessage, encodeStatement } from '../wire/codec.ts'
import type { Incoming } from '../wire/codec.ts'
import type { Message, Statement } from '../core/messages.ts'
import { encodeForward, Encoder } from '../wire/encoder.ts'
import { openCheckpoint, openNewView, openViewChange } from '../wire/opening.ts'
import type { Signer } from '../ports.ts'
import { RequestBatch } from '../wire/request-batch.ts'
import type { Random } from './random.ts'

/** What a liar has at hand. */
export interface Liar {
  readonly id: number
  readonly random: Random
  /** Its own signer: it can sign whatever it likes, in its own name. */
  readonly signer: Signer
  readonly clock: Clock
  /** `requestTimeoutMs` of the others. */
  readonly timeoutMs: number
}

/** What a liar sends later than a correct replica would. */
export interface Delayed {
  readonly bytes: Uint8Array
  readonly afterMs: number
}

/**
 * How a faulty replica lies: given an encoded message that a correct one would send to `to`, what it
 * sends instead, if anything.
 */
export type Behaviour = (
  message: Buffer,
  to: number,
  liar: Liar,
) => readonly (Uint8Array | Delayed)[]

const encodeMessage = (message: Message): Uint8Array => new Encoder().message(message)

const flipped = (digest: string): string => (digest.startsWith('0') ? 'f' : '0') + digest.slice(1)

/** Says nothing at all. */
const silent: Behaviour = () => []

/** A pre-prepare of the same number for another batch; undefined for any other message. */
function otherPrePrepare(bytes: Buffer): Uint8Array | undefined {
  const message = decodeMessage(bytes)
  if (message.type !== 'pre-prepare') return undefined
  const { view, sequence, requests } = message
  const others = requests.length > 1 ? requests.slice(1) : [Buffer.from(`forged ${sequence}`)]
  return encodeMessage({ type: 'pre-prepare', view, sequence, batch: RequestBatch.of(others) })
}

/** As primary, assigns one sequence number to different batches for odd and even replicas. */
const equivocating: Behaviour = (bytes, to) => {
  const other = to % 2 === 0 ? undefined : otherPrePrepare(bytes)
  return [other ?? bytes]
}

/** As primary, assigns one sequence number to two batches, and tells everybody of both. */
const twoFaced: Behaviour = (bytes, to) => {
  const other = otherPrePrepare(bytes)
  if (other === undefined) return [bytes]
  return to % 2 === 0 ? [bytes, other] : [other, bytes]
}

/** Signs another statement in place of one that it signed. */
function signAnew(statement: Statement, { signer }: Liar): Uint8Array | undefined {
  const body = encodeStatement(statement)
  const signature = signer.sign(body)
  if (!(signature instanceof Uint8Array)) return undefined
  return encodeMessage({ ...statement, proof: { body, signature } })
}

/** Denies, in its view-changes, all that it ever accepted. */
const forgetful: Behaviour = (bytes, _to, liar) => {
  const message = decodeMessage(bytes)
  if (message.type !== 'signed' || message.kind !== 'view-change') return [bytes]
  const honest = openViewChange(message.proof)
  return [signAnew({ ...honest, prepared: [], prePrepared: [] }, liar) ?? bytes]
}

/** Claims, in its view-changes, that something else prepared in the whole window. */
const inventive: Behaviour = (bytes, _to, liar) => {
  const message = decodeMessage(bytes)
  if (message.type !== 'signed' || message.kind !== 'view-change') return [bytes]
  const honest = openViewChange(message.proof)
  const claims = [1n, 2n].map((at) => ({
    ...{ view: honest.view - 1n, sequence: honest.lowWatermark + at },
    digest: flipped(RequestBatch.of([Buffer.from('invented')]).digest),
  }))
  return [signAnew({ ...honest, prepared: claims, prePrepared: claims }, liar) ?? bytes]
}

/** As new primary, begins its view in another way for odd replicas: its own view-change denies all. */
const twoBeginnings: Behaviour = (bytes, to, liar) => {
  const message = decodeMessage(bytes)
  if (to % 2 === 0 || message.type !== 'signed' || message.kind !== 'new-view') return [bytes]
  const honest = openNewView(message.proof)
  const viewChanges = honest.viewChanges.map((viewChange) => {
    if (viewChange.replica !== liar.id) return viewChange
    const other = { ...viewChange, prepared: [], prePrepared: [] }
    const body = encodeStatement(other)
    const signature = liar.signer.sign(body)
    return signature instanceof Uint8Array ? { ...other, proof: { body, signature } } : viewChange
  })
  return [signAnew({ ...honest, viewChanges }, liar) ?? bytes]
}

/** Prepares and commits something that nobody proposed. */
const wrongVotes: Behaviour = (bytes) => {
  const vote = voteIn(decodeMessage(bytes))
  return [vote === undefined ? bytes : encodeMessage({ ...vote, digest: flipped(vote.digest) })]
}

/** Signs for a state that it is not in, and claims it in its status messages. */
const wrongCheckpoints: Behaviour = (bytes, _to, liar) => {
  const message = decodeMessage(bytes)
  if (message.type === 'plain' && message.message.type === 'status') {
    const { message: honest } = message
    return [encodeMessage({ ...honest, digests: honest.digests.map(flipped) })]
  }
  if (message.type !== 'signed' || message.kind !== 'checkpoint') return [bytes]
  const honest = openCheckpoint(message.proof)
  return [signAnew({ ...honest, digest: flipped(honest.digest) }, liar) ?? bytes]
}

/** Sends garbage now and then: bytes changed, cut off or added. */
const garbage: Behaviour = (bytes, _to, { random }) => {
  if (random.chance(0.5)) return [bytes]
  const copy = Buffer.concat([bytes, Buffer.alloc(random.between(0, 8))])
  for (let flips = random.between(1, 8); flips > 0; flips--)
    copy[random.between(0, copy.length - 1)] = random.between(0, 255)
  return [copy.subarray(0, random.between(1, copy.length)), Buffer.alloc(random.between(0, 64))]
}

/** Proposes, as primary, to some replicas only. */
const partial: Behaviour = (bytes, to) =>
  decodeMessage(bytes).type === 'pre-prepare' && to % 2 === 1 ? [] : [bytes]

/** As primary, orders nothing; otherwise behaves. */
const lazyPrimary: Behaviour = (bytes) =>
  decodeMessage(bytes).type === 'pre-prepare' ? [] : [bytes]

/** Says of every other replica that it heard things from it that it never said. */
const accusing: Behaviour = (bytes) => {
  const message = decodeMessage(bytes)
  if (message.type !== 'plain' || message.message.type !== 'status') return [bytes]
  const far = { view: 1n << 40n, accepted: 1n << 40n, committed: 1n << 40n }
  return [encodeMessage({ ...message.message, heard: message.message.heard.map(() => far) })]
}

/** Claims to be far ahead, in view and sequence. */
const boastful: Behaviour = (bytes) => {
  const message = decodeMessage(bytes)
  if (message.type !== 'plain') return [bytes]
  const content = message.message
  if (content.type === 'status')
    return [
      encodeMessage({ ...content, lastExecuted: 1n << 40n, lowWatermark: 1n << 40n, slots: [] }),
    ]
  const vote = voteIn(message)
  if (vote === undefined) return [bytes]
  return [
    bytes,
    encodeMessage({ ...vote, view: vote.view + 1000n, sequence: vote.sequence + 1000n }),
  ]
}

/** When the proposals of a liar leave: each so long after the one before, whoever it goes to. */
class Pace {
  readonly #due = new Map<string, number>()
  #last = 0

  /** How long the proposal is held back still. */
  hold({ view, sequence }: { view: bigint; sequence: bigint }, now: number, gapMs: number): number {
    const key = `${view} ${sequence}`
    const due = this.#due.get(key) ?? Math.max(this.#last, now) + gapMs
    this.#due.set(key, due)
    this.#last = Math.max(this.#last, due)
    return Math.max(due - now, 0)
  }
}

const paces = new WeakMap<Liar, Pace>()

function holdBack(liar: Liar, proposal: { view: bigint; sequence: bigint }, part: number): number {
  const pace = paces.get(liar) ?? new Pace()
  paces.set(liar, pace)
  return pace.hold(proposal, liar.clock.now(), Math.floor(liar.timeoutMs * part))
}

/** As primary, proposes one batch just before the time-out of the others ends, and then the next. */
const slowPrimary: Behaviour = (bytes, _to, liar) => {
  const message = decodeMessage(bytes)
  if (message.type !== 'pre-prepare') return [bytes]
  return [{ bytes, afterMs: holdBack(liar, message, 0.9) }]
}

/** As primary, proposes one batch every tenth of the time-out. */
const tricklingPrimary: Behaviour = (bytes, _to, liar) => {
  const message = decodeMessage(bytes)
  if (message.type !== 'pre-prepare') return [bytes]
  return [{ bytes, afterMs: holdBack(liar, message, 0.1) }]
}

/** Requests of its own that a `starvingPrimary` gives to all before anybody needs anything. */
export const starvingRequests = 100

/**
 * Has given many requests of its own to all, and orders, as primary, one of them at a time, just before
 * the time-out of the others ends; never another's.
 */
const starvingPrimary: Behaviour = (bytes, _to, liar) => {
  const own = (i: number): Buffer => Buffer.from(`own request ${i} of liar ${liar.id}`)
  const message = decodeMessage(bytes)
  if (message.type === 'pre-prepare') {
    const { view, sequence } = message
    const batch = RequestBatch.of([own(Number(sequence))])
    const proposal = encodeMessage({ type: 'pre-prepare', view, sequence, batch })
    return [{ bytes: proposal, afterMs: holdBack(liar, message, 0.9) }]
  }
  if (message.type !== 'plain' || message.message.type !== 'status') return [bytes]
  const first = Number(message.message.lastExecuted) + 1
  const forwards = Array.from({ length: starvingRequests }, (_, i) => encodeForward(own(first + i)))
  return [bytes, ...forwards]
}

/** Copies of each message that a `flooder` sends, and messages of other kinds beside them. */
export const floodFactor = 20

/** Sends many times what costs it nothing: copies, empty messages, votes far away, forged batches to fetch. */
const flooder: Behaviour = (bytes) => {
  const far = { view: 0n, sequence: 1n << 40n, digest: flipped('0'.repeat(64)) }
  const cheap = [
    bytes,
    Buffer.alloc(0),
    encodeMessage({ ...far, type: 'prepare' }),
    encodeMessage({ type: 'fetch-batch', sequence: 1n, digest: far.digest }),
  ]
  return [bytes, ...Array.from({ length: floodFactor }, () => cheap).flat()]
}

/** Says what is true, and gives state transfers one batch in {@link slowSourceMs}. */
const slowSource: Behaviour = (bytes) => [bytes]

/** How long a replica that lies as `slowSource` takes for a batch, in milliseconds. */
export const slowSourceMs = 4_000

function voteIn(message: Incoming) {
  if (message.type !== 'plain') return undefined
  const { message: content } = message
  return content.type === 'prepare' || content.type === 'commit' ? content : undefined
}

/** The named ways to lie. */
export const behaviours = {
  silent,
  equivocating,
  twoFaced,
  forgetful,
  inventive,
  twoBeginnings,
  wrongVotes,
  wrongCheckpoints,
  garbage,
  partial,
  lazyPrimary,
  boastful,
  slowSource,
  accusing,
  slowPrimary,
  tricklingPrimary,
  starvingPrimary,
  flooder,
} as const

/** A name of {@link behaviours}. */
export type BehaviourName = keyof typeof behaviours
