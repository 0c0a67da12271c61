import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { stopWithin } from '../../src/node/stop-within.ts'
import type { AbortOptions, Lifecycle } from '@heddle/interface'

/** Something that stops when `end` is called, or when its signal says that it must. */
function slowToStop(): { part: Lifecycle; end: () => void; cut: () => boolean } {
  let end = (): void => undefined
  let isCut = false
  const stop = ({ signal }: AbortOptions = {}): Promise<void> =>
    new Promise((resolve) => {
      end = resolve
      signal?.addEventListener('abort', () => {
        isCut = true
        resolve()
      })
    })
  const part: Lifecycle = {
    state: 'started',
    start: () => Promise.resolve(),
    stop,
    [Symbol.asyncDispose]: () => stop(),
  }
  return { part, end: () => end(), cut: () => isCut }
}

describe('stopWithin', () => {
  it('cuts short what does not stop in time, and not before', async () => {
    const clock = new VirtualClock()
    const { part, cut } = slowToStop()
    const stopping = stopWithin(2000, part, clock)
    await clock.advance(1999)
    expect(cut()).to.equal(false)
    await clock.advance(1)
    expect(cut()).to.equal(true)
    await stopping
  })

  it('lets what stops in time do so, and leaves no timer', async () => {
    const clock = new VirtualClock()
    const { part, end, cut } = slowToStop()
    const stopping = stopWithin(2000, part, clock)
    await clock.advance(1000)
    end()
    await stopping
    await clock.advance(10_000)
    expect(cut()).to.equal(false)
  })
})
