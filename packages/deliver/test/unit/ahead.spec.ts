import { expect } from 'chai'
import { ahead } from '../../src/ahead.ts'

async function turns(): Promise<void> {
  for (let count = 0; count < 10; count++) await new Promise((resolve) => setImmediate(resolve))
}

describe('ahead', () => {
  async function* counting(
    to: number,
    state: { produced: number; ended: boolean },
  ): AsyncGenerator<number> {
    try {
      for (let value = 0; value < to; value++) {
        state.produced++
        yield await Promise.resolve(value)
      }
    } finally {
      state.ended = true
    }
  }

  for (const limit of [1, 2, 5]) {
    it(`gives everything in order, at most ${limit} ahead of the reader`, async () => {
      const state = { produced: 0, ended: false }
      const read: number[] = []
      for await (const value of ahead(counting(20, state), limit)) {
        read.push(value)
        await turns()
        expect(state.produced - read.length, `after ${value}`).to.be.at.most(limit)
        if (value < 10) expect(state.produced - read.length, `after ${value}`).to.equal(limit)
      }
      expect(read).to.deep.equal([...Array(20).keys()])
    })
  }

  it('gives what came before an error, then the error', async () => {
    const failure = new Error('broken')
    async function* failing(): AsyncGenerator<number> {
      yield await Promise.resolve(1)
      yield 2
      throw failure
    }
    const read: number[] = []
    let error: unknown
    try {
      for await (const value of ahead(failing(), 5)) {
        await turns()
        read.push(value)
      }
    } catch (reason) {
      error = reason
    }
    expect(read).to.deep.equal([1, 2])
    expect(error).to.equal(failure)
  })

  it('ends at once for a source without items', async () => {
    const read: number[] = []
    for await (const value of ahead(counting(0, { produced: 0, ended: false }), 3)) read.push(value)
    expect(read).to.deep.equal([])
  })

  it('ends the source when the reader leaves', async () => {
    const state = { produced: 0, ended: false }
    for await (const value of ahead(counting(Infinity, state), 2)) if (value === 3) break
    await turns()
    expect(state.ended).to.equal(true)
  })
})
