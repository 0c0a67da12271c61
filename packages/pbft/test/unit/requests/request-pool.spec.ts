import { expect } from 'chai'
import { turnBytes } from '../../../src/requests/round.ts'
import { smallRequestBytes } from '../../../src/requests/large.ts'
import { requestDigest } from '../../../src/wire/request-batch.ts'
import { RequestPool } from '../../../src/requests/request-pool.ts'

const options = { batchSize: 3, preferredBatchBytes: 100, maxPoolRequests: 4, maxPoolBytes: 200 }
const none = { requests: 0, bytes: 0 }
const checked = (name: string, bytes = 10) => {
  const request = Buffer.alloc(bytes, name)
  return { request, digest: requestDigest(request), id: name }
}
const names = (entries: readonly { id: string }[]) => entries.map((entry) => entry.id)

/** A pool with these requests, all to be proposed. */
function poolOf(...requests: ReturnType<typeof checked>[]): RequestPool {
  const pool = new RequestPool({ ...options, maxPoolRequests: 100, maxPoolBytes: 10_000 })
  for (const request of requests) pool.add(request, 0)
  pool.startProposing()
  return pool
}

describe('RequestPool', () => {
  it('has room for maxPoolRequests and maxPoolBytes of each origin', () => {
    const pool = new RequestPool(options)
    for (const name of ['a', 'b', 'c']) pool.add(checked(name), 1)
    expect(pool.hasRoom(1, 10, none), 'the fourth').to.equal(true)
    expect(pool.hasRoom(1, 10, { requests: 1, bytes: 10 }), 'one on its way').to.equal(false)
    expect(pool.hasRoom(1, 171, none), 'bytes').to.equal(false)
    pool.add(checked('d'), 1)
    expect(pool.hasRoom(1, 10, none), 'the fifth').to.equal(false)
    expect(pool.hasRoom(2, 10, none), 'another origin').to.equal(true)
    pool.remove(pool.get('a')!)
    expect(pool.hasRoom(1, 10, none), 'after one went').to.equal(true)
  })

  describe('of which each client has a share', () => {
    const clientOf = (request: Uint8Array) => String.fromCharCode(request[0] ?? 0)
    const roomy = { ...options, maxPoolRequests: 12, maxPoolBytes: 1_200 }
    /** How many requests each client has after all brought what they may, in turn. */
    const filled = (pool: RequestPool, clients: readonly string[], bytes: number) => {
      for (let i = 0; i < roomy.maxPoolRequests; i++)
        for (const client of clients) {
          const request = checked(`${client}${i}`, bytes)
          if (pool.exceededShare(1, request.request, none) === undefined) pool.add(request, 1)
        }
      const all = [...pool.entries()]
      return clients.map((client) => all.filter((entry) => entry.client === client).length)
    }
    const sizes = [
      ['requests', 1],
      ['bytes', 200],
    ] as const

    for (const [what, bytes] of sizes) {
      const all = what === 'requests' ? roomy.maxPoolRequests : roomy.maxPoolBytes / bytes

      it(`half of the ${what} is one client’s that is alone`, () => {
        expect(filled(new RequestPool(roomy, clientOf), ['a'], bytes)).to.deep.equal([all / 2])
      })

      it(`a third of the ${what} is each one’s of two, and as much is there for a third`, () => {
        const pool = new RequestPool(roomy, clientOf)
        expect(filled(pool, ['a', 'b'], bytes)).to.deep.equal([all / 3, all / 3])
        expect(pool.exceededShare(1, checked('c', (all / 3) * bytes).request, none)).to.equal(
          undefined,
        )
      })

      it(`all ${what} may be pending where nobody says whose they are`, () => {
        const pool = new RequestPool(roomy)
        for (let i = 0; i < all; i++) {
          expect(pool.exceededShare(1, checked('a', bytes).request, none)).to.equal(undefined)
          pool.add(checked(`${i}`, bytes), 1)
        }
        expect(pool.hasRoom(1, bytes, none)).to.equal(false)
      })
    }

    it('counts what is on its way as taken, and what was executed no more', () => {
      const pool = new RequestPool(roomy, clientOf)
      for (let i = 0; i < 3; i++) pool.add(checked(`a${i}`), 1)
      const exceeded = (reserved: typeof none) =>
        pool.exceededShare(1, checked('a').request, reserved)
      expect(exceeded({ requests: 5, bytes: 50 })).to.equal(undefined)
      expect(exceeded({ requests: 6, bytes: 60 })).to.deep.equal({ requests: 3, bytes: 30 })
      expect(exceeded({ requests: 5, bytes: 1_131 })).to.deep.equal({ requests: 3, bytes: 30 })
      pool.remove(pool.get('a0')!)
      expect(exceeded({ requests: 6, bytes: 60 })).to.equal(undefined)
    })

    it('counts for each origin what came from there, also by adoption', () => {
      const pool = new RequestPool(roomy, clientOf)
      for (let i = 0; i < 6; i++) pool.add(checked(`a${i}`), 1)
      const exceeded = (origin: number) => pool.exceededShare(origin, checked('a').request, none)
      expect([exceeded(1)?.requests, exceeded(2)]).to.deep.equal([6, undefined])
      for (let i = 0; i < 6; i++) pool.adopt(pool.get(`a${i}`)!, 2)
      expect([exceeded(1), exceeded(2)?.requests]).to.deep.equal([undefined, 6])
    })
  })

  it('counts a request that is adopted as the latest one of its new origin', () => {
    const pool = new RequestPool(options)
    for (const [name, origin] of [
      ['a', 1],
      ['b', 1],
      ['c', 2],
    ] as const)
      pool.add(checked(name), origin)
    pool.adopt(pool.get('a')!, 2)
    expect([1, 2].map((origin) => pool.oldestOf(origin)?.id)).to.deep.equal(['b', 'c'])
    expect([1, 2].map((origin) => pool.usage(origin).requests)).to.deep.equal([1, 2])
    expect([1, 2].map((origin) => pool.usage(origin).bytes)).to.deep.equal([10, 20])
    expect(pool.bytes, 'of all').to.equal(30)
    pool.remove(pool.get('c')!)
    expect(pool.oldestOf(2)?.id).to.equal('a')
    pool.remove(pool.get('a')!)
    pool.remove(pool.get('b')!)
    expect([1, 2].map((origin) => pool.usage(origin).bytes)).to.deep.equal([0, 0])
    expect([1, 2, 3].map((origin) => pool.oldestOf(origin))).to.deep.equal(Array(3).fill(undefined))
  })

  it('gives what is passed on a second time a turn of its own, beside all that its replica wants', () => {
    const pool = new RequestPool({ ...options, maxPoolRequests: 100, maxPoolBytes: 10_000 })
    pool.startProposing()
    for (let i = 0; i < 9; i++) pool.propose(pool.add(checked(`own ${i}`), 1))
    const late = pool.add(checked('late'), 1)
    pool.propose(late)
    for (let i = 0; i < 3; i++) pool.proposeAlsoFor(late, 1)
    expect(names(pool.takeBatch())).to.deep.equal(['own 0', 'late', 'own 1'])
    expect(names(pool.takeBatch()), 'once').to.deep.equal(['own 2', 'own 3', 'own 4'])
  })

  it('takes small requests without those waiting for the large ones of the same origin', () => {
    const bounds = { batchSize: 1, preferredBatchBytes: 1_000_000, maxPoolRequests: 100 }
    const pool = new RequestPool({ ...options, ...bounds })
    const large = (name: string) => checked(name, smallRequestBytes + 1)
    const small = 'abcdefghijkl'.split('').map((name) => checked(name, turnBytes))
    for (const request of [large('L'), large('M'), checked('s', smallRequestBytes), ...small])
      pool.add(request, 1)
    pool.startProposing()
    const order = Array.from({ length: 15 }, () => names(pool.takeBatch())).flat()
    // A large one takes nine turns, the largest of the small ones eight of the others'.
    expect(order.join('')).to.equal('sLabcdefghiMjkl')
  })

  it('takes requests of the clients of an origin in turn', () => {
    const bounds = { ...options, batchSize: 1, maxPoolRequests: 100 }
    const pool = new RequestPool(bounds, (request) => String.fromCharCode(request[0]!))
    for (const name of ['a1', 'a2', 'a3', 'a4', 'a5', 'b1']) {
      const request = Buffer.from(name)
      pool.add({ request, digest: requestDigest(request), id: name }, 1)
    }
    pool.startProposing()
    const order = Array.from({ length: 6 }, () => names(pool.takeBatch())).flat()
    expect(order.join(' ')).to.equal('a1 a2 a3 b1 a4 a5')
  })

  describe('of clients that give to every replica', () => {
    const clientOf = (request: Uint8Array) => String.fromCharCode(request[0] ?? 0)
    const many = { ...options, batchSize: 12, preferredBatchBytes: 10_000, maxPoolRequests: 100 }
    /** Replicas 0 to 3 have 20 of client g each, and replica 0 then 6 of client h. */
    const crowded = (pool: RequestPool, bytes = 10): RequestPool => {
      for (let i = 0; i < 20; i++)
        for (const origin of [0, 1, 2, 3])
          pool.add(checked(`g${String(origin)}${String(i)}`, bytes), origin)
      for (let i = 0; i < 6; i++) pool.add(checked(`h${String(i)}`, bytes), 0)
      pool.startProposing()
      return pool
    }
    const perBatch = (pool: RequestPool): number[] =>
      [1, 2, 3].map(() => pool.takeBatch().filter(({ client }) => client === 'h').length)

    it('gives another one, who gives to one, its part of half of the turns', () => {
      const pool = crowded(new RequestPool(many, clientOf))
      expect(perBatch(pool)[0]).to.be.at.least(3)
      expect(pool.takeBatch().length, 'and all the rest').to.equal(12)
    })

    it('gives a replica its part of the other half, however many clients others have', () => {
      const pool = new RequestPool(many, clientOf)
      for (let i = 0; i < 40; i++) pool.add(checked(String.fromCharCode(33 + i)), 1)
      for (let i = 0; i < 6; i++) pool.add(checked(`h${String(i)}`), 0)
      pool.startProposing()
      const fromFirst = pool.takeBatch().filter(({ origin }) => origin === 0)
      expect(fromFirst.length).to.be.at.least(3)
    })

    it('keeps to the replicas’ turns where nobody says whose a request is', () => {
      const pool = crowded(new RequestPool(many))
      const origins = pool.takeBatch().map(({ origin }) => origin)
      for (const origin of [0, 1, 2, 3])
        expect(origins.filter((each) => each === origin)).to.have.length(3)
    })

    it('takes each once', () => {
      const pool = crowded(new RequestPool(many, clientOf))
      const taken = Array.from({ length: 8 }, () => names(pool.takeBatch())).flat()
      expect(new Set(taken).size).to.equal(86)
      expect(taken).to.have.length(86)
      expect(pool.hasReady).to.equal(false)
    })

    it('counts what was taken in no line any more', () => {
      const pool = new RequestPool(many, clientOf)
      for (let i = 0; i < 15; i++) pool.add(checked(`g${String(i)}`), 0)
      for (let i = 0; i < 8; i++) pool.add(checked(`h${String(i)}`), 0)
      pool.startProposing()
      expect(pool.takeBatch()).to.have.length(12)
      expect(pool.hasFullBatch, 'of the eleven that are left').to.equal(false)
    })
  })

  it('gives also what is large and passed on twice a turn beside the other large ones', () => {
    const pool = new RequestPool({ ...options, batchSize: 1, preferredBatchBytes: 1_000_000 })
    for (const name of 'LMNO') pool.add(checked(name, smallRequestBytes + 1), 1)
    pool.startProposing()
    pool.proposeAlsoFor(pool.get('O')!, 1)
    const order = Array.from({ length: 4 }, () => names(pool.takeBatch())).flat()
    expect(order.join('')).to.equal('LOMN')
  })

  it('cuts batches in order of arrival, of batchSize at most', () => {
    const pool = poolOf(...['a', 'b', 'c', 'd', 'e'].map((name) => checked(name)))
    expect(pool.hasFullBatch).to.equal(true)
    expect(names(pool.takeBatch())).to.deep.equal(['a', 'b', 'c'])
    expect(pool.hasFullBatch).to.equal(false)
    expect(names(pool.takeBatch())).to.deep.equal(['d', 'e'])
    expect(pool.hasReady).to.equal(false)
  })

  it('cuts batches of preferredBatchBytes at most, and a larger request alone', () => {
    const pool = poolOf(checked('a', 60), checked('b', 60), checked('c', 150), checked('d', 10))
    const batches = [pool.takeBatch(), pool.takeBatch(), pool.takeBatch(), pool.takeBatch()]
    expect(batches.map(names)).to.deep.equal([['a'], ['b'], ['c'], ['d']])
  })

  it('fills batches up to preferredBatchBytes, and knows when one is full', () => {
    const pool = poolOf(checked('a', 60), checked('b', 39))
    expect(pool.hasFullBatch).to.equal(false)
    pool.propose(pool.add(checked('c', 1), 0))
    expect(pool.hasFullBatch).to.equal(true)
    expect(names(pool.takeBatch())).to.deep.equal(['a', 'b', 'c'])
  })

  it('keeps nothing of what is gone in any lane, behind whatever waits there', () => {
    const pool = poolOf(checked('a', 60))
    const gone = pool.add(checked('gone', 39), 1)
    pool.propose(gone)
    for (let i = 0; i < 2; i++) for (const origin of [0, 2]) pool.proposeAlsoFor(gone, origin)
    pool.adopt(gone, 2)
    expect(pool.hasFullBatch).to.equal(true)
    pool.remove(gone)
    pool.propose(pool.add(checked('b', 39), 0))
    expect(pool.hasFullBatch).to.equal(false)
    pool.propose(pool.add(checked('c', 1), 0))
    expect(pool.hasFullBatch).to.equal(true)
  })

  it('proposes nothing that has a number or was executed', () => {
    const pool = poolOf(checked('a'), checked('b'), checked('c'))
    pool.assign(1n, [checked('a').digest])
    pool.remove(pool.get('b')!)
    expect(names(pool.takeBatch())).to.deep.equal(['c'])
  })

  it('proposes again, in the old order, what lost its number with the view', () => {
    const pool = poolOf(checked('a'), checked('b'), checked('c'))
    const taken = pool.takeBatch().map((entry) => entry.digest)
    pool.assign(1n, taken)
    pool.unassignAll()
    pool.startProposing()
    expect(names(pool.takeBatch())).to.deep.equal(['a', 'b', 'c'])
  })

  it('takes from all origins in turn, and of each in order of arrival', () => {
    const pool = poolOf(checked('a'), checked('b'), checked('c'))
    for (const [name, origin] of [
      ['x', 2],
      ['y', 2],
      ['z', 3],
    ] as const)
      pool.propose(pool.add(checked(name), origin))
    expect(names([...pool.takeBatch(), ...pool.takeBatch()])).to.deep.equal([
      ...['a', 'x', 'z', 'b', 'y', 'c'],
    ])
  })

  it('takes a request in its turn for whoever wants it too, once', () => {
    const pool = poolOf(checked('a'), checked('b'), checked('c'))
    const last = pool.get('c')!
    for (let i = 0; i < 3; i++) pool.proposeAlsoFor(last, 2)
    pool.proposeAlsoFor(last, last.origin)
    expect(names(pool.takeBatch())).to.deep.equal(['a', 'c', 'b'])
    expect(pool.hasReady).to.equal(false)
  })

  it('queues what another wants too while fewer than maxPoolRequests wait for it', () => {
    const pool = new RequestPool({ ...options, maxPoolRequests: 3 })
    for (const name of 'abcdefghi') pool.add(checked(name), 0)
    pool.startProposing()
    for (const name of 'ihgf') pool.proposeAlsoFor(pool.get(name)!, 2)
    const taken = [...pool.takeBatch(), ...pool.takeBatch(), ...pool.takeBatch()]
    expect(names(taken)).to.deep.equal('aibhcgdef'.split(''))
  })

  it('forgets who had a number once that was executed, whatever was executed under it', () => {
    const pool = poolOf()
    for (const [sequence, name] of [
      [2n, 'b'],
      [1n, 'a'],
      [3n, 'c'],
    ] as const)
      pool.assign(sequence, [checked(name).digest])
    pool.release(2n)
    const isAssigned = (name: string): boolean => pool.isAssigned(checked(name).digest)
    expect(['a', 'b', 'c'].map(isAssigned)).to.deep.equal([false, false, true])
    pool.unassignAll()
    expect(isAssigned('c')).to.equal(false)
  })

  it('keeps no assignment to a number that was executed, or that another batch got', () => {
    const pool = poolOf()
    const isAssigned = (name: string): boolean => pool.isAssigned(checked(name).digest)
    pool.assign(3n, [checked('a').digest])
    pool.assign(3n, [checked('b').digest])
    expect(['a', 'b'].map(isAssigned), 'another batch').to.deep.equal([false, true])
    pool.release(3n)
    // As a new view does that begins below what was executed here.
    pool.assign(3n, [checked('b').digest])
    expect(isAssigned('b'), 'executed').to.equal(false)
    pool.assign(4n, [checked('c').digest])
    pool.assign(5n, [checked('c').digest])
    pool.release(4n)
    expect(isAssigned('c'), 'it has another number').to.equal(true)
  })

  it('knows the oldest', () => {
    const pool = poolOf(checked('a'), checked('b'))
    pool.remove(pool.oldest()!)
    expect(pool.oldest()?.id).to.equal('b')
    pool.remove(pool.get('b')!)
    expect(pool.oldest()).to.equal(undefined)
  })
})
