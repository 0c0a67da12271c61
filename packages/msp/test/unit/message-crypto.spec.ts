import { expect } from 'chai'
import {
  MspManager,
  createMessageCryptoService,
  nOutOfPolicy,
  rolePrincipal,
  serializeIdentity,
  signaturePolicy,
} from '../../src/index.ts'
import type { ChannelMembership, MessageCrypto, Policy, SigningIdentity } from '../../src/index.ts'
import { createFakeMessageCrypto, createTestOrganization } from '../../src/testing.ts'
import type { IdentityVariant, TestOrganization } from '../../src/testing.ts'
import { expectCode } from '../support/expect-code.ts'
import { lineOf } from '../support/line-of.ts'

describe('createMessageCryptoService', () => {
  const message = Buffer.from('a message')
  const channelMsps = new Map<string, ChannelMembership>()
  let own: TestOrganization
  let other: TestOrganization
  let stranger: TestOrganization
  let me: SigningIdentity
  let friend: SigningIdentity
  let unknown: SigningIdentity
  let crypto: MessageCrypto

  const readersOf = (msps: MspManager, ...mspIds: string[]): Policy =>
    signaturePolicy(
      nOutOfPolicy(
        1,
        mspIds.map((mspId) => rolePrincipal(mspId, 'peer')),
      ),
      msps,
    )

  before(async () => {
    own = await createTestOrganization({ mspId: 'Org1MSP' })
    other = await createTestOrganization({ mspId: 'Org2MSP' })
    stranger = await createTestOrganization({ mspId: 'Org3MSP' })
    me = await own.identity('peer0', 'peer')
    friend = await other.identity('peer0', 'peer')
    unknown = await stranger.identity('peer0', 'peer')
    const msps = new MspManager([own.msp, other.msp])
    channelMsps.set('empty', { msps: new MspManager([]), readers: undefined })
    channelMsps.set('ch1', { msps, readers: readersOf(msps, 'Org1MSP', 'Org2MSP') })
    crypto = createMessageCryptoService({ localMsp: own.msp, signer: me, channelMsps })
  })

  it('signs as the local identity and verifies its own', () => {
    const signature = crypto.sign(message)
    crypto.verify(me.serialized, signature, message)
    expectCode('MSP_BAD_SIGNATURE', () => crypto.verify(me.serialized, signature, Buffer.from('x')))
  })

  it('computes PKI-IDs of anything that decodes, and of nothing else', () => {
    expect(crypto.pkiIdOf(unknown.serialized)).to.deep.equal(unknown.pkiId)
    expect(crypto.pkiIdOf(new Uint8Array())).to.equal(undefined)
    expect(crypto.pkiIdOf(Buffer.from([0xff, 0xff]))).to.equal(undefined)
  })

  it('gives every spelling of a certificate one digest, and none to whom no MSP issued it', () => {
    const spelled = (end: string): Uint8Array =>
      serializeIdentity(
        'Org1MSP',
        Buffer.from(Buffer.from(me.idBytes).toString('latin1').replaceAll('\n', end)),
      )
    expect(crypto.pkiIdOf(spelled('\r\n'))).not.to.deep.equal(me.pkiId)
    for (const each of [me.serialized, spelled('\r\n')]) {
      expect(crypto.certificateDigest(each)).to.deep.equal(Buffer.from(me.id, 'hex'))
    }
    expect(crypto.certificateDigest(friend.serialized)).to.deep.equal(Buffer.from(friend.id, 'hex'))
    expect(crypto.certificateDigest(unknown.serialized)).to.equal(undefined)
    expect(crypto.certificateDigest(Buffer.from([0xff, 0xff]))).to.equal(undefined)
    const fake = createFakeMessageCrypto('Org1MSP', 'peer0')
    const other = serializeIdentity('Org1MSP', Buffer.from('peer0\r\n'))
    expect(fake.certificateDigest(other)).to.deep.equal(fake.certificateDigest(fake.identity))
    expect(fake.certificateDigest(Buffer.from([0xff, 0xff]))).to.equal(undefined)
  })

  it('validates members of the own MSP and of the channels’, and nobody else', () => {
    crypto.validateIdentity(me.serialized)
    crypto.validateIdentity(friend.serialized)
    expectCode('MSP_UNKNOWN_MSP', () => crypto.validateIdentity(unknown.serialized))
    expectCode('MSP_MALFORMED_IDENTITY', () => crypto.validateIdentity(new Uint8Array()))
    expectCode('MSP_MALFORMED_IDENTITY', () => crypto.validateIdentity(Buffer.from('nonsense')))
  })

  it('says why it refuses, for the own MSP and for a channel’s', async () => {
    const refused: [IdentityVariant, Parameters<typeof expectCode>[0]][] = [
      ['other-ca', 'MSP_UNKNOWN_AUTHORITY'],
      ['wrong-ou', 'MSP_NO_ROLE'],
      ['no-ou', 'MSP_NO_ORGANIZATIONAL_UNIT'],
      ['two-roles', 'MSP_SEVERAL_ROLES'],
    ]
    for (const org of [own, other]) {
      for (const [variant, code] of refused) {
        const claim = await org.variant('x', variant)
        const what = `${org.mspId} ${variant}`
        expectCode(code, () => crypto.validateIdentity(claim.serialized), what)
        expectCode(code, () => crypto.verify(claim.serialized, claim.sign(message), message), what)
      }
    }
  })

  it('refuses identities that are not well-formed, however often they come', () => {
    const spaced = serializeIdentity('Org1MSP', Buffer.concat([me.idBytes, Buffer.from('\n')]))
    for (let i = 0; i < 3; i += 1) {
      expectCode('MSP_TRAILING_BYTES', () => crypto.validateIdentity(spaced))
      expectCode('MSP_TRAILING_BYTES', () => crypto.verify(spaced, me.sign(message), message))
      expectCode('MSP_TRAILING_BYTES', () =>
        crypto.verifyByChannel('ch1', spaced, me.sign(message), message),
      )
    }
  })

  it('leaves expiry to the identity mapper: it tells the date and validates', async () => {
    const expired = await own.variant('x', 'expired')
    crypto.validateIdentity(expired.serialized)
    expect(crypto.expiration(expired.serialized)!.getTime()).to.be.below(Date.now())
    expect(crypto.expiration(friend.serialized)).to.deep.equal(friend.expiresAt)
    expectCode('MSP_UNKNOWN_MSP', () => crypto.expiration(unknown.serialized))
    expectCode('MSP_MALFORMED_IDENTITY', () => crypto.expiration(Buffer.from('x')))
  })

  it('tells the organisation of whoever chains to a known MSP', async () => {
    const org = (identity: Uint8Array): string | undefined => {
      const found = crypto.orgOf(identity)
      return found === undefined ? undefined : Buffer.from(found).toString()
    }
    expect(org(me.serialized)).to.equal('Org1MSP')
    expect(org(friend.serialized)).to.equal('Org2MSP')
    expect(org((await own.variant('x', 'wrong-ou')).serialized), 'not validated').to.equal(
      'Org1MSP',
    )
    expect(org((await own.variant('x', 'other-ca')).serialized)).to.equal(undefined)
    expect(org(unknown.serialized)).to.equal(undefined)
    expect(org(new Uint8Array())).to.equal(undefined)
  })

  it('verifies members of other organisations as readers of a channel', async () => {
    crypto.verify(friend.serialized, friend.sign(message), message)
    crypto.verifyByChannel('ch1', friend.serialized, friend.sign(message), message)
    expectCode('MSP_BAD_SIGNATURE', () =>
      crypto.verify(friend.serialized, me.sign(message), message),
    )
    const client = await other.identity('c', 'client')
    expectCode('MSP_POLICY_NOT_SATISFIED', () =>
      crypto.verify(client.serialized, client.sign(message), message),
    )
    const signed = [client.serialized, client.sign(message), message] as const
    expectCode('MSP_POLICY_NOT_SATISFIED', () => crypto.verifyByChannel('ch1', ...signed))
  })

  it('hears nobody of another organisation when the channel has no readers policy', () => {
    const signed = [friend.serialized, friend.sign(message), message] as const
    const closed = new Map([['ch1', { msps: new MspManager([other.msp]) }]])
    const strict = createMessageCryptoService({
      localMsp: own.msp,
      signer: me,
      channelMsps: closed,
    })
    strict.validateIdentity(friend.serialized)
    expectCode('MSP_NO_POLICY', () => strict.verify(...signed))
    expectCode('MSP_NO_POLICY', () => strict.verifyByChannel('ch1', ...signed))
    expectCode('MSP_NO_POLICY', () => crypto.verifyByChannel('ch2', ...signed))
    const alone = createMessageCryptoService({ localMsp: own.msp, signer: me })
    expectCode('MSP_UNKNOWN_MSP', () => alone.verify(...signed))
  })

  it('alone, without channels, knows its own organisation and says whom it does not know', () => {
    const alone = createMessageCryptoService({ localMsp: own.msp, signer: me })
    alone.verify(me.serialized, alone.sign(message), message)
    expect(alone.expiration(me.serialized)).to.deep.equal(me.expiresAt)
    expect(alone.certificateDigest(me.serialized)).to.deep.equal(Buffer.from(me.id, 'hex'))
    expectCode('MSP_UNKNOWN_MSP', () => alone.expiration(friend.serialized))
    const signed = [friend.serialized, friend.sign(message), message] as const
    expect(lineOf(() => alone.verifyByChannel('ch1', ...signed))).to.equal(
      'MSP_NO_POLICY: no channel "ch1" here',
    )
    const closed = new Map([['ch1', { msps: new MspManager([other.msp]) }]])
    const strict = createMessageCryptoService({
      ...{ localMsp: own.msp, signer: me, channelMsps: closed },
    })
    for (const verify of [
      () => strict.verifyByChannel('ch1', ...signed),
      () => strict.verify(...signed),
    ])
      expect(lineOf(verify)).to.equal('MSP_NO_POLICY: no readers policy for channel "ch1"')
  })

  it('says what the channel that knows an organisation holds against its identity, whatever others say', async () => {
    const msps = new MspManager([other.msp])
    const empty = new MspManager([])
    const channels = new Map([
      ['a', { msps: empty }],
      ['b', { msps }],
      ['c', { msps: empty }],
    ])
    const judge = createMessageCryptoService({
      ...{ localMsp: own.msp, signer: me, channelMsps: channels },
    })
    const wrong = await other.variant('x', 'wrong-ou')
    expectCode('MSP_NO_ROLE', () => judge.validateIdentity(wrong.serialized))
  })

  it('does not call an identity unknown when something else breaks', () => {
    const broken = {
      deserialize: () => {
        throw new TypeError('broken')
      },
    } as never
    const service = createMessageCryptoService({ localMsp: broken, signer: me })
    expect(() => service.orgOf(me.serialized)).to.throw(TypeError, 'broken')
    expect(() => service.pkiIdOf(null as never)).to.throw(TypeError)
  })

  it('goes by the memberships that are in the map now', () => {
    const memberships = new Map<string, ChannelMembership>()
    const changing = createMessageCryptoService({
      localMsp: own.msp,
      signer: me,
      channelMsps: memberships,
    })
    const signed = [unknown.serialized, unknown.sign(message), message] as const
    expectCode('MSP_UNKNOWN_MSP', () => changing.verify(...signed))
    const msps = new MspManager([stranger.msp])
    memberships.set('ch1', { msps, readers: readersOf(msps, 'Org3MSP') })
    changing.verify(...signed)
    memberships.clear()
    expectCode('MSP_UNKNOWN_MSP', () => changing.verify(...signed))
  })
})

describe('createFakeMessageCrypto', () => {
  const message = Buffer.from('a message')

  it('signs, verifies, expires and revokes without cryptography', () => {
    const [a, b] = [
      createFakeMessageCrypto('Org1MSP', 'a'),
      createFakeMessageCrypto('Org2MSP', 'b'),
    ]
    b.verify(a.identity, a.sign(message), message)
    b.verifyByChannel('ch1', a.identity, a.sign(message), message)
    expectCode('MSP_BAD_SIGNATURE', () => b.verify(a.identity, b.sign(message), message))
    expectCode('MSP_MALFORMED_IDENTITY', () => b.validateIdentity(new Uint8Array()))
    expect(b.pkiIdOf(a.identity)).to.deep.equal(a.pkiIdOf(a.identity))
    expect(Buffer.from(b.orgOf(a.identity)!).toString()).to.equal('Org1MSP')
    expect(b.orgOf(new Uint8Array())).to.equal(undefined)
    expect(b.expiration(a.identity)).to.equal(undefined)
    b.expire(a.identity, new Date(5))
    expect(b.expiration(a.identity)).to.deep.equal(new Date(5))
    b.revoke(a.identity)
    expectCode('MSP_REVOKED', () => b.validateIdentity(a.identity))
    a.validateIdentity(b.identity)
  })
})
