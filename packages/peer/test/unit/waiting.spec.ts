import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { LastTrouble } from '../../src/network/last-trouble.ts'
import { Waiting, quietMs, saying } from '../../src/network/waiting.ts'

describe('Waiting', () => {
  let clock: VirtualClock
  let said: string[]
  beforeEach(() => {
    clock = new VirtualClock()
    said = []
  })
  const note = (text: string): void => void said.push(text)

  it('says once, after quietMs, what is waited for', async () => {
    const waiting = new Waiting({ clock, note, what: () => 'a validator' })
    await clock.advance(quietMs - 1)
    expect(said).to.deep.equal([])
    await clock.advance(1)
    expect(said).to.deep.equal(['waiting for a validator'])
    await clock.advance(10 * quietMs)
    expect(said).to.have.length(1)
    waiting.stop()
  })

  it('says nothing while the work gets further, nor when it is over', async () => {
    let done = 0
    const waiting = new Waiting({ clock, note, progress: () => done, what: () => 'more' })
    for (; done < 10; done++) await clock.advance(quietMs - 1)
    waiting.stop()
    await clock.advance(10 * quietMs)
    expect(said).to.deep.equal([])
  })

  it('says it when the work has stopped to get further', async () => {
    let done = 0
    const waiting = new Waiting({ clock, note, progress: () => done, what: () => `line ${done}` })
    for (; done < 3; done++) await clock.advance(quietMs - 1)
    await clock.advance(2 * quietMs)
    expect(said).to.deep.equal(['waiting for line 3'])
    waiting.stop()
  })

  it('looks again while there is nothing to say', async () => {
    let what: string | undefined = undefined as string | undefined
    const waiting = new Waiting({ clock, note, what: () => what })
    await clock.advance(2 * quietMs)
    what = 'a block'
    await clock.advance(1000)
    expect(said).to.deep.equal(['waiting for a block'])
    waiting.stop()
  })

  it('ends with the work, whatever becomes of it', async () => {
    const options = { clock, note, what: () => 'it' }
    expect(await saying(options, () => Promise.resolve(7))).to.equal(7)
    const failure = new Error('no')
    const failed = await saying(options, () => Promise.reject(failure)).catch(
      (error: unknown) => error,
    )
    expect(failed).to.equal(failure)
    await clock.advance(2 * quietMs)
    expect(said).to.deep.equal([])
  })
})

describe('LastTrouble', () => {
  it('keeps the last error, or the last event of an endpoint, for what is said about waiting', () => {
    const trouble = new LastTrouble()
    expect(String(trouble)).to.equal('')
    trouble.child().debug('something', { block: 1 })
    expect(String(trouble)).to.equal('')
    trouble.info('no answer for long', { endpoint: '127.0.0.1:7050' })
    expect(String(trouble)).to.equal(' (127.0.0.1:7050: no answer for long)')
    trouble.warn('failed', { endpoint: '127.0.0.1:7050' }, new Error('hung up'))
    expect(String(trouble)).to.equal(' (hung up)')
    trouble.error('failed', {}, new Error('again'))
    expect(String(trouble)).to.equal(' (again)')
  })
})
