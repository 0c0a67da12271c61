import { expect } from 'chai'
import {
  IdentityError,
  type Mapper,
  type MapperOptions,
  type MessageCryptoService,
} from '../../src/index.ts'
import type { Member } from '../../src/testing.ts'
import { fixture } from './support.ts'

function errorOf(action: () => unknown): IdentityError {
  try {
    action()
  } catch (error) {
    expect(error).to.be.instanceOf(IdentityError)
    return error as IdentityError
  }
  throw new Error('nothing was refused')
}

const lineOf = (action: () => unknown): string => {
  const { code, message } = errorOf(action)
  return `${code}: ${message}`
}

const hexOf = ({ pkiId }: Member): string => Buffer.from(pkiId).toString('hex')

/** A mapper whose message crypto service does from now on as `changes` say. */
function mapperWith(changes: Partial<MessageCryptoService>): { mapper: Mapper; peer: Member } {
  const { membership, self, mapper } = fixture()
  const peer = membership.enroll('Org2MSP', 'peer')
  Object.assign(self.crypto, changes)
  return { mapper, peer }
}

describe('a refusal says what is wrong', () => {
  it('when PKI-ID or identity is missing or too large', () => {
    const { membership, mapper } = fixture({ maxIdentityBytes: 100 })
    const { pkiId, identity } = membership.enroll('Org2MSP', 'peer')
    const none = new Uint8Array()
    expect(lineOf(() => mapper.put(none, identity))).to.equal(
      'IDENTITY_MISSING: the PKI-ID is empty',
    )
    expect(lineOf(() => mapper.put(pkiId, none))).to.equal(
      'IDENTITY_MISSING: the identity is empty',
    )
    expect(lineOf(() => mapper.put(pkiId, new Uint8Array(101)))).to.equal(
      'IDENTITY_TOO_LARGE: an identity of 101 bytes; at most 100 are allowed',
    )
  })

  it("when the PKI-ID is another's, or cannot be computed", () => {
    const { membership, mapper } = fixture()
    const [a, b] = [membership.enroll('Org2MSP', 'a'), membership.enroll('Org2MSP', 'b')]
    const expected = "IDENTITY_MISMATCH: the identity doesn't match the PKI-ID"
    expect(lineOf(() => mapper.put(a.pkiId, b.identity))).to.equal(expected)
    const without = mapperWith({ pkiIdOf: () => undefined })
    const { pkiId, identity } = without.peer
    expect(lineOf(() => without.mapper.put(pkiId, identity))).to.equal(expected)
  })

  it('when the identity has no certificate', () => {
    const { mapper, peer } = mapperWith({ certificateDigest: () => undefined })
    expect(lineOf(() => mapper.put(peer.pkiId, peer.identity))).to.equal(
      'IDENTITY_UNCLASSIFIABLE: the identity has no certificate',
    )
  })

  it('when nobody can tell when the identity expires, and why not', () => {
    const reason = new RangeError('no date')
    const { mapper, peer } = mapperWith({
      expiration: () => {
        throw reason
      },
    })
    const error = errorOf(() => mapper.put(peer.pkiId, peer.identity))
    expect(error).to.include({
      code: 'IDENTITY_UNCLASSIFIABLE',
      message: 'failed classifying identity: no date',
      cause: reason,
    })
    const never = mapperWith({ expiration: () => new Date(NaN) })
    expect(lineOf(() => never.mapper.put(never.peer.pkiId, never.peer.identity))).to.equal(
      'IDENTITY_UNCLASSIFIABLE: failed classifying identity: its expiry is not a valid time',
    )
  })

  it('when somebody is not known, by the first 64 digits of the PKI-ID', () => {
    const { membership, mapper } = fixture()
    const peer = membership.enroll('Org2MSP', 'peer')
    expect(lineOf(() => mapper.get(peer.pkiId))).to.equal(
      `IDENTITY_NOT_FOUND: no identity is known for PKI-ID ${hexOf(peer)}`,
    )
    expect(lineOf(() => mapper.get(new Uint8Array(1000)))).to.equal(
      `IDENTITY_NOT_FOUND: no identity is known for PKI-ID ${'0'.repeat(64)}`,
    )
  })

  it('when its certificate is in use, or everybody is', () => {
    const { membership, self, mapper } = fixture({ maxIdentities: 1 })
    const respelled = membership.enroll('Org1MSP', 'self ')
    expect(lineOf(() => mapper.put(respelled.pkiId, respelled.identity))).to.equal(
      `IDENTITY_DUPLICATE: its certificate is in use under PKI-ID ${hexOf(self)}, in another spelling`,
    )
    const peer = membership.enroll('Org2MSP', 'peer')
    expect(lineOf(() => mapper.put(peer.pkiId, peer.identity))).to.equal(
      'IDENTITY_FULL: 1 identities are already in use',
    )
  })

  it("when the node's own identity is not valid", () => {
    const make = (): unknown =>
      fixture({}, (membership) => {
        const self = membership.enroll('Org1MSP', 'self')
        membership.revoke(self.identity)
        return self
      })
    const error = errorOf(make)
    expect(error).to.include({
      code: 'IDENTITY_INVALID_SELF',
      message: "the node's own identity is not valid: the identity was revoked",
    })
    expect(error.cause).to.have.property('code', 'MEMBERSHIP_REVOKED')
  })

  it('when the mapper has stopped', async () => {
    const { self, mapper } = fixture()
    await mapper.stop()
    expect(lineOf(() => mapper.put(self.pkiId, self.identity))).to.equal(
      'IDENTITY_STOPPED: the identity mapper has stopped',
    )
  })

  it('when an option is out of its range, and which', () => {
    const limits = {
      usageThresholdMs: 2 ** 48,
      maxIdentities: 2 ** 24,
      maxIdentityBytes: 2 ** 24,
    } satisfies Partial<MapperOptions>
    for (const [option, max] of Object.entries(limits)) {
      for (const bad of [0, max + 1, 1.5]) {
        expect(lineOf(() => fixture({ [option]: bad }))).to.equal(
          `IDENTITY_INVALID_OPTIONS: ${option} must be a whole number from 1 to ${max}, not ${bad}`,
        )
      }
    }
  })
})
