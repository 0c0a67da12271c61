import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { common, decode, encode, msp } from '@heddle/proto'
import {
  MspManager,
  checkWellFormed,
  collectSigners,
  collectSignersAsync,
  createMessageCryptoService,
  loadMsp,
  mspFromConfig,
  pkiIdOf,
  rolePrincipal,
  serializeIdentity,
} from '../../src/index.ts'
import { createTestOrganization } from '../../src/testing.ts'
import {
  block,
  blockSignatures,
  channelGroup,
  consenters,
  fixture,
  handshakes,
  members,
  mspConfigOf,
  organizations,
  releases,
} from '../support/fabric.ts'

/** The MSPs of both organisations of a config block. */
function managerOf(group: common.ConfigGroup): MspManager {
  const orgs = ['Orderer', 'Application'].flatMap((one) => Object.values(group.groups[one]!.groups))
  return new MspManager(orgs.map((org) => mspFromConfig(mspConfigOf(org))))
}

const allRoles = ['admin', 'client', 'orderer', 'peer'] as const

for (const release of releases) {
  describe(`MSPs of a recorded network (${release})`, () => {
    it('load from the folders of cryptogen, and every member is valid in its role only', async () => {
      const found = members(release)
      expect(found.map(({ role }) => role)).to.include.members([...allRoles])
      for (const { mspId, name, role, mspDir, pem } of found) {
        const own = await loadMsp(mspDir, mspId)
        const serialized = serializeIdentity(mspId, pem)
        checkWellFormed(serialized)
        const identity = own.deserialize(serialized)
        own.validate(identity, { at: new Date('2026-12-01') })
        expect(identity.roles, name).to.deep.equal([role])
        expect(own.satisfies(identity, rolePrincipal(mspId, 'member')), name).to.equal(true)
        const met = allRoles.filter((one) => own.satisfies(identity, rolePrincipal(mspId, one)))
        expect(met, name).to.deep.equal([role])
        expect(own.satisfies(identity, rolePrincipal('OtherMSP', 'member')), name).to.equal(false)
      }
    })

    it('keep identity bytes, certificate and PKI-ID as cryptogen wrote them', async () => {
      for (const { mspId, name, mspDir, pem } of members(release)) {
        const own = await loadMsp(mspDir, mspId)
        const identity = own.deserialize(serializeIdentity(mspId, pem))
        const pkiId = createHash('sha256').update(mspId).update(pem).digest()
        expect(Buffer.from(identity.pkiId), name).to.deep.equal(pkiId)
        expect(identity.certificate.toString(), name).to.equal(pem.toString())
        expect(identity.expiresAt, name).to.deep.equal(new Date(identity.certificate.validTo))
        expect(identity.notBefore, name).to.deep.equal(new Date(identity.certificate.validFrom))
      }
    })

    it('refuse the members of the other organisation', async () => {
      for (const { mspId, name, pem } of members(release)) {
        const other = mspId === 'Org1MSP' ? 'OrdererMSP' : 'Org1MSP'
        const own = await loadMsp(fixture(release, ...organizations[other], 'msp'), other)
        expect(() => own.deserialize(serializeIdentity(other, pem)), name)
          .to.throw()
          .with.property('code', 'MSP_UNKNOWN_AUTHORITY')
        expect(() => own.deserialize(serializeIdentity(mspId, pem)), name)
          .to.throw()
          .with.property('code', 'MSP_UNKNOWN_MSP')
      }
    })

    it('are the same in the config block and come out of it as they went in', () => {
      const group = channelGroup(block(release, '000'))
      const orgs = ['Orderer', 'Application'].flatMap((one) =>
        Object.values(group.groups[one]!.groups),
      )
      expect(orgs).to.have.length(2)
      for (const org of orgs) {
        const config = mspConfigOf(org)
        const again = mspFromConfig(config).toConfig()
        expect(Buffer.from(encode(msp.MSPConfigSchema, again))).to.deep.equal(
          Buffer.from(encode(msp.MSPConfigSchema, config)),
        )
      }
    })

    it('folder and config block say the same', async () => {
      const group = channelGroup(block(release, '000'))
      const msps = managerOf(group)
      for (const [mspId, path] of Object.entries(organizations)) {
        const own = await loadMsp(fixture(release, ...path, 'msp'), mspId)
        expect(Buffer.from(own.toConfig().config), mspId).to.deep.equal(
          Buffer.from(msps.msp(mspId)!.toConfig().config),
        )
        const tlsRoot = readFileSync(
          fixture(release, ...path, 'msp', 'tlscacerts', `tlsca.${path[2]}-cert.pem`),
          'utf8',
        )
        expect(own.tlsRoots, mspId).to.deep.equal([tlsRoot])
      }
    })
  })

  describe(`block signatures (${release})`, () => {
    it('are of as many members as a quorum has', async () => {
      const genesis = channelGroup(block(release, '000'))
      for (const number of ['001', '013', '022', '023']) {
        // Block 22 is a configuration of its own and counts from the next block on.
        const group = number === '023' ? channelGroup(block(release, '022')) : genesis
        const msps = managerOf(group)
        const signed = blockSignatures(block(release, number), consenters(group))
        const needed = release === 'raft-v2.5.16' ? 1 : number === '023' ? 4 : 3
        expect(collectSigners(signed, msps), number).to.have.length.at.least(needed)
        expect(await collectSignersAsync(signed, msps), number).to.deep.equal(
          collectSigners(signed, msps),
        )
      }
    })

    it('of one signer many times over count once', () => {
      const group = channelGroup(block(release, '000'))
      const msps = managerOf(group)
      const [first] = blockSignatures(block(release, '001'), consenters(group))
      expect(collectSigners([first!, first!, first!], msps)).to.have.length(1)
    })

    it('fail when any byte of what was signed differs', () => {
      const group = channelGroup(block(release, '000'))
      const msps = managerOf(group)
      const [first] = blockSignatures(block(release, '001'), consenters(group))
      const data = Buffer.from(first!.data)
      data[data.length - 1]! ^= 1
      expect(collectSigners([{ ...first!, data }], msps)).to.deep.equal([])
    })
  })

  describe(`transactions (${release})`, () => {
    it('verify with their creators', () => {
      const group = channelGroup(block(release, '000'))
      const msps = managerOf(group)
      for (const bytes of block(release, '023').data!.data) {
        const { payload, signature } = decode(common.EnvelopeSchema, bytes)
        const { header } = decode(common.PayloadSchema, payload)
        const { creator } = decode(common.SignatureHeaderSchema, header!.signatureHeader)
        const identity = msps.deserialize(creator)
        msps.validate(identity)
        identity.checkSignature(payload, signature)
      }
    })
  })

  describe(`gossip handshakes (${release})`, () => {
    it('verify, and bear the PKI-ID of their identity', async () => {
      const localMsp = await loadMsp(fixture(release, ...organizations.Org1MSP, 'msp'), 'Org1MSP')
      const signer = await (await createTestOrganization({ mspId: 'Own' })).identity('p', 'peer')
      const crypto = createMessageCryptoService({ localMsp, signer })
      const found = handshakes(release)
      expect(found).to.have.length.at.least(4)
      for (const { identity, pkiId, data, signature } of found) {
        expect(Buffer.from(crypto.pkiIdOf(identity)!)).to.deep.equal(Buffer.from(pkiId))
        crypto.validateIdentity(identity)
        crypto.verify(identity, signature, data)
        expect(Buffer.from(crypto.orgOf(identity)!).toString()).to.equal('Org1MSP')
        expect(crypto.expiration(identity)!.getUTCFullYear()).to.equal(2036)
      }
    })
  })
}

describe('golden vectors (made with Go, fabric v3.0.0)', () => {
  it('serialize an identity and compute its PKI-ID', () => {
    const serialized = serializeIdentity('Org1MSP', Buffer.from('PEM'))
    expect(Buffer.from(serialized).toString('hex')).to.equal('0a074f7267314d5350120350454d')
    expect(Buffer.from(pkiIdOf(serialized)!).toString('hex')).to.equal(
      '06112b92b5e1a18d658a6fadd77f8aaae16b0a15b7b13a080c2c2a2c551d537e',
    )
  })

  it('keep managers apart: an unknown MSP is refused', () => {
    expect(() => new MspManager([]).deserialize(serializeIdentity('Org1MSP', Buffer.from('PEM'))))
      .to.throw()
      .with.property('code', 'MSP_UNKNOWN_MSP')
  })
})
