import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { expect } from 'chai'
import { ConnectionShares } from '../../src/connection-shares.ts'

describe('the connections of one certificate', () => {
  it('are so many at most, and leave room when they close', () => {
    const shares = new ConnectionShares(2)
    const sockets = Array.from({ length: 5 }, () => new EventEmitter())
    const take = (name: string, index: number): boolean =>
      shares.take(name, sockets[index] as unknown as Socket)
    expect([take('a', 0), take('a', 1), take('a', 2), take('b', 3)]).to.deep.equal([
      ...[true, true, false, true],
    ])
    sockets[2]!.emit('close')
    expect(take('a', 2), 'one that was not counted leaves no room').to.equal(false)
    sockets[0]!.emit('close')
    expect([take('a', 4), take('a', 2)]).to.deep.equal([true, false])
  })
})
