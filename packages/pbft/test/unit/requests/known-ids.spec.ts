import { expect } from 'chai'
import { KnownIds } from '../../../src/requests/known-ids.ts'

const ofOne = { origin: 1 }

describe('KnownIds', () => {
  it('excuses each replica once, while a request of the id is pending that another one brought', () => {
    const ids = new KnownIds(10)
    expect(ids.excuse('x', 1, ofOne), 'brought the other one itself').to.equal(false)
    for (const from of [0, 2, 127]) expect(ids.excuse('x', from, ofOne)).to.equal(true)
    for (const from of [0, 2, 127]) expect(ids.excuse('x', from, ofOne)).to.equal(false)
    expect(ids.excuse('y', 2, ofOne), 'of another id').to.equal(true)
  })

  it('excuses each replica once, when a request of the id was executed', () => {
    const ids = new KnownIds(10)
    expect(ids.excuse('x', 2, undefined)).to.equal(false)
    ids.executed('x')
    expect(ids.excuse('x', 2, undefined)).to.equal(true)
    ids.executed('x')
    expect(ids.excuse('x', 2, undefined)).to.equal(false)
  })

  it('excuses nobody again for having executed what was pending', () => {
    const ids = new KnownIds(10)
    expect(ids.excuse('x', 2, ofOne)).to.equal(true)
    ids.executed('x')
    expect(ids.excuse('x', 2, undefined)).to.equal(false)
    expect(ids.excuse('x', 3, undefined)).to.equal(true)
  })

  it('remembers at least half of its limit, and no more than that', () => {
    const ids = new KnownIds(10)
    for (let i = 0; i < 10; i++) ids.executed(`${i}`)
    const excused = (id: number): boolean => ids.excuse(`${id}`, 2, undefined)
    expect(excused(0)).to.equal(true)
    for (let i = 10; i < 15; i++) ids.executed(`${i}`)
    expect(excused(1), 'forgotten').to.equal(false)
    for (let i = 10; i < 15; i++) expect(excused(i)).to.equal(true)
  })
  it('forgets none of the last ones for what is brought under older ones', () => {
    const ids = new KnownIds(10)
    for (let i = 0; i < 10; i++) ids.executed(`${i}`)
    for (let i = 0; i < 5; i++) expect(ids.excuse(`${i}`, 1, undefined)).to.equal(true)
    ids.executed('10')
    for (let i = 6; i <= 10; i++) expect(ids.excuse(`${i}`, 2, undefined)).to.equal(true)
  })
})
