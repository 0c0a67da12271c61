import { createHash } from 'node:crypto'
import { decodeMessage } from '../wire/codec.ts'
import type { Incoming } from '../wire/codec.ts'
import { primaryOf } from '../core/quorum.ts'
import type { Claim, ViewChange, Vote } from '../core/messages.ts'
import { decodeFrame } from '../wire/frame.ts'
import { openCheckpoint, openNewView, openViewChange } from '../wire/opening.ts'
import { RequestBatch } from '../wire/request-batch.ts'

/** What one replica told others, for as long as the run lasts: crashes do not undo it. */
class Testimony {
  readonly said = new Map<string, string>()
  /** Its prepares (as primary: pre-prepares), and its commits. */
  readonly prepares: Vote[] = []
  readonly commits: Vote[] = []
}

/** A prepare, a commit, or the pre-prepare by which a primary votes. */
const isVote = (incoming: Incoming): boolean =>
  incoming.type === 'pre-prepare' ||
  (incoming.type === 'plain' && /^(prepare|commit)$/.test(incoming.message.type))

/**
 * Listens to correct replicas and remembers all that they ever said. Safety rests on each of them
 * never contradicting itself, whatever crashed meanwhile; where that breaks, states may differ only
 * under an adversary more skilled than the one of the run, so it is checked by itself.
 */
export class Witness {
  readonly #n: number
  readonly #testimonies: Testimony[]
  /** The first contradiction heard; undefined when there is none. */
  problem: string | undefined

  constructor(n: number) {
    this.#n = n
    this.#testimonies = Array.from({ length: n }, () => new Testimony())
  }

  /**
   * `replica` lost its journal. Later it may leave for a view that it left for before, or begin one
   * that never began: neither contradicts a vote. Where losses are accepted, nothing that it said counts.
   */
  forgets(replica: number, isAccepted = false): void {
    if (isAccepted) this.#testimonies[replica] = new Testimony()
    const said = this.#testimonies[replica]?.said
    for (const what of said?.keys() ?? [])
      if (/^(view-change|new-view) /.test(what)) said?.delete(what)
  }

  /** Takes a frame that the correct replica `from` sends, which says of itself whether it votes. */
  hears(from: number, frame: Uint8Array, isVoting: boolean): void {
    for (const bytes of decodeFrame(frame)) {
      const message = decodeMessage(bytes)
      if (!isVoting && isVote(message)) this.problem ??= `replica ${from} votes though it may not`
      this.#note(from, message)
    }
  }

  #note(from: number, message: Incoming): void {
    if (message.type === 'plain') {
      const { message: content } = message
      if (content.type === 'prepare' || content.type === 'commit')
        this.#noteVote(from, content.type, content)
    } else if (message.type === 'pre-prepare') {
      const { view, sequence, requests } = message
      const { digest } = RequestBatch.of(requests)
      this.#noteVote(from, 'prepare', { view, sequence, digest })
    } else if (message.type === 'signed') this.#noteSigned(from, message)
  }

  #noteVote(from: number, type: 'prepare' | 'commit', vote: Vote): void {
    const { view, sequence, digest } = vote
    const isNew = this.#says(from, `${type} ${sequence} of view ${view}`, digest)
    if (isNew) this.#testimonies[from]?.[`${type}s`].push(vote)
  }

  #noteSigned(from: number, { kind, proof }: Incoming & { readonly type: 'signed' }): void {
    const body = createHash('sha256').update(proof.body).digest('hex')
    if (kind === 'checkpoint') {
      const { sequence, digest } = openCheckpoint(proof)
      this.#says(from, `checkpoint ${sequence}`, digest)
    } else if (kind === 'view-change') {
      const viewChange = openViewChange(proof)
      const isNew = this.#says(from, `view-change ${viewChange.view}`, body)
      if (isNew) this.#checkClaims(from, viewChange)
    } else {
      const { view } = openNewView(proof)
      if (primaryOf(view, this.#n) === from) this.#says(from, `new-view ${view}`, body)
    }
  }

  /** Whether this is the first time; a problem when it was otherwise before. */
  #says(from: number, what: string, content: string): boolean {
    const said = this.#testimonies[from]?.said
    const before = said?.get(what)
    said?.set(what, content)
    if (before !== undefined && before !== content)
      this.problem ??= `replica ${from} contradicts itself about ${what}`
    return before === undefined
  }

  /** P and Q leave out nothing that was voted for in an earlier view, above h. */
  #checkClaims(from: number, { view, lowWatermark, prepared, prePrepared }: ViewChange): void {
    const covers = (claims: readonly Claim[], vote: Vote, isExact: boolean): boolean =>
      claims.some(
        (claim) =>
          claim.sequence === vote.sequence &&
          claim.view >= vote.view &&
          (!isExact || claim.digest === vote.digest),
      )
    const isDue = (vote: Vote): boolean => vote.view < view && vote.sequence > lowWatermark
    const { prepares = [], commits = [] } = this.#testimonies[from] ?? {}
    const missing =
      commits.find((vote) => isDue(vote) && !covers(prepared, vote, false)) ??
      prepares.find((vote) => isDue(vote) && !covers(prePrepared, vote, true))
    if (missing === undefined) return
    this.problem ??= `the view-change of replica ${from} for view ${view} leaves out its vote for ${missing.sequence} in view ${missing.view}`
  }
}
