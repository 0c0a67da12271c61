import { NULL_DIGEST } from './messages.ts'
import type { Certificate, Claim, ViewChange } from './messages.ts'

/** What a new view starts from: a stable checkpoint and the batches to propose anew above it. */
export interface ReplayedView {
  /** min-s: the highest stable checkpoint that a view-change proves. */
  readonly base: bigint
  readonly certificate: Certificate
  /** For base + 1 and up, without gaps: the digest that each sequence number must get. */
  readonly digests: readonly string[]
}

interface Rules {
  readonly quorum: number
  readonly weakQuorum: number
}

/**
 * What follows from a set of valid view-changes of distinct replicas for one view, by the decision
 * procedure of PBFT (TOCS '02, §4.5.2, Figure 4), with the proven checkpoints of OSDI '99, §4.4.
 *
 * Undefined when the set decides too little: more view-changes are needed. The result does not
 * depend on the order of the set. Counts are of replicas, never of entries, and an entry counts
 * only for its own sequence number.
 */
export function selectReplay(
  viewChanges: readonly ViewChange[],
  rules: Rules,
): ReplayedView | undefined {
  const start = viewChanges.reduce((best, vc) => (vc.lowWatermark > best.lowWatermark ? vc : best))
  const base = start.lowWatermark
  const views = viewChanges.map(indexClaims)
  let top = base
  for (const { prepared } of views)
    for (const sequence of prepared.keys()) if (sequence > top) top = sequence
  const digests: string[] = []
  let kept = 0
  for (let sequence = base + 1n; sequence <= top; sequence++) {
    const digest = selectPrepared(views, sequence, rules)
    if (digest !== undefined) {
      digests.push(digest)
      // A null request that prepared may have committed: it must keep its number like any other.
      kept = digests.length
      continue
    }
    const free = views.filter(({ prepared }) => !prepared.has(sequence)).length
    if (free < rules.quorum) return undefined
    digests.push(NULL_DIGEST)
  }
  return {
    base,
    certificate: { type: 'certificate', checkpoints: start.stable },
    digests: digests.slice(0, kept),
  }
}

interface Indexed {
  readonly prepared: ReadonlyMap<bigint, Claim>
  readonly prePrepared: ReadonlyMap<bigint, readonly Claim[]>
}

function indexClaims(vc: ViewChange): Indexed {
  const prePrepared = new Map<bigint, Claim[]>()
  for (const claim of vc.prePrepared) {
    const claims = prePrepared.get(claim.sequence)
    if (claims === undefined) prePrepared.set(claim.sequence, [claim])
    else claims.push(claim)
  }
  return { prepared: new Map(vc.prepared.map((claim) => [claim.sequence, claim])), prePrepared }
}

/** Condition A: the digest that must be kept at `sequence`; of several, that of the highest view. */
function selectPrepared(
  views: readonly Indexed[],
  sequence: bigint,
  rules: Rules,
): string | undefined {
  const candidates = views
    .map(({ prepared }) => prepared.get(sequence))
    .filter((claim) => claim !== undefined)
    .sort(byViewThenDigest)
  return candidates.find(
    (claim) =>
      countUnopposed(views, claim) >= rules.quorum &&
      countVouching(views, claim) >= rules.weakQuorum,
  )?.digest
}

/** A1: those in which nothing prepared there in a later view, nor anything else in the same. */
function countUnopposed(views: readonly Indexed[], { sequence, view, digest }: Claim): number {
  return views.filter(({ prepared }) => {
    const other = prepared.get(sequence)
    return (
      other === undefined || other.view < view || (other.view === view && other.digest === digest)
    )
  }).length
}

/** A2: those in which the same pre-prepared in that view or later, so that one of them is correct. */
function countVouching(views: readonly Indexed[], { sequence, view, digest }: Claim): number {
  return views.filter(({ prePrepared }) =>
    prePrepared.get(sequence)?.some((q) => q.digest === digest && q.view >= view),
  ).length
}

function byViewThenDigest(a: Claim, b: Claim): number {
  if (a.view !== b.view) return a.view > b.view ? -1 : 1
  return a.digest < b.digest ? -1 : 1
}

/** The replicas whose view-change says that they hold the batch of `digest` at `sequence`. */
export function holdersOf(
  viewChanges: readonly ViewChange[],
  sequence: bigint,
  digest: string,
): number[] {
  return viewChanges
    .filter((vc) => vc.prePrepared.some((q) => q.sequence === sequence && q.digest === digest))
    .map((vc) => vc.replica)
}
