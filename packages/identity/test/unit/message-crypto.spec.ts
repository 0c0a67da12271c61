import { expect } from 'chai'
import {
  MspManager,
  createMessageCryptoService,
  nOutOfPolicy,
  rolePrincipal,
  signaturePolicy,
} from '@heddle/msp'
import { createTestOrganization } from '@heddle/msp/testing'
import { MemoryMembership, messageCryptoCases, type CryptoFixture } from '../../src/testing.ts'

function memory(): CryptoFixture {
  const membership = new MemoryMembership()
  const self = membership.enroll('Org1MSP', 'peer0')
  membership.admit('mychannel', 'Org1MSP')
  return {
    crypto: self.crypto,
    advisor: self.crypto,
    identity: self.identity,
    mspId: 'Org1MSP',
    other: membership.enroll('Org2MSP', 'peer0').identity,
    stranger: new MemoryMembership().enroll('Org3MSP', 'peer0').identity,
    channel: 'mychannel',
  }
}

async function x509(): Promise<CryptoFixture> {
  const organization = await createTestOrganization({ mspId: 'Org1MSP' })
  const signer = await organization.identity('peer0', 'peer')
  const msps = new MspManager([organization.msp])
  const readers = signaturePolicy(nOutOfPolicy(1, [rolePrincipal('Org1MSP', 'member')]), msps)
  const channelMsps = new Map([['mychannel', { msps, readers }]])
  const crypto = createMessageCryptoService({ localMsp: organization.msp, signer, channelMsps })
  return {
    crypto,
    advisor: crypto,
    identity: signer.serialized,
    mspId: 'Org1MSP',
    other: (await organization.identity('peer1', 'peer')).serialized,
    stranger: (await organization.variant('peer2', 'other-ca')).serialized,
    channel: 'mychannel',
  }
}

describe('MessageCryptoService and SecurityAdvisor', () => {
  describe('in memory', () => {
    for (const { name, run } of messageCryptoCases(memory)) it(name, run)
  })

  describe('of @heddle/msp, with certificates', () => {
    for (const { name, run } of messageCryptoCases(x509)) it(name, run)
  })
})

describe('messageCryptoCases', () => {
  const breakages: Record<string, (fixture: CryptoFixture) => Partial<CryptoFixture['crypto']>> = {
    'a wrong PKI-ID': () => ({ pkiIdOf: () => new Uint8Array(32) }),
    'a service that finds everybody valid': () => ({ validateIdentity: () => undefined }),
    'a service that takes any signature': () => ({ verify: () => undefined }),
    'a service that takes anybody for a reader': () => ({ verifyByChannel: () => undefined }),
    'a service that tells spellings of a certificate apart': ({ crypto }) => ({
      certificateDigest: (identity) => crypto.pkiIdOf(identity),
    }),
    'a service that knows the expiry of garbage': () => ({ expiration: () => undefined }),
  }
  for (const [what, breakage] of Object.entries(breakages)) {
    it(`finds ${what}`, async () => {
      const broken = (): CryptoFixture => {
        const fixture = memory()
        return { ...fixture, crypto: { ...fixture.crypto, ...breakage(fixture) } }
      }
      const outcomes = await Promise.allSettled(messageCryptoCases(broken).map(({ run }) => run()))
      expect(outcomes.map(({ status }) => status)).to.include('rejected')
    })
  }
})
