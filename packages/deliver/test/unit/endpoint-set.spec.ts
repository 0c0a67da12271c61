import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { EndpointSet } from '../../src/endpoint-set.ts'
import type { Endpoint } from '../../src/index.ts'

const endpoint = (address: string, roots: string[] = ['root']): Endpoint => ({ address, roots })

describe('EndpointSet', () => {
  const [a, b, c] = [endpoint('a'), endpoint('b'), endpoint('c')]
  let clock: VirtualClock
  let set: EndpointSet
  beforeEach(() => {
    clock = new VirtualClock()
    set = new EndpointSet([a, b, c], clock, () => 0)
  })

  it('stays with one endpoint until it fails, then takes turns', () => {
    expect(set.current()).to.equal(a)
    set.succeeded(a)
    expect(set.current()).to.equal(a)
    set.failed(a)
    expect(set.current()).to.equal(b)
    set.failed(b)
    set.failed(c)
    expect(set.current()).to.equal(a)
  })

  it('begins with any of them, by chance', () => {
    const values = [0.9, 0.1, 0.5]
    const shuffled = new EndpointSet([a, b, c], clock, () => values.shift()!)
    expect(shuffled.current()).to.equal(b)
  })

  it('passes over a liar for 10 s, for 20 s the next time, and for 10 min at most', async () => {
    for (const seconds of [10, 20, 40, 80, 160, 320, 600, 600]) {
      set.lied(a)
      set.failed(b)
      set.failed(c)
      expect(set.current(), `${seconds} s`).to.equal(b)
      set.failed(b)
      set.failed(c)
      await clock.advance(seconds * 1000 - 1)
      expect(set.current(), `just before ${seconds} s`).to.equal(b)
      await clock.advance(1)
      expect(set.current(), `after ${seconds} s`).to.equal(a)
    }
  })

  it('forgives a liar that works again', async () => {
    set.lied(a)
    await clock.advance(10_000)
    set.succeeded(a)
    set.lied(a)
    await clock.advance(10_000)
    set.failed(b)
    set.failed(c)
    expect(set.current(), '10 s again, not 20').to.equal(a)
  })

  it('asks the one whose suspicion ends first when all are suspected', async () => {
    set.lied(b)
    await clock.advance(1)
    set.lied(a)
    set.lied(c)
    expect(set.current()).to.equal(b)
  })

  it('has nobody to ask when it is empty', () => {
    expect(new EndpointSet([], clock, () => 0).current()).to.equal(undefined)
  })

  it('counts an endpoint given twice once', () => {
    expect(new EndpointSet([a, endpoint('a'), b], clock, () => 0).size).to.equal(2)
  })

  describe('when it is updated', () => {
    it('replaces the endpoints and says so', () => {
      const d = endpoint('d')
      expect(set.update([d])).to.equal(true)
      expect([set.current(), set.size, set.has(a), set.has(d)]).to.deep.equal([d, 1, false, true])
    })

    it('says when nothing changed, whatever the order', () => {
      expect(set.update([endpoint('c'), endpoint('a'), endpoint('b')])).to.equal(false)
    })

    it('notices other roots of the same address', () => {
      expect(set.update([a, b, endpoint('c', ['other'])])).to.equal(true)
      expect(set.update([a, b, endpoint('c', ['oth', 'er'])]), 'moved bytes').to.equal(true)
    })

    it('ignores an empty list', () => {
      expect(set.update([])).to.equal(false)
      expect(set.size).to.equal(3)
    })

    it('remembers who is suspected', () => {
      set.lied(a)
      set.update([a, endpoint('d')])
      expect(set.current()?.address).to.equal('d')
    })

    it('forgets nothing and breaks nothing when a stranger fails or succeeds', () => {
      const stranger = endpoint('x')
      set.failed(stranger)
      set.lied(stranger)
      set.succeeded(stranger)
      expect(set.current()).to.equal(a)
    })
  })
})
