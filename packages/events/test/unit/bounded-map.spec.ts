import { expect } from 'chai'
import { BoundedMap, maxMapCapacity } from '../../src/index.ts'

describe('BoundedMap', () => {
  it('keeps so many entries: the one set longest ago gives way', () => {
    const map = new BoundedMap<number>(2)
    map.set('a', 1)
    map.set('b', 2)
    map.set('a', 3)
    map.set('c', 3)
    expect(['a', 'b', 'c'].map((key) => map.get(key))).to.deep.equal([3, undefined, 3])
    expect(map.keysOf(3)).to.deep.equal(['a', 'c'])
    map.delete('a')
    expect([map.has('a'), map.has('c')]).to.deep.equal([false, true])
    map.clear()
    expect(map.has('c')).to.equal(false)
  })

  it('takes 1 to maxMapCapacity as its capacity, and nothing else', () => {
    for (const capacity of [1, maxMapCapacity]) new BoundedMap(capacity)
    for (const capacity of [0, 1.5, maxMapCapacity + 1, Number.NaN])
      expect(() => new BoundedMap(capacity), String(capacity))
        .to.throw(`capacity must be a whole number from 1 to ${maxMapCapacity}`)
        .with.property('code', 'EVENTS_INVALID_OPTIONS')
  })
})
