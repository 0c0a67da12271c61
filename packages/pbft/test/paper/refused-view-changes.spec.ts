import { expect } from 'chai'
import { maxPrePreparedPerSequence } from '../../src/core/state.ts'
import type { ReplicaEffect } from '../../src/core/protocol.ts'
import type { ViewChange } from '../../src/core/messages.ts'
import {
  batchOf,
  certificate,
  checkpoint,
  claim,
  Driver,
  newView,
  only,
  viewChange,
} from '../support/cores.ts'

const a = batchOf('a')
const b = batchOf('b')

/** Who is blamed, and with which words. */
const refusals = (effects: readonly ReplicaEffect[]): string[] =>
  only(effects, 'reject').map(({ from, code, detail }) => `${from} ${code}: ${detail}`)

/** Digests of Q for one sequence number. */
const digests = (count: number) =>
  Array.from({ length: count }, (_, at) => claim(1n, at.toString(16).padStart(64, '0')))

describe('a view-change that no correct replica sends is refused with the reason', () => {
  const stable = (...checkpoints: ReturnType<typeof checkpoint>[]) => ({
    lowWatermark: 2n,
    stable: checkpoints,
  })
  const cases: [what: string, sent: ViewChange, problem: string | undefined][] = [
    ['of a replica beyond the last one', viewChange(4, 1n), 'no such replica'],
    ['of the last replica', viewChange(3, 1n), undefined],
    [
      'for a view that cannot be written down',
      viewChange(3, (1n << 62n) + 1n),
      'a view above 4611686018427387904',
    ],
    [
      'with proof of the initial state',
      viewChange(3, 1n, { stable: certificate(2n) }),
      'stable checkpoint: the initial state has no proof',
    ],
    [
      'with a stable checkpoint that is none',
      viewChange(3, 1n, { lowWatermark: 3n }),
      'stable checkpoint: not at a multiple of K',
    ],
    [
      'with a stable checkpoint that one replica signed twice',
      viewChange(3, 1n, stable(checkpoint(0, 2n), checkpoint(1, 2n), checkpoint(0, 2n))),
      'stable checkpoint: a replica twice',
    ],
    [
      'with too few signatures',
      viewChange(3, 1n, stable(checkpoint(0, 2n), checkpoint(1, 2n))),
      'stable checkpoint: fewer than a quorum',
    ],
    [
      'with signatures for several states',
      viewChange(3, 1n, stable(checkpoint(0, 2n), checkpoint(1, 2n), checkpoint(2, 2n, 'ff'))),
      'stable checkpoint: for different states',
    ],
    [
      'with a claim out of its window',
      viewChange(3, 1n, { prepared: [claim(9n, a)] }),
      'claim out of range',
    ],
    [
      'with two batches prepared under one number',
      viewChange(3, 2n, { prepared: [claim(1n, a), claim(1n, b, 1n)], prePrepared: [] }),
      'P has one twice',
    ],
    [
      'with one batch pre-prepared twice under one number',
      viewChange(3, 2n, { prePrepared: [claim(1n, a), claim(1n, a, 1n)] }),
      'Q has one twice',
    ],
    [
      'with the most batches pre-prepared under one number',
      viewChange(3, 1n, { prePrepared: digests(maxPrePreparedPerSequence) }),
      undefined,
    ],
    [
      'with one more',
      viewChange(3, 1n, { prePrepared: digests(maxPrePreparedPerSequence + 1) }),
      'Q has too many for one sequence number',
    ],
    [
      'with one batch under two numbers',
      viewChange(3, 1n, { prepared: [claim(1n, a), claim(2n, a)] }),
      undefined,
    ],
  ]
  for (const [what, sent, problem] of cases) {
    it(`${what}: ${problem ?? 'taken'}`, () => {
      const driver = new Driver({ id: 2 })
      const { replica, view } = sent
      const expected =
        problem === undefined
          ? []
          : [`3 PBFT_INVALID_VIEW_CHANGE: of replica ${replica}: ${problem}`]
      expect(refusals(driver.receive(3, sent))).to.deep.equal(expected)
      if (problem === undefined) return
      const relayed = [viewChange(0, view), viewChange(1, view), sent]
      const effects = new Driver({ id: 2 }).receive(1, newView(view, relayed))
      expect(refusals(effects), 'in a new-view').to.deep.equal([
        `1 PBFT_INVALID_NEW_VIEW: ${problem}`,
      ])
    })
  }
})

describe('a new-view that proves nothing is refused with the reason', () => {
  const of = (...ids: number[]) => ids.map((id) => viewChange(id, 1n))
  const cases: [what: string, changes: ViewChange[], problem: string][] = [
    ['with too few view-changes', of(0, 1), 'fewer than a quorum'],
    ['with a replica twice instead of a third one', of(0, 1, 1), 'a replica twice'],
    ['with a replica twice beside a quorum', of(0, 1, 3, 3), 'a replica twice'],
    [
      'with a view-change for another view',
      [...of(0, 1), viewChange(3, 2n)],
      'a view-change for another view',
    ],
    [
      'with a claim that nobody else supports',
      [...of(0, 1), viewChange(3, 1n, { prepared: [claim(1n, a)] })],
      'its view-changes decide too little',
    ],
  ]
  for (const [what, changes, problem] of cases) {
    it(`${what}: ${problem}`, () => {
      const driver = new Driver({ id: 2 })
      expect(refusals(driver.receive(1, newView(1n, changes)))).to.deep.equal([
        `1 PBFT_INVALID_NEW_VIEW: ${problem}`,
      ])
      expect(driver.core.inspect()).to.include({ view: 0n, active: true })
    })
  }
})
