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
    beforeEach(() => {
      set = new EndpointSet([a], clock, () => 0)
      set.update([b, c])
    })

    it('replaces those that a configuration named, and keeps those that were given', () => {
      const d = endpoint('d')
      expect(set.update([d])).to.equal(true)
      expect([set.size, set.has(a), set.has(b), set.has(d)]).to.deep.equal([2, true, false, true])
    })

    it('asks those that were given first', () => {
      const values = [0.5, 0.5, 0.9, 0.1]
      const given = new EndpointSet([a], clock, () => values.shift()!)
      given.update([b, c])
      expect(given.current()).to.equal(a)
      given.failed(a)
      expect(given.current()).to.equal(c)
    })

    it('asks an address as it was given, whatever roots the configuration has for it', () => {
      expect(set.update([endpoint('a', ['other']), b, c])).to.equal(false)
      expect(set.current()).to.equal(a)
    })

    it('stays with whose turn it is', () => {
      set.failed(a)
      set.update([endpoint('d'), b])
      expect(set.current()).to.equal(b)
    })

    it('says when nothing changed, whatever the order', () => {
      expect(set.update([endpoint('c'), endpoint('b')])).to.equal(false)
    })

    it('notices other roots of the same address', () => {
      expect(set.update([b, endpoint('c', ['other'])])).to.equal(true)
      expect(set.update([b, endpoint('c', ['oth', 'er'])]), 'moved bytes').to.equal(true)
    })

    it('keeps those that it has when none would be left', () => {
      const named = new EndpointSet([], clock, () => 0)
      named.update([b, c])
      expect(named.update([])).to.equal(false)
      expect(named.size).to.equal(2)
    })

    it('remembers who is suspected', () => {
      set.lied(a)
      set.update([endpoint('d')])
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

  describe('by pace', () => {
    it('is another one’s turn until each was measured, then that of the fastest', () => {
      expect(set.isTooSlow(a, 5, 1000)).to.equal(true)
      expect(set.current()).to.equal(b)
      expect(set.isTooSlow(b, 30, 1000)).to.equal(true)
      expect(set.current()).to.equal(c)
      expect(set.isTooSlow(c, 11, 1000), '30 is more than twice 11').to.equal(true)
      expect(set.current()).to.equal(b)
      expect(set.isTooSlow(b, 15, 1000)).to.equal(false)
      expect(set.current()).to.equal(b)
    })

    it('is too slow with less than half of what another gave, and not with half', () => {
      set.isTooSlow(a, 20, 1000)
      set.isTooSlow(c, 0, 1000)
      expect(set.isTooSlow(b, 10, 1000)).to.equal(false)
      expect(set.isTooSlow(b, 9.9, 1000)).to.equal(true)
      expect(set.current()).to.equal(a)
    })

    it('stays when all are equally slow', () => {
      for (const each of [a, b]) set.isTooSlow(each, 0, 1000)
      expect(set.isTooSlow(c, 0, 1000)).to.equal(false)
      expect(set.current()).to.equal(c)
    })

    it('forgets a pace after ten times as long as it takes to measure all', async () => {
      for (const each of [a, b, c]) set.isTooSlow(each, 10, 1000)
      await clock.advance(29_999)
      expect(set.isTooSlow(c, 10, 1000)).to.equal(false)
      await clock.advance(1)
      expect(set.isTooSlow(c, 10, 1000)).to.equal(true)
      expect(set.current()).to.equal(a)
    })

    it('does not ask one that failed only to measure it, for a minute', async () => {
      for (const each of [a, b]) set.isTooSlow(each, 1, 10_000)
      set.failed(c)
      await clock.advance(59_999)
      expect(set.isTooSlow(a, 1, 10_000)).to.equal(false)
      await clock.advance(1)
      expect(set.isTooSlow(a, 1, 10_000)).to.equal(true)
      expect(set.current()).to.equal(c)
    })

    it('passes over one that is suspected', () => {
      set.lied(b)
      set.isTooSlow(a, 1, 1000)
      expect(set.current()).to.equal(c)
      expect(set.others(c)).to.deep.equal([a])
    })

    it('has nobody else to ask when it is alone', () => {
      expect(new EndpointSet([a], clock, () => 0).isTooSlow(a, 0, 1000)).to.equal(false)
    })
  })
})
