import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { Conditions } from '../../src/node/conditions.ts'
import { floodLastsMs, sayFlood } from '../../src/node/flood.ts'

it('a validator that floods, or whose messages are refused, is named for a while', async () => {
  const clock = new VirtualClock()
  const conditions = new Conditions({ clock })
  sayFlood({ from: 2, what: 'messages' }, conditions)
  sayFlood({ from: 1, what: 'rejections' }, conditions)
  expect(conditions.current.map(({ condition, reason }) => [condition, reason])).to.deep.equal([
    [
      'member-floods',
      'validator2 sends more messages (by messages) than it may, though it is held back',
    ],
    [
      'member-lies',
      'validator1 sends more messages that are refused than it may, though it is held back',
    ],
  ])
  await clock.advance(floodLastsMs)
  expect(conditions.current).to.deep.equal([])
})
