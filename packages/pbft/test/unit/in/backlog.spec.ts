import { expect } from 'chai'
import { Backlog, maxBacklog, maxPlain } from '../../../src/in/backlog.ts'
import { nextTurn } from '../../support/turns.ts'

describe('Backlog', () => {
  for (const kind of ['plain', 'sealed'] as const) {
    const most = maxBacklog[kind]

    it(`holds back who has more than maxBacklog, and lets it go then: ${kind}`, async () => {
      const backlog = new Backlog(2)
      for (let i = 0; i < most; i++) backlog.add(1, kind)
      expect(backlog.settle(1)).to.equal(undefined)
      backlog.add(1, kind)
      const freed: string[] = []
      for (const name of ['a frame', 'the next'])
        void backlog.settle(1)?.then(() => freed.push(name))
      expect(backlog.settle(0), 'another').to.equal(undefined)
      await nextTurn()
      expect(freed).to.deep.equal([])
      backlog.taken(1, kind)
      await nextTurn()
      expect(freed).to.deep.equal(['a frame', 'the next'])
      expect(backlog.settle(1)).to.equal(undefined)
    })
  }

  it('has room for maxPlain of each that need no verifying', () => {
    const backlog = new Backlog(2)
    for (let i = 0; i < maxPlain; i++) backlog.add(1, 'plain')
    expect([backlog.hasRoom(1), backlog.hasRoom(0)]).to.deep.equal([false, true])
    backlog.taken(1, 'plain')
    expect(backlog.hasRoom(1)).to.equal(true)
  })
})
