import { expect } from 'chai'
import { MemoryStore, storeCases } from '../../src/testing.ts'
import { recorded, recordedBytes } from '../recorded.ts'

describe('MemoryStore', () => {
  const setup = (): Promise<{ ledger: MemoryStore; sink: MemoryStore }> => {
    const store = new MemoryStore()
    return Promise.resolve({ ledger: store, sink: store })
  }
  for (const { name, run } of storeCases(setup)) it(name, run)

  it('refuses a block that is not the next', async () => {
    const store = new MemoryStore(recordedBytes('bft-v3.1.5').slice(0, 3))
    const error = await store.put(recorded('bft-v3.1.5')[4]!).catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'DELIVER_BLOCK_NUMBER')
    await store.put(recorded('bft-v3.1.5')[3]!)
    expect(store.height()).to.equal(4n)
  })
})
