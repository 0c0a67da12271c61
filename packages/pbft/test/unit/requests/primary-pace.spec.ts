import { expect } from 'chai'
import { gracePart, PrimaryPace } from '../../../src/requests/primary-pace.ts'
import type { Phase } from '../../../src/requests/primary-pace.ts'

/** Time-out 1,000 ms: a grace of 125 ms, slow at 500 ms owed, too slow at 1,000. */
function setup() {
  const facts = { now: 0 }
  const told: string[] = []
  const state = { timeoutMs: 1_000 }
  const tell = (what: string): void => void told.push(`${facts.now} ${what}`)
  const pace = new PrimaryPace(facts, () => state.timeoutMs, {
    onSlow: (isSlow) => tell(isSlow ? 'slow' : 'not slow'),
    onTooSlow: () => tell('too slow'),
  })
  /** So long it is this phase. */
  const pass = (phase: Phase, ms: number): void => {
    pace.observe(phase)
    const end = facts.now + ms
    while (pace.wakeAt <= end) {
      facts.now = pace.wakeAt
      pace.expire()
    }
    facts.now = end
  }
  return { told, state, pace, pass }
}

describe('PrimaryPace', () => {
  it('gives each turn of the primary its grace, at the bound', () => {
    const { told, pass } = setup()
    for (let i = 0; i < 100; i++) {
      pass('primary', 1_000 * gracePart)
      pass('idle', 1)
    }
    expect(told).to.deep.equal([])
    for (let i = 0; i < 499; i++) {
      pass('primary', 1_000 * gracePart + 1)
      pass('idle', 1)
    }
    expect(told).to.deep.equal([])
    pass('primary', 1_000 * gracePart + 1)
    expect(told.map((line) => line.split(' ').slice(1).join(' '))).to.deep.equal(['slow'])
  })

  it('calls it slow at half a time-out beyond, too slow at a whole one, and measures anew', () => {
    const { told, pass } = setup()
    pass('primary', 1_124)
    expect(told).to.deep.equal(['625 slow'])
    pass('primary', 1)
    expect(told.slice(1)).to.deep.equal(['1125 too slow'])
    pass('primary', 625)
    expect(told.slice(2)).to.deep.equal(['1750 slow'])
  })

  it('adds turns up: one batch just before the time-out, again', () => {
    const { told, pass } = setup()
    pass('primary', 900)
    pass('group', 20)
    pass('primary', 900)
    expect(told).to.deep.equal(['625 slow', '1290 too slow'])
  })

  it('gives no grace to a turn that ends with something left out, and to that turn alone', () => {
    const { told, pace, pass } = setup()
    const leaveOut = (): void => {
      pass('primary', 100)
      pace.hasLeftOut()
      pass('idle', 1)
    }
    for (let i = 0; i < 4; i++) leaveOut()
    for (let i = 0; i < 100; i++) {
      pass('primary', 100)
      pass('idle', 1)
    }
    expect(told).to.deep.equal([])
    leaveOut()
    pass('idle', 1)
    expect(told).to.have.length(1)
  })

  it('blames no turn of the primary for what was left out in one of the group', () => {
    const { told, pace, pass } = setup()
    for (let i = 0; i < 20; i++) {
      pass('group', 1)
      pace.hasLeftOut()
      pass('primary', 100)
    }
    expect(told).to.deep.equal([])
  })

  it('lets it take as long as the group does: slow machines, disks and networks', () => {
    const { told, pass } = setup()
    for (let i = 0; i < 50; i++) {
      pass('primary', 500)
      pass('group', 375)
    }
    expect(told).to.deep.equal([])
    for (let i = 0; i < 500; i++) {
      pass('primary', 500)
      pass('group', 374)
    }
    expect(told, 'and no longer').to.have.length.greaterThan(0)
  })

  it('tells when it is not slow any more, and counts no time in which nothing waits', () => {
    const { told, pass } = setup()
    pass('primary', 700)
    pass('idle', 100_000)
    pass('group', 100)
    pass('idle', 1)
    expect(told).to.deep.equal(['625 slow', '100800 not slow'])
  })

  it('saves nothing up', () => {
    const { told, pass } = setup()
    pass('group', 100_000)
    pass('primary', 625)
    expect(told).to.deep.equal(['100625 slow'])
  })

  it('begins with nothing when reset', () => {
    const { told, pace, pass } = setup()
    pass('primary', 1_000)
    pace.reset()
    expect(pace.isSlow).to.equal(false)
    pass('primary', 624)
    expect(told).to.deep.equal(['625 slow'])
    pass('primary', 1)
    expect(told).to.deep.equal(['625 slow', '1625 slow'])
  })

  it('scales with the time-out, also while it runs', () => {
    const { told, state, pass } = setup()
    state.timeoutMs = 4_000
    pass('primary', 2_499)
    expect(told).to.deep.equal([])
    pass('primary', 2_001)
    expect(told).to.deep.equal(['2500 slow', '4500 too slow'])
  })

  it('is no more in haste for what was owed of a longer time-out', () => {
    const { told, state, pass } = setup()
    state.timeoutMs = 8_000
    pass('primary', 1_000 + 3_000)
    pass('idle', 1)
    state.timeoutMs = 1_000
    pass('primary', 125 + 124)
    expect(told, 'three eighths of it').to.deep.equal([])
    pass('primary', 1)
    expect(told, 'and an eighth').to.deep.equal(['4251 slow'])
  })
})
