import { expect } from 'chai'
import type { Certificate, Said, Status } from '../../src/core/messages.ts'
import { maxFetches, missingIntervals } from '../../src/core/lost-blocks.ts'
import type { CoreOptions, JournalRecord } from '../../src/core/protocol.ts'
import {
  batchOf,
  broadcasts,
  certificate,
  claim,
  newView,
  stateDigest,
  viewChange,
} from '../support/cores.ts'
import { answer, query, Returned, votes } from '../support/returned.ts'

describe('replicas of which no quorum remembers', () => {
  const accepting = { provesTransfers: true, acceptLoss: true }
  /** An answer of one that forgot, whose owner accepts that. */
  const forgetful = (content: Partial<Status> = {}): Status =>
    answer(
      { view: 2n, accepted: 9n },
      { reply: 0n, acceptsLoss: true, lastExecuted: 3n, ...content },
    )

  function setBack(options: Partial<CoreOptions> = accepting, executed = 3n): Returned {
    return new Returned([], options, executed, false)
  }

  /** They say this of what they heard from it; who is not named is silent, and waited for in vain. */
  function told(driver: Returned, ...heard: readonly Partial<Said>[]): string[] {
    for (const [from, of3] of heard.entries()) {
      const answered = { reply: 0n, acceptsLoss: true, lastExecuted: 3n }
      driver.receive(from, answer(of3, answered))
    }
    for (let i = 0; i < missingIntervals; i++) driver.fire('status')
    return votes(driver.effects)
  }

  it('stay silent, and each says who else forgot, unless their owners accept that something may be lost', () => {
    const driver = setBack({ provesTransfers: true })
    for (const from of [0, 1, 2]) driver.receive(from, forgetful())
    for (let i = 0; i <= missingIntervals; i++) driver.fire('status')
    expect(driver.isVoting).to.equal(false)
    expect(driver.of('voting').at(-1)).to.deep.include({ forgetful: [0, 1, 2] })
  })

  it('tell each other whether their owners accept it, who do not unless they say so', () => {
    const accepts = (options: Partial<CoreOptions>): boolean | undefined =>
      broadcasts(setBack(options).effects, 'status')[0]?.acceptsLoss
    expect(accepts({ acceptLoss: true })).to.equal(true)
    expect(accepts({ acceptLoss: false })).to.equal(false)
    expect(accepts({})).to.equal(false)
  })

  it('go on in a later view than any of them was in, with the proof of their state signed anew', () => {
    const driver = setBack()
    driver.receive(0, forgetful({ view: 4n }))
    driver.receive(1, forgetful())
    expect(votes(driver.effects)).to.deep.equal([])
    const effects = driver.receive(2, forgetful())
    expect(broadcasts(effects, 'view-change').map(({ view }) => view)).to.deep.equal([5n])
    driver.receive(
      0,
      newView(
        5n,
        [0, 1, 2].map((id) => viewChange(id, 5n)),
      ),
    )
    expect(driver.isVoting).to.equal(true)
    for (const from of [0, 1, 2]) driver.receive(from, forgetful())
    expect(driver.isVoting, 'what was heard from it before counts no more').to.equal(true)
  })

  it('fetch the furthest state that one of them has first, and try it again when it is not to be had', () => {
    const driver = setBack()
    for (const from of [0, 1]) driver.receive(from, forgetful())
    const furthest = forgetful({ lastExecuted: 5n, digests: [stateDigest(5n)] })
    driver.receive(2, furthest)
    for (let i = 1; i < maxFetches; i++) driver.step({ type: 'transferFailed' })
    expect(driver.of('transfer')).to.have.length(maxFetches)
    expect(votes(driver.effects)).to.deep.equal([])
    const earlier = [stateDigest(4n)]
    driver.step({ type: 'transferred', sequence: 5n, digest: stateDigest(5n), earlier })
    const told = votes(driver.effects)
    expect(told).to.deep.equal(['checkpoint', 'view-change'])
    expect(broadcasts(driver.effects, 'checkpoint')[0]).to.include({ sequence: 4n })
  })

  it('wait for one whose owner does not accept it', () => {
    const driver = setBack()
    for (const from of [0, 1]) driver.receive(from, forgetful())
    driver.receive(2, forgetful({ acceptsLoss: false }))
    for (let i = 0; i <= missingIntervals; i++) driver.fire('status')
    expect(driver.isVoting).to.equal(false)
    expect(votes(driver.effects)).to.deep.equal([])
  })

  it('wait for one that does not answer, but not for ever, and never as fewer than a quorum', () => {
    const driver = setBack()
    driver.receive(0, forgetful())
    for (let i = 0; i <= missingIntervals; i++) driver.fire('status')
    expect(votes(driver.effects), 'two of four').to.deep.equal([])
    const other = setBack()
    for (const from of [0, 1]) other.receive(from, forgetful())
    for (let i = 1; i < missingIntervals; i++) other.fire('status')
    expect(votes(other.effects), 'an interval before').to.deep.equal([])
    expect(votes(other.fire('status'))).to.deep.equal(['view-change'])
  })

  it('take the safe way while a quorum of the others remembers', () => {
    const driver = setBack()
    for (const from of [0, 1, 2]) driver.receive(from, forgetful({ reply: query }))
    expect(driver.of('voting').at(-1)).to.include({ isVoting: false, until: 11n, votesFrom: 1n })
  })

  it('include none that remembers, whatever its owner accepts', () => {
    const driver = new Returned([], accepting, 3n)
    for (const from of [0, 1, 2]) driver.receive(from, forgetful({ heard: [] }))
    expect(driver.isVoting).to.equal(true)
    expect(votes(driver.effects)).to.deep.equal([])
  })

  it('go on in view 1 when all were in view 0', () => {
    const driver = setBack()
    for (const from of [0, 1, 2]) driver.receive(from, forgetful())
    expect(broadcasts(driver.effects, 'view-change').map(({ view }) => view)).to.deep.equal([1n])
  })

  it('go on without a state that could not be had for maxFetches times', () => {
    const driver = setBack()
    for (const from of [0, 1]) driver.receive(from, forgetful())
    driver.receive(2, forgetful({ lastExecuted: 5n, digests: [stateDigest(5n)] }))
    for (let i = 1; i < maxFetches; i++) driver.step({ type: 'transferFailed' })
    expect(votes(driver.effects)).to.deep.equal([])
    expect(votes(driver.step({ type: 'transferFailed' }))).to.deep.equal(['view-change'])
    expect(driver.of('transfer')).to.have.length(maxFetches)
  })

  it('fetch the furthest state of several, from the one that has it', () => {
    const driver = setBack()
    for (const [from, lastExecuted] of [4n, 7n, 5n].entries())
      driver.receive(from, forgetful({ lastExecuted, digests: [stateDigest(lastExecuted)] }))
    const [fetched] = driver.of('transfer')
    expect(fetched).to.deep.include({ sequence: 7n, digest: stateDigest(7n), replicas: [1] })
  })

  it('wait for the state that f + 1 are in, and for that of no fewer, where states cannot prove themselves', () => {
    const ahead = { lastExecuted: 5n, digests: [stateDigest(5n)] }
    for (const [many, expected] of [
      [1, ['view-change']],
      [2, []],
    ] as const) {
      const driver = setBack({ acceptLoss: true })
      for (const from of [0, 1, 2]) driver.receive(from, forgetful(from < many ? ahead : {}))
      expect(votes(driver.effects), `${many} ahead`).to.deep.equal(expected)
      expect(driver.of('transfer')).to.deep.equal([])
    }
  })

  it('take for said what f + 1 heard from them, and no more on the word of a liar', () => {
    const cases: [heard: bigint[], believed: bigint][] = [
      [[9n, 5n, 7n], 7n],
      [[9n, 5n], 5n],
      [[5n, 9n], 5n],
    ]
    for (const [heard, believed] of cases) {
      const driver = setBack()
      const numbers = heard.map((number) => ({ accepted: number }))
      expect(told(driver, ...numbers)).to.deep.equal(['view-change'])
      const [amnesia] = driver.core.durableRecords()
      expect(amnesia).to.include({ type: 'amnesia', until: believed, over: true })
    }
  })

  /** What a journal can hold of a number that its replica said nothing about. */
  const unsaid: Record<string, JournalRecord> = {
    'a number whose batch they lost with the journal': {
      type: 'new-view',
      newView: newView(
        1n,
        [0, 1, 2].map((id) => viewChange(id, 1n, { prepared: [claim(4n, batchOf('a'))] })),
      ),
    },
    'a bound that they did not reach': { type: 'amnesia', until: 11n, votesFrom: 3n, over: false },
  }
  for (const [what, record] of Object.entries(unsaid))
    it(`do not take for said ${what}, and believe those who heard it later`, () => {
      const driver = new Returned([record], accepting, 3n, record.type !== 'new-view')
      for (const from of [0, 1, 2]) driver.receive(from, forgetful({ heard: [] }))
      const view = 5n
      const changes = [0, 1, 2].map((id) => viewChange(id, view))
      driver.receive(1, newView(view, changes))
      expect(driver.isVoting).to.equal(true)
      for (const from of [0, 1]) driver.receive(from, answer({ accepted: 4n }))
      expect(driver.isVoting).to.equal(false)
    })

  it('sign their last checkpoint anew, where it is not proven and its state is known', () => {
    const cases: [executed: bigint, stable: bigint, expected: string[]][] = [
      [4n, 0n, ['checkpoint', 'view-change']],
      [4n, 4n, ['view-change']],
      [5n, 0n, ['view-change']],
      [1n, 0n, ['view-change']],
      [0n, 0n, ['view-change']],
    ]
    for (const [executed, stable, expected] of cases) {
      const proof = { type: 'stable', certificate: certificateOf(stable) } as const
      const journal = stable === 0n ? [] : [proof]
      const driver = new Returned(journal, accepting, executed, false)
      for (const from of [0, 1, 2]) driver.receive(from, forgetful({ lastExecuted: executed }))
      expect(votes(driver.effects), `${executed} after ${stable}`).to.deep.equal(expected)
      for (const { sequence, digest } of broadcasts(driver.effects, 'checkpoint'))
        expect([sequence, digest]).to.deep.equal([4n, stateDigest(4n)])
    }
  })
})

const certificateOf = (sequence: bigint): Certificate => ({
  type: 'certificate',
  checkpoints: certificate(sequence),
})
