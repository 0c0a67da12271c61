import { expect } from 'chai'
import { UnfinishedMessages } from '../../src/unfinished-messages.ts'

describe('messages that are not whole', () => {
  const ended: string[] = []
  beforeEach(() => ended.splice(0))
  const message = (name: string) => ({
    bytes: 0,
    end: (why: string) => ended.push(`${name} ${why}`),
  })

  it('may hold maxBytesEach of one sender, and the one that goes beyond is ended', () => {
    const held = new UnfinishedMessages({ maxBytesEach: 10, maxBytes: 100 })
    const [first, second] = [message('first'), message('second')]
    held.hold('a', first, 6)
    held.hold('a', second, 4)
    expect(ended).to.deep.equal([])
    held.hold('a', second, 5)
    expect(ended).to.deep.equal([
      'second incomplete messages of this sender hold more than 10 bytes',
    ])
    expect(held.bytes).to.equal(6)
    held.hold('a', first, 10)
    held.hold('b', message('other'), 10)
    expect(ended).to.have.length(1)
  })

  it('may hold maxBytes together, and beyond that all of the sender that has most are ended', () => {
    const held = new UnfinishedMessages({ maxBytesEach: 10, maxBytes: 20 })
    held.hold('honest', message('honest'), 4)
    held.hold('greedy', message('one'), 4)
    held.hold('greedy', message('two'), 4)
    held.hold('late', message('late'), 7)
    held.hold('last', message('last'), 1)
    expect([ended, held.bytes]).to.deep.equal([[], 20])
    held.hold('more', message('more'), 1)
    expect(ended.map((each) => each.split(' ')[0])).to.deep.equal(['one', 'two'])
    expect(held.bytes).to.equal(13)
  })

  it('hold nothing once they are whole', () => {
    const held = new UnfinishedMessages({ maxBytesEach: 10, maxBytes: 20 })
    const first = message('first')
    held.hold('a', first, 10)
    held.hold('a', first, 0)
    held.hold('a', message('second'), 10)
    expect([ended, held.bytes]).to.deep.equal([[], 10])
  })
})
