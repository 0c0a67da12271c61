import { VirtualClock } from '@heddle/events/testing'
import { expect } from 'chai'
import { Heartbeat } from '../../../src/connections/heartbeat.ts'

const options = { pingAfterMs: 10_000, pingTimeoutMs: 10_000 }

describe('Heartbeat', () => {
  let clock: VirtualClock
  let pings: number[]
  let vanished: number[]
  let heardAt: number
  let answer: (signal: AbortSignal) => Promise<void>
  let heartbeat: Heartbeat

  const silence = (signal: AbortSignal): Promise<void> =>
    new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error)),
    )

  beforeEach(() => {
    clock = new VirtualClock()
    pings = []
    vanished = []
    heardAt = 0
    answer = () => Promise.resolve()
    heartbeat = new Heartbeat(
      { clock, ...options },
      {
        get heardAt() {
          return heardAt
        },
        ping: (signal) => {
          pings.push(clock.now())
          return answer(signal)
        },
        onVanished: () => vanished.push(clock.now()),
      },
    )
  })

  it('pings a peer that was silent for pingAfterMs, and again so long after each answer', async () => {
    await clock.advance(9_999)
    expect(pings).to.deep.equal([])
    await clock.advance(20_001)
    expect(pings).to.deep.equal([10_000, 20_000, 30_000])
    expect(vanished).to.deep.equal([])
  })

  it('sends nothing while the peer talks', async () => {
    for (let i = 0; i < 100; i += 1) {
      await clock.advance(9_999)
      heardAt = clock.now()
    }
    expect(pings).to.deep.equal([])
    await clock.advance(10_000)
    expect(pings).to.have.length(1)
  })

  it('notices who vanished within pingAfterMs and pingTimeoutMs, once', async () => {
    answer = silence
    heardAt = 0
    await clock.advance(19_999)
    expect(vanished).to.deep.equal([])
    await clock.advance(1)
    expect(vanished).to.deep.equal([20_000])
    await clock.advance(100_000)
    expect([pings.length, vanished.length, clock.pending]).to.deep.equal([1, 1, 0])
  })

  it('takes an error for an answer, and a message that came meanwhile', async () => {
    answer = () => Promise.reject(new Error('unimplemented'))
    await clock.advance(10_000)
    answer = silence
    await clock.advance(15_000)
    heardAt = clock.now()
    await clock.advance(10_000)
    expect(vanished).to.deep.equal([])
    expect(pings).to.deep.equal([10_000, 20_000, 35_000])
  })

  it('leaves nothing behind when it stops, in the middle of a ping too', async () => {
    answer = silence
    await clock.advance(10_000)
    heartbeat.stop()
    await clock.advance(100_000)
    expect([vanished.length, clock.pending]).to.deep.equal([0, 0])
  })
})
