import { expect } from 'chai'
import { CheckpointStore } from '../../../src/core/checkpoint-store.ts'
import { checkpoint } from '../../support/cores.ts'

describe('CheckpointStore', () => {
  const filled = (limit: number, ...sequences: bigint[]): CheckpointStore => {
    const store = new CheckpointStore(4, limit)
    for (const sequence of sequences) store.add(checkpoint(2, sequence))
    return store
  }
  const kept = (store: CheckpointStore, replica = 2): bigint[] =>
    store.of(replica).map(({ sequence }) => sequence)

  it('tells what is new, what it knows, and what contradicts that', () => {
    const store = new CheckpointStore(4, 3)
    expect(store.add(checkpoint(2, 4n))).to.equal('added')
    expect(store.add(checkpoint(2, 4n))).to.equal('known')
    expect(store.add(checkpoint(2, 4n, 'ff'))).to.equal('conflict')
    expect(store.add(checkpoint(3, 4n, 'ff')), 'of another').to.equal('added')
    expect(store.add(checkpoint(4, 4n)), 'of nobody').to.equal('conflict')
    expect(kept(store)).to.deep.equal([4n])
    expect(kept(store, 4)).to.deep.equal([])
  })

  it('keeps the highest ones of a replica, in order, whatever order they come in', () => {
    expect(kept(filled(3, 6n, 2n, 4n))).to.deep.equal([2n, 4n, 6n])
    expect(kept(filled(3, 6n, 2n, 4n, 8n))).to.deep.equal([4n, 6n, 8n])
    expect(kept(filled(3, 8n, 6n, 4n, 2n)), 'the lowest comes last').to.deep.equal([4n, 6n, 8n])
  })

  it('forgets up to a number, and knows what so many have reached of what is left', () => {
    const store = filled(3, 6n, 2n, 4n)
    store.add(checkpoint(0, 5n))
    expect([1, 2, 3].map((count) => store.reachedBy(count))).to.deep.equal([6n, 5n, 0n])
    store.forget(4n)
    expect([kept(store), kept(store, 0), store.reachedBy(1)]).to.deep.equal([[6n], [5n], 6n])
    store.forget(6n)
    expect([kept(store), store.reachedBy(1)]).to.deep.equal([[], 0n])
  })

  it('gives those for one state in the order of the replicas', () => {
    const store = new CheckpointStore(4, 3)
    store.add(checkpoint(3, 4n))
    store.add(checkpoint(0, 4n, 'ff'))
    for (const replica of [2, 1]) store.add(checkpoint(replica, 4n))
    store.add(checkpoint(0, 2n))
    const { digest } = checkpoint(1, 4n)
    expect(store.matching(4n, digest).map(({ replica }) => replica)).to.deep.equal([1, 2, 3])
  })
})
