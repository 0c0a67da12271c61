import { expect } from 'chai'
import { common, encode, receive } from '@heddle/proto'
import { MemoryStore, storeCases } from '../../src/testing.ts'
import type { StoreUnderTest } from '../../src/testing.ts'

const breaks: Record<string, (store: MemoryStore) => Partial<StoreUnderTest>> = {
  'a store that is not empty at first': (store) => ({
    ledger: { height: () => store.height() + 1n, block: (number) => store.block(number) },
  }),
  'a sink that says that it took a block before it has': (store) => ({
    sink: {
      put: (block) => {
        setImmediate(() => void store.put(block))
        return Promise.resolve()
      },
    },
  }),
  'a sink that encodes blocks anew': (store) => ({
    sink: {
      put: ({ message: { header, data, metadata } }) => {
        const known = { header, data, metadata, $typeName: 'common.Block' } as common.Block
        return store.put(receive(common.BlockSchema, encode(common.BlockSchema, known)))
      },
    },
  }),
  'a store that gives the last block for those beyond': (store) => ({
    ledger: {
      height: () => store.height(),
      block: async (number) =>
        (await store.block(number)) ?? (await store.block(store.height() - 1n)),
    },
  }),
  'a sink that keeps the bytes it was given': () => {
    const kept: Uint8Array[] = []
    return {
      ledger: {
        height: () => BigInt(kept.length),
        block: (number) => Promise.resolve(kept[Number(number)]),
      },
      sink: {
        put: ({ bytes }) => {
          kept.push(bytes)
          return Promise.resolve()
        },
      },
    }
  },
}

describe('storeCases', () => {
  for (const [what, change] of Object.entries(breaks)) {
    it(`finds ${what}`, async () => {
      const cases = storeCases(() => {
        const store = new MemoryStore()
        return Promise.resolve({ ledger: store, sink: store, ...change(store) })
      })
      const outcomes = await Promise.allSettled(cases.map(({ run }) => run()))
      expect(outcomes.map(({ status }) => status)).to.include('rejected')
      expect(outcomes.map(({ status }) => status)).to.include('fulfilled')
    })
  }
})
