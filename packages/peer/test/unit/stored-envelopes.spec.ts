import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { buildBlock, common, encode } from '@heddle/proto'
import { messageOf } from '../../src/errors.ts'
import { StoredEnvelopes, keptBlocks, readLimits } from '../../src/node/stored-envelopes.ts'

async function turns(): Promise<void> {
  for (let count = 0; count < 10; count++) await new Promise((resolve) => setImmediate(resolve))
}

describe('envelopes of blocks that are read for clients', () => {
  const { perSecond, burst } = readLimits.bytes
  const envelope = Buffer.alloc(burst / 4)
  const bytes = encode(
    common.BlockSchema,
    buildBlock({ number: 1n, previousHash: new Uint8Array(32), envelopes: [envelope] }),
  )
  let clock: VirtualClock
  let stored: StoredEnvelopes
  let read: bigint[]
  /** What the ledger does. */
  let block: () => Promise<Uint8Array | undefined>

  beforeEach(() => {
    clock = new VirtualClock()
    read = []
    block = () => Promise.resolve(bytes)
    const ledger = {
      block: (number: bigint) => {
        read.push(number)
        return block()
      },
    }
    stored = new StoredEnvelopes(ledger, clock)
  })

  const ask = (client: string, number: number, signal?: AbortSignal) =>
    stored.of(BigInt(number), client, signal)

  it('take no more bytes than the budget of a client, and for others as many', async () => {
    const asked = [1, 2, 3, 4, 5, 6].map((number) => ask('one', number))
    await turns()
    expect(read).to.deep.equal([1n, 2n, 3n, 4n])
    await ask('other', 9)
    expect(read.at(-1), 'of another').to.equal(9n)
    const overdrawn = 4 * bytes.length - burst
    await clock.advance(Math.ceil((1000 * overdrawn) / perSecond) - 1)
    await turns()
    expect(read, 'before it has come back').to.have.length(5)
    await clock.advance(1)
    await turns()
    expect(read).to.have.length(6)
    await clock.advance(2 * Math.ceil((1000 * bytes.length) / perSecond))
    expect(await Promise.all(asked)).to.have.length(6)
    expect(clock.pending).to.equal(0)
  })

  it('cost nothing while their block is among the keptBlocks that were read last', async () => {
    for (let number = 1; number <= keptBlocks; number++) await ask('one', number)
    for (let number = 1; number <= keptBlocks; number++)
      expect((await ask('two', number))[0]).to.deep.equal(envelope)
    expect(read).to.have.length(keptBlocks)
    await ask('two', keptBlocks + 1)
    await ask('two', 1)
    expect(read).to.have.length(keptBlocks + 2)
  })

  it('are read for each client one block at a time, also after one that failed', async () => {
    let fail: () => void = () => undefined
    block = () => new Promise((_, reject) => (fail = () => reject(new Error('damaged'))))
    const [first, second] = [ask('one', 1), ask('one', 2)]
    await turns()
    expect(read).to.deep.equal([1n])
    block = () => Promise.resolve(undefined)
    fail()
    expect(await first.catch(messageOf)).to.equal('damaged')
    expect(await second, 'of no block').to.deep.equal([])
  })

  it('are not read for who has left, and wait for nothing at the end', async () => {
    const gone = AbortSignal.abort(new Error('left'))
    expect(await ask('one', 1, gone).catch(messageOf)).to.equal('left')
    expect(read).to.deep.equal([])
    const asked = [1, 2, 3, 4, 5].map((number) => ask('one', number))
    await turns()
    expect(clock.pending).to.equal(1)
    stored.close()
    await Promise.all(asked)
    expect(clock.pending).to.equal(0)
  })
})
