import { expect } from 'chai'
import fc from 'fast-check'
import { NULL_DIGEST } from '../../../src/core/messages.ts'
import type { Claim, ViewChange } from '../../../src/core/messages.ts'
import { holdersOf, selectReplay } from '../../../src/core/selection.ts'
import { certificate, claim, viewChange } from '../../support/cores.ts'

const rules = { quorum: 3, weakQuorum: 2 }

/** The decision procedure of TOCS ’02, Figure 4, word for word and slowly: every digest that it allows at n. */
function allowedAt(changes: readonly ViewChange[], n: bigint): Set<string> {
  const allowed = new Set<string>()
  for (const { prepared } of changes)
    for (const p of prepared.filter((entry) => entry.sequence === n)) {
      const a1 = changes.filter((m) =>
        m.prepared
          .filter((o) => o.sequence === n)
          .every((o) => o.view < p.view || (o.view === p.view && o.digest === p.digest)),
      )
      const a2 = changes.filter((m) =>
        m.prePrepared.some((q) => q.sequence === n && q.view >= p.view && q.digest === p.digest),
      )
      if (a1.length >= rules.quorum && a2.length >= rules.weakQuorum) allowed.add(p.digest)
    }
  const b = changes.filter((m) => m.prepared.every((p) => p.sequence !== n))
  if (allowed.size === 0 && b.length >= rules.quorum) allowed.add(NULL_DIGEST)
  return allowed
}

const claims = fc.uniqueArray(
  fc.record({
    sequence: fc.bigInt(1n, 3n),
    digest: fc.constantFrom('aa', 'bb'),
    view: fc.bigInt(0n, 2n),
  }),
  { selector: (c) => c.sequence, maxLength: 3 },
)
const extra = fc.uniqueArray(
  fc.record({
    sequence: fc.bigInt(1n, 3n),
    digest: fc.constantFrom('aa', 'bb'),
    view: fc.bigInt(0n, 2n),
  }),
  { selector: (c) => `${c.sequence} ${c.digest}`, maxLength: 4 },
)
const changes = fc.array(fc.tuple(claims, extra), { minLength: 3, maxLength: 4 }).map((all) =>
  all.map(([prepared, more], id) => {
    const rest = more.filter(
      (q) => !prepared.some((p) => p.sequence === q.sequence && p.digest === q.digest),
    )
    return viewChange(id, 3n, { prepared, prePrepared: [...(prepared as Claim[]), ...rest] })
  }),
)

describe('selectReplay', () => {
  it('chooses for every number what the paper’s procedure allows, and nothing when it allows nothing', () => {
    fc.assert(
      fc.property(changes, (set) => {
        const replay = selectReplay(set, rules)
        const numbers = set.flatMap((m) => m.prepared.map((p) => p.sequence))
        const top = numbers.reduce((a, b) => (a > b ? a : b), 0n)
        for (let n = 1n; n <= top; n++) {
          const allowed = allowedAt(set, n)
          if (replay === undefined) {
            if (allowed.size === 0) return
          } else {
            const digest = replay.digests[Number(n) - 1] ?? NULL_DIGEST
            expect([...allowed], `at ${n}`).to.include(digest)
          }
        }
        expect(replay !== undefined || top === 0n).to.equal(true)
      }),
      { numRuns: 2_000, seed: 1 },
    )
  })

  it('does not depend on the order of the view-changes', () => {
    fc.assert(
      fc.property(changes, (set) => {
        expect(selectReplay([...set].reverse(), rules)?.digests).to.deep.equal(
          selectReplay(set, rules)?.digests,
        )
      }),
      { numRuns: 500, seed: 2 },
    )
  })

  it('never gives up what a quorum may have committed, whatever one liar adds', () => {
    fc.assert(
      fc.property(claims, extra, fc.bigInt(0n, 2n), (lies, more, view) => {
        // `aa` prepared in `view` at 1 at two correct replicas, the third only pre-prepared it.
        const prepared = [claim(1n, 'aa', view)]
        const honest = [
          viewChange(0, 3n, { prepared }),
          viewChange(1, 3n, { prepared }),
          viewChange(2, 3n, { prePrepared: prepared }),
        ]
        const rest = more.filter(
          (q) => !lies.some((p) => p.sequence === q.sequence && p.digest === q.digest),
        )
        const liar = viewChange(3, 3n, { prepared: lies, prePrepared: [...lies, ...rest] })
        for (const out of [0, 1, 2, 3]) {
          const set = [...honest, liar].filter((m) => m.replica !== out)
          const replay = selectReplay(set, rules)
          if (replay !== undefined) expect(replay.digests[0]).to.equal('aa')
        }
      }),
      { numRuns: 1_000, seed: 3 },
    )
  })

  it('drops null requests at the end only', () => {
    const prepared = [claim(2n, 'aa')]
    const set = [0, 1, 2].map((id) => viewChange(id, 1n, { prepared }))
    expect(selectReplay(set, rules)?.digests).to.deep.equal([NULL_DIGEST, 'aa'])
    const lie = viewChange(3, 1n, { prepared: [claim(5n, 'bb')] })
    expect(selectReplay([...set, lie], rules)?.digests).to.deep.equal([NULL_DIGEST, 'aa'])
  })

  it('begins above the highest stable checkpoint, wherever the others are', () => {
    const set = [
      viewChange(0, 1n, { lowWatermark: 4n, prepared: [claim(5n, 'aa')] }),
      viewChange(1, 1n, { prepared: [claim(3n, 'bb')] }),
      viewChange(2, 1n, { prepared: [claim(5n, 'aa')] }),
    ]
    const replay = selectReplay(set, rules)
    expect(replay?.base).to.equal(4n)
    expect(replay?.digests).to.deep.equal(['aa'])
  })

  it('begins there also when the view-change that proves it comes last, and shows its proof', () => {
    const set = [viewChange(1, 1n), viewChange(2, 1n, { lowWatermark: 2n }), viewChange(0, 1n)]
    const expected = { type: 'certificate', checkpoints: certificate(2n) }
    expect(selectReplay(set, rules)).to.deep.include({ base: 2n, certificate: expected })
  })

  it('prefers what prepared in the later view, where a liar leaves the choice', () => {
    const set = [
      viewChange(0, 2n, { prepared: [claim(1n, 'aa')] }),
      viewChange(1, 2n, { prepared: [claim(1n, 'aa')] }),
      viewChange(2, 2n, { prepared: [claim(1n, 'bb', 1n)] }),
      viewChange(3, 2n, { prePrepared: [claim(1n, 'bb', 1n)] }),
    ]
    for (const order of [set, [...set].reverse()])
      expect(selectReplay(order, rules)?.digests).to.deep.equal(['bb'])
  })

  it('chooses alike in any order also where liars had two batches prepared in one view', () => {
    const set = [
      viewChange(0, 2n, { prepared: [claim(1n, 'aa')] }),
      viewChange(1, 2n, { prePrepared: [claim(1n, 'aa')] }),
      viewChange(2, 2n, { prepared: [claim(1n, 'bb')] }),
      viewChange(3, 2n, { prePrepared: [claim(1n, 'bb')] }),
    ]
    for (const order of [set, [...set].reverse()])
      expect(selectReplay(order, rules)?.digests).to.deep.equal(['aa'])
  })
})

describe('holdersOf', () => {
  it('names the replicas that pre-prepared this batch under this number', () => {
    const set = [
      viewChange(0, 1n, { prePrepared: [claim(2n, 'bb'), claim(1n, 'aa')] }),
      viewChange(1, 1n, { prePrepared: [claim(1n, 'bb'), claim(2n, 'aa')] }),
      viewChange(3, 1n, { prePrepared: [claim(1n, 'aa')] }),
    ]
    expect(holdersOf(set, 1n, 'aa')).to.deep.equal([0, 3])
  })
})
