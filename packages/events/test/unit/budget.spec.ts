import { expect } from 'chai'
import { Budget } from '../../src/budget.ts'
import { VirtualClock } from '../../src/testing.ts'

describe('Budget', () => {
  const limits = { messages: { perSecond: 10, burst: 20 }, rejections: { perSecond: 1, burst: 2 } }

  function make(): { clock: VirtualClock; budget: Budget<'messages' | 'rejections'> } {
    const clock = new VirtualClock()
    return { clock, budget: new Budget(clock, { limits, maxHeldMs: 3_000 }) }
  }

  it('holds nobody back who spends exactly what there is, and whoever spends one more', () => {
    const { budget } = make()
    budget.spend('messages', 20)
    expect(budget.settle()).to.equal(undefined)
    expect(budget.isOverdrawn('messages')).to.equal(false)
    budget.spend('messages', 1)
    expect(budget.isOverdrawn('messages')).to.equal(true)
    expect(budget.settle()).to.deep.equal({ holdMs: 100, name: 'messages', isExceeded: false })
  })

  it('names what takes longest to come back', () => {
    const { budget } = make()
    budget.spend('messages', 30)
    budget.spend('rejections', 4)
    expect(budget.settle()).to.deep.equal({ holdMs: 2_000, name: 'rejections', isExceeded: false })
  })

  it('gives back so much a second, and never more than the burst', async () => {
    const { clock, budget } = make()
    budget.spend('messages', 25)
    await clock.advance(500)
    expect(budget.settle()).to.equal(undefined)
    await clock.advance(60_000)
    budget.spend('messages', 21)
    expect(budget.settle()?.holdMs).to.equal(100)
  })

  it('is exceeded once it has held back for as long as allowed without a quiet time', async () => {
    const { clock, budget } = make()
    const overspend = async (amount: number): Promise<boolean | undefined> => {
      budget.spend('messages', amount)
      const overdraft = budget.settle()
      await clock.advance(overdraft?.holdMs ?? 0)
      return overdraft?.isExceeded
    }
    expect(await overspend(40)).to.equal(false) // held back for 2 s
    await clock.advance(1_000) // half of the burst is there again: a quiet time
    expect(budget.settle()).to.equal(undefined)
    expect(await overspend(39)).to.equal(false) // for 2.9 s
    expect(await overspend(1)).to.equal(true) // for 0.1 s more
  })
})
