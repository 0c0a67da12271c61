import { EventEmitter } from 'node:events'
import type { ServerHttp2Session } from 'node:http2'
import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { FailedCalls, sweepMs } from '../../src/failed-calls.ts'

describe('FailedCalls', () => {
  it('cuts the connection of a session that was destroyed and does not close, not before a sweep', async () => {
    const clock = new VirtualClock()
    const calls = new FailedCalls(clock, () => undefined)
    const session = Object.assign(new EventEmitter(), { destroyed: false, state: {} })
    let cuts = 0
    calls.follow(session as unknown as ServerHttp2Session, 'client', () => {
      cuts += 1
      session.emit('close')
    })
    await clock.advance(10 * sweepMs)
    session.destroyed = true
    await clock.advance(sweepMs)
    expect(cuts, 'it may be sending why').to.equal(0)
    await clock.advance(sweepMs)
    expect(cuts).to.equal(1)
    expect(clock.pending, 'no timer is left').to.equal(0)
  })
})
