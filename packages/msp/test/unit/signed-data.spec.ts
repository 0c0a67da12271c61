import { expect } from 'chai'
import { collectSigners } from '../../src/index.ts'
import type { IdentityDeserializer } from '../../src/index.ts'

describe('collectSigners', () => {
  it('does not take a fault of this program for an unknown identity', () => {
    const fault = new RangeError('a fault')
    const msps: IdentityDeserializer = {
      deserialize: () => {
        throw fault
      },
      satisfies: () => false,
    }
    const signed = { identity: Buffer.of(1), data: Buffer.of(2), signature: Buffer.of(3) }
    expect(() => collectSigners([signed], msps)).to.throw(fault)
  })
})
