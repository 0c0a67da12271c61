import { VirtualClock } from '@heddle/events/testing'
import { expect } from 'chai'
import { Barred, maxBarred } from '../../../src/connections/barred.ts'

describe('Barred', () => {
  const peer = (number: number): Buffer => {
    const pkiId = Buffer.alloc(32)
    pkiId.writeUInt32BE(number)
    return pkiId
  }
  const isBarred = (barred: Barred, pkiId: Uint8Array): boolean => {
    try {
      barred.check(pkiId)
      expect(barred.has(pkiId)).to.equal(false)
      return false
    } catch (error) {
      expect(error).to.have.property('code', 'COMM_BARRED')
      expect(barred.has(pkiId)).to.equal(true)
      return true
    }
  }

  it('refuses a peer for as long as it is barred, and no other', async () => {
    const clock = new VirtualClock()
    const barred = new Barred(clock, 1_000)
    barred.add(peer(1))
    await clock.advance(999)
    expect([peer(1), peer(2)].map((pkiId) => isBarred(barred, pkiId))).to.deep.equal([true, false])
    await clock.advance(1)
    expect(isBarred(barred, peer(1))).to.equal(false)
  })

  it('remembers maxBarred of them', () => {
    const barred = new Barred(new VirtualClock(), 1_000)
    for (let number = 0; number <= maxBarred; number++) barred.add(peer(number))
    expect(isBarred(barred, peer(0))).to.equal(false)
    expect(isBarred(barred, peer(1))).to.equal(true)
  })
})
