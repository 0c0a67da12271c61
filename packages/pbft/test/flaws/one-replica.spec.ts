import { expect } from 'chai'
import {
  batchOf,
  broadcasts,
  certificate,
  claim,
  Driver,
  newView,
  only,
  rejectCodes,
  sendsTo,
  viewChange,
  unheard,
} from '../support/cores.ts'

const a = batchOf('a')

/** What one faulty replica, or one crash, could do to a correct one. */
describe('one replica', () => {
  it('far behind says no more about its log than two windows hold', () => {
    const driver = new Driver({ id: 3 })
    driver.step({ type: 'start' })
    const checkpoints = certificate(1_000_000n)
    driver.receive(0, { type: 'certificate', checkpoints })
    driver.commit(0, 1_000_001n, a)
    const [status] = broadcasts(driver.fire('status'), 'status')
    expect(status?.lastExecuted).to.equal(0n)
    expect(status?.slots.length).to.be.at.most(16)
  })

  it('gets batches again up to maxResendBytes in an interval, however often it asks', () => {
    const driver = new Driver({ id: 0, maxResendBytes: 100 })
    driver.step({ type: 'start' })
    for (const letter of ['a', 'b', 'c', 'd'])
      driver.step({ type: 'propose', batch: batchOf(letter.repeat(60)) })
    const ask = () =>
      driver.receive(3, {
        ...{ type: 'status', view: 0n, active: true, lastExecuted: 0n },
        ...{ lowWatermark: 0n, viewChanges: [], slots: [], digests: [], query: 0n, reply: 0n },
        ...unheard,
      })
    for (let i = 0; i < 5; i++) ask()
    expect(sendsTo(driver.effects, 3, 'pre-prepare')).to.have.length(2)
    driver.fire('status')
    expect(sendsTo(ask(), 3, 'pre-prepare')).to.have.length(2)
  })

  it('enters a pending view once what it waits for is stable', () => {
    const driver = new Driver({ id: 2 })
    const prepared = [claim(1n, a)]
    const changes = [0, 1, 3].map((id) => viewChange(id, 1n, { prepared }))
    driver.receive(1, newView(1n, changes))
    expect(driver.core.inspect().view).to.equal(0n)
    driver.receive(0, { type: 'certificate', checkpoints: certificate(2n) })
    expect(driver.core.inspect()).to.include({ view: 1n, active: true })
  })

  it('as primary of a pending view signs its new-view once, whatever becomes stable meanwhile', () => {
    const driver = new Driver({ id: 1 })
    driver.step({ type: 'suspect', view: 0n })
    driver.receive(0, viewChange(0, 1n))
    // Not yet signed: the core is asked directly, the driver would sign at once.
    const signs = only(
      driver.core.step({ type: 'message', from: 3, message: viewChange(3, 1n) }) as never,
      'sign',
    )
    const message = { type: 'certificate', checkpoints: certificate(2n) } as const
    const more = only(driver.core.step({ type: 'message', from: 0, message }) as never, 'sign')
    expect([signs.length, more.length]).to.deep.equal([1, 0])
  })

  it('whose journal ends between the batches of a new view and the new-view is understood', () => {
    const journal = [{ type: 'pre-prepared', view: 3n, sequence: 1n, batch: a }] as const
    const driver = new Driver({ id: 2 }, journal)
    const [left] = broadcasts(driver.step({ type: 'suspect', view: 0n }), 'view-change')
    expect(rejectCodes(new Driver({ id: 1 }).receive(2, left!))).to.deep.equal([])
  })
})
