import { createGenesisBlock as made } from '@heddle/channel'
import { expect } from 'chai'
import { createGenesisBlock } from '../../src/index.ts'

describe('what an ordering service begins with', () => {
  it('can be made without another import: createGenesisBlock of @heddle/channel', () => {
    expect(createGenesisBlock).to.equal(made)
  })
})
