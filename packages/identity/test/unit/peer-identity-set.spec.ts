import { expect } from 'chai'
import { byOrganization, byPkiId, type PeerIdentityInfo } from '../../src/index.ts'

const info = (id: number, organization?: string): PeerIdentityInfo => ({
  pkiId: Uint8Array.of(id, 0xff),
  identity: Uint8Array.of(id),
  organization: organization === undefined ? undefined : Buffer.from(organization),
})

describe('PeerIdentitySet', () => {
  const a1 = info(1, 'A')
  const a2 = info(2, 'A')
  const b = info(3, 'B')
  const nobody = info(4)

  it('gives the identities of each organisation, unknown ones under an empty name', () => {
    expect([...byOrganization([a1, b, a2, nobody])]).to.deep.equal([
      ['A', [a1, a2]],
      ['B', [b]],
      ['', [nobody]],
    ])
    expect(byOrganization([]).size).to.equal(0)
  })

  it('gives the identity of each PKI-ID', () => {
    expect([...byPkiId([a1, b])]).to.deep.equal([
      ['01ff', a1],
      ['03ff', b],
    ])
  })

  it('is filtered as the array that it is', () => {
    expect([a1, b, a2].filter(({ pkiId }) => pkiId[0] !== 3)).to.deep.equal([a1, a2])
  })
})
