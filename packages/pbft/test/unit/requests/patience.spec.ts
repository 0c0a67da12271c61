import { expect } from 'chai'
import { resolveReplicaOptions } from '../../../src/options.ts'
import { Patience } from '../../../src/requests/patience.ts'
import type { Decision } from '../../../src/requests/patience.ts'
import { gracePart } from '../../../src/requests/primary-pace.ts'
import { RequestPool } from '../../../src/requests/request-pool.ts'
import { Random } from '../../../src/testing.ts'
import { requestDigest } from '../../../src/wire/request-batch.ts'

/** Half a second until a request is late, a whole one until the primary is suspected. */
const options = resolveReplicaOptions({
  ...{ id: 3, n: 4, requestTimeoutMs: 1_000, forwardTimeoutMs: 500, statusIntervalMs: 400 },
})

const usual = { isHeldUp: false, isBehind: false, executedByOthers: 0n, timeoutFactor: 1 }

/** What backup 3 decides in view 0, each as a line. */
class Backup {
  readonly facts = { now: 0, ...usual, awaitsPrimary: false }
  readonly pool = new RequestPool(options)
  readonly patience = new Patience(this.pool, this.facts, options)
  readonly lines: string[] = []

  constructor() {
    this.enter(0n)
  }

  enter(view: bigint, active = true): void {
    this.note(this.patience.leave(active))
    this.note(this.patience.enter({ view, primary: Number(view % 4n), active }))
  }

  add(id: string, origin = 3): void {
    const request = Buffer.from(id)
    const { now, executedByOthers } = this.facts
    this.pool.add({ request, id, digest: requestDigest(request) }, origin, now, executedByOthers)
    this.note(this.patience.lookAt(origin))
    this.note(this.patience.observe())
  }

  execute(id: string): void {
    this.pool.remove(this.pool.get(id)!)
    this.note(this.patience.executed())
    this.note(this.patience.observe())
  }

  /** Lets time pass, and asks whenever it wants to be asked. */
  pass(ms: number): void {
    const { facts, patience } = this
    const end = facts.now + ms
    while (patience.wakeAt <= end) {
      facts.now = patience.wakeAt
      for (const turn of patience.due()) {
        this.note(patience.expire(turn))
        this.note(patience.lookAt(turn.origin))
      }
      this.note(patience.judge())
    }
    facts.now = end
  }

  note(decisions: readonly Decision[]): void {
    for (const decision of decisions) {
      this.lines.push(`${this.facts.now} ${textOf(decision)}`)
      if (decision.type === 'giveUp') this.pool.remove(decision.entry)
    }
  }

  /** What was decided since this was asked last. */
  news(): string[] {
    return this.lines.splice(0)
  }
}

function textOf(decision: Decision): string {
  switch (decision.type) {
    case 'late':
      return `late ${decision.isLate} in ${decision.view}`
    case 'calm':
      return `calm ${decision.factor} in ${decision.view}`
    case 'suspect':
      return `suspect ${decision.view}`
    case 'slow':
      return `slow ${decision.isSlow}`
    default:
      return `${decision.type} ${decision.entry.id}`
  }
}

describe('Patience', () => {
  it('passes on the oldest, reminds of it at half its time, suspects at the end and goes on', () => {
    const at = new Backup()
    at.add('a')
    at.add('b')
    at.pass(499)
    expect(at.news()).to.deep.equal(['0 passOn a'])
    at.pass(501)
    expect(at.news()).to.deep.equal([
      ...['500 remind a', '1000 late false in 0', '1000 suspect 0', '1000 passOn a'],
    ])
    at.execute('a')
    expect(at.news()).to.deep.equal(['1000 passOn b'])
  })

  it('calls the primary late once the request was checked anew, unless its time is over', () => {
    const at = new Backup()
    at.add('a')
    at.pass(500)
    const entry = at.pool.get('a')!
    at.news()
    at.note(at.patience.checkedAnew(entry, 0n))
    expect(at.news()).to.deep.equal(['500 late true in 0'])
    at.enter(1n)
    at.news()
    at.note(at.patience.checkedAnew(entry, 0n))
    at.pass(500)
    at.news()
    at.note(at.patience.checkedAnew(entry, 0n))
    expect(at.news(), 'late in view 1, reminded of in view 0').to.deep.equal([])
  })

  it('gives up what as many primaries as there are left waiting, also those whose views ended early', () => {
    const at = new Backup()
    at.add('a')
    for (const view of [4n, 8n]) {
      at.pass(600)
      at.enter(view, false)
      at.enter(view)
    }
    at.pass(1_000)
    expect(at.lines.filter((line) => line.includes('giveUp'))).to.deep.equal([])
    at.news()
    at.pass(1_000)
    expect(at.news()).to.deep.equal([...['2700 remind a', '3200 late false in 8', '3200 giveUp a']])
  })

  for (const [when, fact] of [
    ['it takes nothing in', { isHeldUp: true }],
    ['others executed since the request came', { isBehind: true, executedByOthers: 1n }],
  ] as const)
    it(`blames nobody while ${when}`, () => {
      const at = new Backup()
      at.add('a')
      Object.assign(at.facts, fact)
      at.pass(2_000)
      expect(at.lines.filter((line) => /late true|suspect/.test(line))).to.deep.equal([])
      expect(at.pool.get('a')).to.have.property('suspicions', 0)
    })

  it('blames nobody as the primary', () => {
    const at = new Backup()
    at.enter(3n)
    at.add('a')
    at.pass(5_000)
    expect(at.lines.filter((line) => /suspect|giveUp/.test(line))).to.deep.equal([])
  })

  it('suspects while it is behind, when the others executed nothing for two status intervals', () => {
    const at = new Backup()
    at.facts.isBehind = true
    at.add('a')
    at.pass(1_000)
    expect(at.news()).to.include('1000 suspect 0')
  })

  it('tells that the primary is slow when it owes half a time-out, and suspects it at a whole one', () => {
    const at = new Backup()
    at.facts.awaitsPrimary = true
    for (let i = 0; i < 3; i++) {
      at.add(`request ${i}`)
      at.pass(1_000 * gracePart + 250)
      at.facts.awaitsPrimary = false
      at.execute(`request ${i}`)
      at.facts.awaitsPrimary = true
    }
    const told = at.news().filter((line) => !line.includes('passOn'))
    expect(told).to.deep.equal(['750 slow true', '750 late true in 0'])
    at.add('last')
    at.pass(1_000 * gracePart + 250)
    expect(at.news()).to.include.members(['1500 slow false', '1500 suspect 0'])
  })

  it('decides the same of the same', () => {
    const run = (seed: number): string[] => {
      const [at, random] = [new Backup(), new Random(seed)]
      for (let i = 0; i < 300; i++) {
        at.facts.awaitsPrimary = random.chance(1 / 2)
        if (random.chance(1 / 3)) at.add(`request ${i}`, random.between(0, 3))
        const oldest = at.pool.oldest()
        if (random.chance(1 / 3) && oldest !== undefined) at.execute(oldest.id)
        if (random.chance(1 / 20)) at.enter(BigInt(i))
        at.pass(random.between(0, 299))
      }
      return at.lines
    }
    for (const seed of [1, 2, 3]) {
      const lines = run(seed)
      expect(lines.join()).to.match(/remind.*suspect.*slow true/)
      expect(run(seed)).to.deep.equal(lines)
    }
  })
})
