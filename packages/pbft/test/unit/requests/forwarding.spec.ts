import { VirtualClock } from '@heddle/events/testing'
import { expect } from 'chai'
import type { Owner } from '../../../src/requests/request-sender.ts'
import { Forwarding, forwardedBytes, maxForwardedAgain } from '../../../src/requests/forwarding.ts'
import { smallRequestBytes } from '../../../src/requests/large.ts'
import type { PoolEntry } from '../../../src/requests/request-pool.ts'
import { RequestPool } from '../../../src/requests/request-pool.ts'
import { requestDigest } from '../../../src/wire/request-batch.ts'

const options = {
  ...{ id: 3, forwardTimeoutMs: 500, maxTimeoutMs: 1_500 },
  ...{ pipelineDepth: 2, preferredBatchBytes: 100 },
}

/** What backup 3 sends of its requests; primary is 0 and then 1. */
class Backup {
  readonly clock = new VirtualClock()
  readonly pool = new RequestPool(
    { batchSize: 10, preferredBatchBytes: 100, maxPoolRequests: 1_000, maxPoolBytes: 10_000 },
    (request) => (request[0] === 0x21 ? '!' : ''),
  )
  /** Names of requests, each after to whom it was sent. */
  readonly sent: string[] = []
  readonly withdrawn: string[] = []
  readonly core = { timeoutFactor: 1 }
  hasForwards = false
  readonly forwarding: Forwarding

  constructor(bounds: { readonly preferredBatchBytes?: number } = {}) {
    const broadcaster = {
      forward: (to: number | 'all', { request }: PoolEntry, owner: Owner) => {
        const mark = owner === 'own' ? '' : '~'
        this.sent.push(`${to} ${mark}${Buffer.from(request).toString().replaceAll('.', '')}`)
      },
      withdraw: ({ id }: PoolEntry) => void this.withdrawn.push(id),
      flush: () => undefined,
      hasForwards: () => this.hasForwards,
    }
    this.forwarding = new Forwarding(
      {
        ...{ pool: this.pool, clock: this.clock },
        broadcaster,
        core: this.core,
        onReady: () => undefined,
      },
      { ...options, ...bounds },
    )
    this.enter(0)
  }

  enter(primary: number, active = true): void {
    this.forwarding.enter({ view: BigInt(primary), primary, active })
  }

  /** A request of so many bytes. */
  add(name: string, bytes: number, origin = 3): PoolEntry {
    const request = Buffer.from(name.padEnd(bytes, '.'))
    return this.pool.add({ request, digest: requestDigest(request), id: name }, origin, 0)
  }

  take(name: string, bytes: number): PoolEntry {
    const entry = this.add(name, bytes)
    this.forwarding.bring(entry)
    return entry
  }

  /** What was sent since this was asked last. */
  news(): string[] {
    return this.sent.splice(0)
  }
}

describe('Forwarding', () => {
  it('has as many bytes of own requests on their way as batches in flight may have, and no more', () => {
    expect(forwardedBytes(options)).to.equal(200)
    const at = new Backup()
    const first = at.take('a', 150)
    at.take('b', 50)
    at.take('c', 1)
    expect(at.news()).to.deep.equal(['0 a', '0 b'])
    at.forwarding.leave([first])
    expect(at.news()).to.deep.equal(['0 c'])
  })

  describe('of small and large requests', () => {
    /** On their way may be 8 · 40,000 bytes. */
    const large = 40_000
    const withRoom = (): Backup => new Backup({ preferredBatchBytes: 4 * large })
    const takeAll = (at: Backup, bytes: number, names: string): PoolEntry[] =>
      names.split('').map((name) => at.take(name, bytes))
    const newsOf = (at: Backup): string => at.news().join(' ').replaceAll('0 ', '')

    it('sends on the small ones while large ones wait', () => {
      const at = withRoom()
      takeAll(at, large, 'ABCDEFGHIJ')
      takeAll(at, 1, 'xyz')
      expect(newsOf(at)).to.equal('A B C D E F G H x y z')
    })

    it('sends on the large ones while small ones wait', () => {
      const at = withRoom()
      takeAll(at, 32_000, 'abcdefghijk')
      takeAll(at, large, 'LM')
      expect(newsOf(at)).to.equal('a b c d e f g h i j L M')
    })

    it('leaves half of what may be on its way to each size, and keeps the order in it', () => {
      const at = withRoom()
      const sent = takeAll(at, large, 'ABCDEFGHIJ')
      takeAll(at, 32_000, 'abcdefg')
      expect(newsOf(at)).to.equal('A B C D E F G H a b c d e')
      at.forwarding.leave(sent.slice(0, 4))
      expect(newsOf(at), 'there is room for neither').to.equal('')
      at.forwarding.leave(sent.slice(4, 5))
      expect(newsOf(at)).to.equal('f I')
      at.enter(1)
      expect(at.news().join(' ').replaceAll('1 ', '')).to.equal('a b c d e f g A B C D')
    })

    it(`calls small what has ${smallRequestBytes} bytes at most`, () => {
      const at = withRoom()
      takeAll(at, large, 'ABCDEFGH')
      at.take('x', smallRequestBytes)
      at.take('X', smallRequestBytes + 1)
      expect(newsOf(at)).to.equal('A B C D E F G H x')
    })
  })

  it('keeps the order of those of one size: nothing shorter passes by', () => {
    const at = new Backup()
    const first = at.take('a', 150)
    at.take('b', 100)
    at.take('c', 1)
    expect(at.news()).to.deep.equal(['0 a'])
    at.forwarding.leave([first])
    expect(at.news()).to.deep.equal(['0 b', '0 c'])
  })

  it('sends one that is larger than all that when nothing else is on its way', () => {
    const at = new Backup()
    const first = at.take('a', 1)
    const large = at.take('b', 300)
    expect(at.news()).to.deep.equal(['0 a'])
    at.forwarding.leave([first])
    expect(at.news()).to.deep.equal(['0 b'])
    at.take('c', 1)
    expect(at.news()).to.deep.equal([])
    at.forwarding.leave([large])
    expect(at.news()).to.deep.equal(['0 c'])
  })

  it('sends next what is of the client with the least bytes on their way', () => {
    const at = new Backup()
    const all = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => at.take(name, 50))
    at.take('!', 50)
    at.take('!!', 50)
    at.take('!!!', 50)
    expect(at.news()).to.deep.equal(['0 a', '0 b', '0 c', '0 d'])
    at.forwarding.leave(all.slice(0, 1))
    expect(at.news(), 'nothing of it was on its way').to.deep.equal(['0 !'])
    at.forwarding.leave(all.slice(1, 2))
    expect(at.news(), 'less of it than of the other').to.deep.equal(['0 !!'])
    at.forwarding.leave(all.slice(2, 3))
    expect(at.news(), 'more of it').to.deep.equal(['0 e'])
  })

  it('sends next what has waited longest, of clients with as much on their way', () => {
    const at = new Backup()
    const first = at.take('a', 200)
    at.take('b', 50)
    at.take('!', 50)
    at.forwarding.leave([first])
    expect(at.news()).to.deep.equal(['0 a', '0 b', '0 !'])
  })

  it('lets nobody who has more on the way pass by one that needs more room', () => {
    const at = new Backup()
    const all = ['a', 'b', 'c', 'd'].map((name) => at.take(name, 50))
    at.take('!', 150)
    at.take('e', 1)
    at.news()
    at.forwarding.leave(all.slice(0, 2))
    expect(at.news()).to.deep.equal([])
    at.forwarding.leave(all.slice(2, 3))
    expect(at.news()).to.deep.equal(['0 !'])
  })

  it('counts one that was sent out of its turn as on its way, once', () => {
    const at = new Backup()
    const first = at.take('a', 200)
    const second = at.take('b', 150)
    at.forwarding.send(second)
    at.forwarding.send(second)
    at.take('c', 60)
    expect(at.news()).to.deep.equal(['0 a', '0 b', '0 b'])
    at.forwarding.leave([first])
    expect(at.news(), 'the one sent counts').to.deep.equal([])
    at.forwarding.leave([second])
    expect(at.news()).to.deep.equal(['0 c'])
  })

  it('forgets what is executed or given up before it was sent', () => {
    const at = new Backup()
    const first = at.take('a', 200)
    const second = at.take('b', 1)
    at.take('c', 1)
    at.pool.remove(second)
    at.forwarding.leave([second])
    at.forwarding.leave([first])
    expect(at.news()).to.deep.equal(['0 a', '0 c'])
  })

  it('says whose a request is that it sends, and withdraws what need not be sent any more', () => {
    const at = new Backup()
    const own = at.take('own', 1)
    const other = at.add('other', 1, 2)
    at.forwarding.send(other)
    at.forwarding.remind(other)
    expect(at.news()).to.deep.equal(['0 own', '0 ~other', '0 ~other'])
    at.forwarding.leave([own, other])
    expect(at.withdrawn).to.deep.equal(['own', 'other'])
  })

  it('sends each new primary no more than that either, however much waits', () => {
    const at = new Backup()
    for (const name of ['a', 'b', 'c', 'd', 'e']) at.take(name, 60)
    expect(at.news()).to.deep.equal(['0 a', '0 b', '0 c'])
    at.enter(1)
    expect(at.news()).to.deep.equal(['1 a', '1 b', '1 c'])
  })

  it('sends a batch of bytes to all between two views, and begins anew in the next', () => {
    const at = new Backup()
    at.enter(1, false)
    at.take('a', 60)
    at.take('b', 40)
    at.take('c', 1)
    at.forwarding.again()
    expect(at.news()).to.deep.equal(['all a', 'all b'])
    at.enter(1)
    expect(at.news()).to.deep.equal(['1 a', '1 b', '1 c'])
  })

  it('sends nothing as primary, not even from time to time', async () => {
    const at = new Backup()
    at.enter(3)
    at.take('a', 1)
    await at.clock.advance(10_000)
    at.forwarding.again()
    expect(at.news()).to.deep.equal([])
  })

  it('takes up from time to time what became its own, unless it has a number', () => {
    const at = new Backup()
    at.add('a', 1)
    const numbered = at.add('b', 1)
    at.add('c', 1, 2)
    at.pool.assign(1n, [numbered.digest])
    at.forwarding.again()
    expect(at.news()).to.deep.equal(['0 a'])
  })

  describe('again', () => {
    it('sends what has been on its way for forwardTimeoutMs, a batch of bytes at most', async () => {
      const at = new Backup()
      for (const name of ['a', 'b', 'c']) at.take(name, 50)
      at.news()
      await at.clock.advance(499)
      at.forwarding.again()
      expect(at.news()).to.deep.equal([])
      await at.clock.advance(1)
      at.forwarding.again()
      expect(at.news()).to.deep.equal(['0 a', '0 b'])
      at.forwarding.again()
      expect(at.news(), 'the others next time').to.deep.equal(['0 c'])
      at.forwarding.again()
      expect(at.news()).to.deep.equal([])
    })

    it(`sends ${maxForwardedAgain} requests at most, however small they are`, async () => {
      const at = new Backup({ preferredBatchBytes: 10_000 })
      for (let i = 0; i <= maxForwardedAgain; i++) at.take(String(i), 5)
      at.news()
      await at.clock.advance(500)
      at.forwarding.again()
      expect(at.news()).to.have.length(maxForwardedAgain)
    })

    it('waits longer with a longer time-out, up to maxTimeoutMs', async () => {
      const at = new Backup()
      at.take('a', 1)
      at.news()
      at.core.timeoutFactor = 2
      await at.clock.advance(999)
      at.forwarding.again()
      expect(at.news()).to.deep.equal([])
      await at.clock.advance(1)
      at.forwarding.again()
      expect(at.news()).to.deep.equal(['0 a'])
      at.core.timeoutFactor = 4
      await at.clock.advance(1_500)
      at.forwarding.again()
      expect(at.news()).to.deep.equal(['0 a'])
    })

    it('sends nothing twice while the first still waits to be sent', async () => {
      const at = new Backup()
      at.take('a', 1)
      at.news()
      await at.clock.advance(500)
      at.hasForwards = true
      at.forwarding.again()
      expect(at.news()).to.deep.equal([])
      at.hasForwards = false
      at.forwarding.again()
      expect(at.news()).to.deep.equal(['0 a'])
    })
  })

  describe('isKnownLong', () => {
    it('tells of what was sent to this primary first so long ago, sent again or not', async () => {
      const at = new Backup()
      at.take('a', 10)
      await at.clock.advance(500)
      at.forwarding.again()
      expect(at.forwarding.isKnownLong(10, 0)).to.equal(true)
      expect(at.forwarding.isKnownLong(10, -1)).to.equal(false)
      at.enter(1)
      expect(at.forwarding.isKnownLong(10, 0), 'to the next primary').to.equal(false)
    })

    it('tells of nothing that is longer, has a number, or still waits to be sent', () => {
      const at = new Backup()
      const first = at.take('a', 100)
      at.take('b', 150)
      expect(at.forwarding.isKnownLong(99, 0)).to.equal(false)
      expect(at.forwarding.isKnownLong(100, 0)).to.equal(true)
      at.hasForwards = true
      expect(at.forwarding.isKnownLong(100, 0)).to.equal(false)
      at.hasForwards = false
      at.forwarding.leave([first])
      expect(at.forwarding.isKnownLong(100, 0)).to.equal(false)
    })

    it('tells of what was passed on for another', () => {
      const at = new Backup()
      const entry = at.add('a', 10, 2)
      expect(at.forwarding.isKnownLong(10, 0)).to.equal(false)
      at.forwarding.send(entry)
      expect(at.forwarding.isKnownLong(10, 0)).to.equal(true)
      at.forwarding.leave([entry])
      expect(at.forwarding.isKnownLong(10, 0)).to.equal(false)
    })
  })

  it('shares a batch of bytes with all when the primary is slow, but one request at least', () => {
    const at = new Backup()
    for (const name of ['a', 'b', 'c']) at.take(name, 50)
    at.news()
    at.forwarding.setSlow(true)
    expect(at.news()).to.deep.equal(['all a', 'all b'])
    const other = new Backup()
    other.take('large', 150)
    other.news()
    other.forwarding.setSlow(true)
    expect(other.news()).to.deep.equal(['all large'])
  })

  it('passes on requests of another backup up to a batch of bytes, and one at least', () => {
    const at = new Backup()
    at.add('a', 100, 2)
    expect(at.forwarding.mayRelay(2)).to.equal(true)
    at.add('b', 1, 2)
    expect(at.forwarding.mayRelay(2), 'more bytes').to.equal(false)
    at.add('c', 300, 1)
    expect(at.forwarding.mayRelay(1), 'one alone').to.equal(true)
    at.pool.remove(at.pool.get('a')!)
    at.add('e', 99, 2)
    expect(at.forwarding.mayRelay(2), 'as many bytes as may be').to.equal(true)
    at.add('d', 1, 0)
    expect(at.forwarding.mayRelay(0), 'of the primary').to.equal(false)
  })
})
