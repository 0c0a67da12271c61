import { expect } from 'chai'
import fc from 'fast-check'
import { VirtualClock } from '@heddle/events/testing'
import {
  byOrganization,
  createIdentityMapper,
  type Mapper,
  type MapperOptions,
} from '../../src/index.ts'
import { MemoryMembership, type Member } from '../../src/testing.ts'
import { codeOf, fixture, startTime } from './support.ts'

const put = (mapper: Mapper, { pkiId, identity }: Member): void => mapper.put(pkiId, identity)
const at = (ms: number): Date => new Date(startTime + ms)

/** Mallory's certificate with something after it: the same one under another PKI-ID. */
const spelling = (membership: MemoryMembership, end: string): Member =>
  membership.enroll('Org2MSP', `mallory${end}`)

describe('Mapper', () => {
  describe('put', () => {
    it('takes a valid identity under its PKI-ID, twice if need be', () => {
      const { membership, mapper } = fixture()
      const peer = membership.enroll('Org2MSP', 'peer')
      put(mapper, peer)
      put(mapper, peer)
      expect(mapper.get(peer.pkiId)).to.deep.equal(Uint8Array.from(peer.identity))
      expect(mapper.identityInfo()).to.have.length(2)
    })

    it('refuses an empty PKI-ID and an empty identity', async () => {
      const { membership, mapper } = fixture()
      const { pkiId, identity } = membership.enroll('Org2MSP', 'peer')
      const none = new Uint8Array()
      expect(await codeOf(() => mapper.put(none, identity))).to.equal('IDENTITY_MISSING')
      expect(await codeOf(() => mapper.put(pkiId, none))).to.equal('IDENTITY_MISSING')
    })

    it('refuses an identity under the PKI-ID of another one', async () => {
      const { membership, mapper } = fixture()
      const [a, b] = [membership.enroll('Org2MSP', 'a'), membership.enroll('Org2MSP', 'b')]
      expect(await codeOf(() => mapper.put(a.pkiId, b.identity))).to.equal('IDENTITY_MISMATCH')
      expect(await codeOf(() => mapper.put(b.pkiId, a.identity))).to.equal('IDENTITY_MISMATCH')
      expect(await codeOf(() => mapper.put(a.pkiId.subarray(1), a.identity))).to.equal(
        'IDENTITY_MISMATCH',
      )
      expect(mapper.identityInfo()).to.have.length(1)
    })

    it('refuses what the message crypto service refuses, with its own error', async () => {
      const { membership, mapper } = fixture()
      const peer = membership.enroll('Org2MSP', 'peer')
      membership.revoke(peer.identity)
      expect(await codeOf(() => put(mapper, peer))).to.equal('MEMBERSHIP_REVOKED')
    })

    it('refuses an identity of which nobody can tell when it expires, and says why', () => {
      const { mapper } = fixture()
      const stranger = new MemoryMembership().enroll('Org2MSP', 'stranger')
      expect(() => put(mapper, stranger)).to.throw(
        'failed classifying identity: no MSP supports the given identity',
      )
    })

    it('refuses an identity that expires at no real time, rather than keep it for ever', async () => {
      const { membership, mapper } = fixture()
      const peer = membership.enroll('Org2MSP', 'peer', new Date(NaN))
      expect(await codeOf(() => put(mapper, peer))).to.equal('IDENTITY_UNCLASSIFIABLE')
    })

    it('refuses an expired identity, from 1 ms after its last', async () => {
      const { membership, mapper } = fixture()
      put(mapper, membership.enroll('Org2MSP', 'last moment', at(0)))
      const late = membership.enroll('Org2MSP', 'late', at(-1))
      expect(await codeOf(() => put(mapper, late))).to.equal('IDENTITY_EXPIRED')
      expect(() => put(mapper, late)).to.throw('2025-12-31T23:59:59.999Z')
    })

    it('refuses an identity larger than maxIdentityBytes before anybody looks at it', async () => {
      const { membership, mapper } = fixture({ maxIdentityBytes: 100 })
      const size = (name: string): Member => membership.enroll('Org2MSP', name)
      // A SerializedIdentity of 9 + 2 bytes around the name.
      const fits = size('x'.repeat(89))
      expect(fits.identity).to.have.length(100)
      put(mapper, fits)
      expect(await codeOf(() => put(mapper, size('x'.repeat(90))))).to.equal('IDENTITY_TOO_LARGE')
      const garbage = new Uint8Array(101)
      expect(await codeOf(() => mapper.put(garbage, garbage))).to.equal('IDENTITY_TOO_LARGE')
    })

    it('keeps maxIdentities: the next displaces the one unused for the longest time', async () => {
      const { clock, membership, mapper, purged } = fixture({ maxIdentities: 3 })
      const peers = ['a', 'b', 'c', 'd'].map((name) => membership.enroll('Org2MSP', name))
      const [a, b, c, d] = peers as [Member, Member, Member, Member]
      put(mapper, a)
      put(mapper, b)
      await clock.advance(1)
      mapper.get(a.pkiId)
      put(mapper, c)
      expect(purged).to.deep.equal(['displaced b'])
      put(mapper, d)
      expect(purged).to.deep.equal(['displaced b', 'displaced a'])
      expect(mapper.identityInfo()).to.have.length(3)
    })

    it('refuses one more than maxIdentities when all are held, and takes it after a release', async () => {
      const { membership, mapper, purged } = fixture({ maxIdentities: 2 })
      const [a, b] = [membership.enroll('Org2MSP', 'a'), membership.enroll('Org2MSP', 'b')]
      put(mapper, a)
      const release = mapper.hold(a.pkiId, () => undefined)
      expect(await codeOf(() => put(mapper, b))).to.equal('IDENTITY_FULL')
      put(mapper, a)
      release()
      put(mapper, b)
      expect(purged).to.deep.equal(['displaced a'])
    })

    // The kind: one member takes what was meant for all.
    it('knows one certificate in one spelling: the new one displaces the old, nobody else', () => {
      const { membership, mapper, purged, logger } = fixture({ maxIdentities: 3 })
      const honest = membership.enroll('Org2MSP', 'honest')
      put(mapper, honest)
      for (let i = 0; i < 100; i += 1) put(mapper, spelling(membership, ' '.repeat(i)))
      expect(mapper.identityInfo()).to.have.length(3)
      expect(purged).to.have.length(99)
      expect(mapper.get(honest.pkiId)).to.have.length(honest.identity.length)
      expect(mapper.organizationOf(spelling(membership, ' '.repeat(98)).pkiId)).to.equal(undefined)
      const told = logger.lines.filter(({ level }) => level !== 'debug')
      expect(told).to.deep.equal([])
    })

    it('refuses another spelling of a certificate that is held, its own too', async () => {
      const { membership, mapper, purged } = fixture()
      const first = spelling(membership, '')
      const second = spelling(membership, ' ')
      put(mapper, first)
      const release = mapper.hold(first.pkiId, () => undefined)
      expect(await codeOf(() => put(mapper, second))).to.equal('IDENTITY_DUPLICATE')
      const own = membership.enroll('Org1MSP', 'self ')
      expect(await codeOf(() => put(mapper, own))).to.equal('IDENTITY_DUPLICATE')
      release()
      put(mapper, second)
      expect(purged).to.deep.equal(['displaced mallory'])
      expect(await codeOf(() => mapper.get(first.pkiId))).to.equal('IDENTITY_NOT_FOUND')
    })

    it('keeps copies: the caller may change its bytes', () => {
      const { membership, mapper } = fixture()
      const { pkiId, identity } = membership.enroll('Org2MSP', 'peer')
      const [ownId, own] = [Buffer.from(pkiId), Buffer.from(identity)]
      mapper.put(ownId, own)
      ownId.fill(0)
      own.fill(0)
      expect(mapper.get(pkiId)).to.deep.equal(Uint8Array.from(identity))
      const known = mapper.identityInfo().at(-1)
      expect(known?.pkiId).to.deep.equal(Uint8Array.from(pkiId))
    })

    it('takes views into larger buffers for what they show', () => {
      const { membership, mapper } = fixture()
      const { pkiId, identity } = membership.enroll('Org2MSP', 'peer')
      const frame = new Uint8Array([9, 9, ...pkiId, ...identity, 9])
      mapper.put(frame.subarray(2, 34), frame.subarray(34, 34 + identity.length))
      expect(mapper.get(pkiId)).to.deep.equal(Uint8Array.from(identity))
    })

    it('does not count as a use of an identity that is known', async () => {
      const { clock, membership, mapper } = fixture({ usageThresholdMs: 1000 })
      const peer = membership.enroll('Org2MSP', 'peer')
      put(mapper, peer)
      await clock.advance(1001)
      put(mapper, peer)
      mapper.suspectPeers(() => false)
      expect(await codeOf(() => mapper.get(peer.pkiId))).to.equal('IDENTITY_NOT_FOUND')
    })
  })

  describe('get, sign and verify', () => {
    it('gives no identity for an unknown PKI-ID', async () => {
      const { membership, mapper } = fixture()
      const { pkiId } = membership.enroll('Org2MSP', 'peer')
      expect(await codeOf(() => mapper.get(pkiId))).to.equal('IDENTITY_NOT_FOUND')
      expect(await codeOf(() => mapper.get(new Uint8Array()))).to.equal('IDENTITY_NOT_FOUND')
    })

    it('signs as the node itself, whose signature everybody can verify who knows it', () => {
      const { self, membership, mapper } = fixture()
      const message = Buffer.from('message')
      const signature = mapper.sign(message)
      mapper.verify(self.pkiId, signature, message)
      const peer = membership.enroll('Org2MSP', 'peer')
      const other = createIdentityMapper(
        { crypto: peer.crypto, advisor: peer.crypto, clock: fixture().clock },
        { selfIdentity: peer.identity },
      )
      put(other, self)
      other.verify(self.pkiId, signature, message)
    })

    it('refuses a wrong signature, and one of somebody unknown', async () => {
      const { self, membership, mapper } = fixture()
      const message = Buffer.from('message')
      const signature = mapper.sign(message)
      expect(
        await codeOf(() => mapper.verify(self.pkiId, signature, Buffer.from('another'))),
      ).to.equal('MEMBERSHIP_BAD_SIGNATURE')
      const { pkiId } = membership.enroll('Org2MSP', 'peer')
      expect(await codeOf(() => mapper.verify(pkiId, signature, message))).to.equal(
        'IDENTITY_NOT_FOUND',
      )
    })

    it('computes PKI-IDs as the message crypto service does', () => {
      const { self, mapper } = fixture()
      expect(mapper.pkiIdOf(self.identity)).to.deep.equal(self.pkiId)
      expect(mapper.pkiIdOf(new Uint8Array())).to.equal(undefined)
    })
  })

  describe('an identity that nobody uses', () => {
    it('is purged after the usage threshold; the node itself stays', async () => {
      const { clock, self, membership, mapper, purged } = fixture({ usageThresholdMs: 1000 })
      await mapper.start()
      const peer = membership.enroll('Org2MSP', 'peer')
      put(mapper, peer)
      await clock.advance(1000)
      expect(purged).to.deep.equal([])
      await clock.advance(100)
      expect(purged).to.deep.equal(['unused peer'])
      expect(await codeOf(() => mapper.get(peer.pkiId))).to.equal('IDENTITY_NOT_FOUND')
      await clock.advance(100_000)
      expect(mapper.get(self.pkiId)).to.deep.equal(Uint8Array.from(self.identity))
    })

    it('stays as long as it is used: by get, and by verify', async () => {
      const { clock, membership, mapper, purged } = fixture({ usageThresholdMs: 1000 })
      await mapper.start()
      const [a, b] = [membership.enroll('Org2MSP', 'a'), membership.enroll('Org2MSP', 'b')]
      put(mapper, a)
      put(mapper, b)
      const message = Buffer.from('message')
      const signature = b.crypto.sign(message)
      for (let i = 0; i < 30; i += 1) {
        await clock.advance(900)
        mapper.get(a.pkiId)
        mapper.verify(b.pkiId, signature, message)
      }
      expect(purged).to.deep.equal([])
      await clock.advance(1100)
      expect(purged).to.deep.equal(['unused a', 'unused b'])
    })

    it('stays when the mapper is stopped, or was never started', async () => {
      for (const isStarted of [true, false]) {
        const { clock, membership, mapper, purged } = fixture({ usageThresholdMs: 1000 })
        if (isStarted) await mapper.start()
        const peer = membership.enroll('Org2MSP', 'peer')
        put(mapper, peer)
        if (isStarted) await mapper.stop()
        await clock.advance(3000)
        expect(mapper.get(peer.pkiId), `started ${isStarted}`).to.have.length(peer.identity.length)
        expect(purged, `started ${isStarted}`).to.deep.equal([])
      }
    })

    it('is looked for every tenth of the threshold, 1 h by default', async () => {
      const { clock, membership, mapper, purged } = fixture()
      await mapper.start()
      put(mapper, membership.enroll('Org2MSP', 'peer'))
      await clock.advance(3_600_000)
      expect(purged).to.deep.equal([])
      await clock.advance(360_000)
      expect(purged).to.deep.equal(['unused peer'])
    })

    it('is looked for a tenth of the threshold after start, not at once', async () => {
      const { clock, membership, mapper, purged } = fixture({ usageThresholdMs: 1000 })
      put(mapper, membership.enroll('Org2MSP', 'peer'))
      await clock.advance(5000)
      await mapper.start()
      await clock.advance(99)
      expect(purged).to.deep.equal([])
      await clock.advance(1)
      expect(purged).to.deep.equal(['unused peer'])
    })

    it('is looked for at its times, though it is started again or others expire in between', async () => {
      const { clock, membership, mapper, purged } = fixture({ usageThresholdMs: 1000 })
      await mapper.start()
      put(mapper, membership.enroll('Org2MSP', 'peer'))
      put(mapper, membership.enroll('Org2MSP', 'another', at(1020)))
      await clock.advance(50)
      await mapper.start()
      await clock.advance(1049)
      expect(purged).to.deep.equal(['expired another'])
      await clock.advance(1)
      expect(purged).to.deep.equal(['expired another', 'unused peer'])
    })

    it('is all that is looked for: nobody is suspected', async () => {
      const { clock, membership, mapper, purged } = fixture({ usageThresholdMs: 1000 })
      await mapper.start()
      const peer = membership.enroll('Org2MSP', 'peer')
      put(mapper, peer)
      mapper.hold(peer.pkiId, () => undefined)
      membership.revoke(peer.identity)
      await clock.advance(10_000)
      expect(purged).to.deep.equal([])
    })
  })

  describe('an identity that expires', () => {
    it('is purged 1 ms after its time, once, though it is in use', async () => {
      const { clock, membership, mapper, purged } = fixture()
      await mapper.start()
      const peer = membership.enroll('Org2MSP', 'peer', at(500))
      const lasting = membership.enroll('Org2MSP', 'lasting')
      put(mapper, peer)
      put(mapper, lasting)
      await clock.advance(500)
      mapper.get(peer.pkiId)
      await clock.advance(1)
      expect(await codeOf(() => mapper.get(peer.pkiId))).to.equal('IDENTITY_NOT_FOUND')
      expect(purged).to.deep.equal(['expired peer'])
      await clock.advance(2000)
      expect(purged).to.deep.equal(['expired peer'])
      mapper.get(lasting.pkiId)
      membership.revoke(lasting.identity)
      mapper.suspectPeers(() => true)
      expect(purged).to.deep.equal(['expired peer', 'invalid lasting'])
    })

    it('is purged also when it was put before start', async () => {
      const { clock, membership, mapper, purged } = fixture()
      put(mapper, membership.enroll('Org2MSP', 'peer', at(500)))
      await mapper.start()
      await clock.advance(501)
      expect(purged).to.deep.equal(['expired peer'])
    })

    it('is not known any more, though no timer has run', async () => {
      const { clock, membership, mapper, purged } = fixture()
      const peer = membership.enroll('Org2MSP', 'peer', at(500))
      put(mapper, peer)
      await clock.advance(501)
      expect(await codeOf(() => mapper.get(peer.pkiId))).to.equal('IDENTITY_NOT_FOUND')
      expect(
        await codeOf(() => mapper.verify(peer.pkiId, new Uint8Array(), new Uint8Array())),
      ).to.equal('IDENTITY_NOT_FOUND')
      expect(mapper.suspectPeers(() => false)).to.equal(1)
      expect(purged).to.deep.equal(['expired peer'])
    })

    it('is not purged twice when it was purged for another reason before', async () => {
      const { clock, membership, mapper, purged } = fixture()
      await mapper.start()
      const peer = membership.enroll('Org2MSP', 'peer', at(500))
      put(mapper, peer)
      membership.revoke(peer.identity)
      mapper.suspectPeers(() => true)
      await clock.advance(1000)
      expect(purged).to.deep.equal(['invalid peer'])
    })

    it('may be the node itself', async () => {
      const { clock, mapper, purged } = fixture({}, (membership) =>
        membership.enroll('Org1MSP', 'self', at(500)),
      )
      await mapper.start()
      await clock.advance(501)
      expect(purged).to.deep.equal(['expired self'])
      expect(mapper.identityInfo()).to.deep.equal([])
    })

    it('waits for the wall clock if that was set back meanwhile', async () => {
      const { clock, membership, mapper, purged } = fixture()
      await mapper.start()
      put(mapper, membership.enroll('Org2MSP', 'peer', at(500)))
      const wallTime = clock.wallTime.bind(clock)
      clock.wallTime = () => wallTime() - 200
      await clock.advance(501)
      expect(purged).to.deep.equal([])
      await clock.advance(200)
      expect(purged).to.deep.equal(['expired peer'])
    })
  })

  describe('timers', () => {
    it('do not outlast those who went: what is displaced leaves nothing behind', async () => {
      const { clock, membership, mapper, purged } = fixture({ maxIdentities: 2 })
      await mapper.start()
      for (let i = 0; i < 10; i += 1) {
        put(mapper, membership.enroll('Org2MSP', `peer${i}`, at(100 + i)))
      }
      expect(clock.pending).to.equal(1)
      await clock.advance(200)
      expect(purged.at(-1)).to.equal('expired peer9')
      expect(purged).to.have.length(10)
    })
  })

  describe('hold', () => {
    it('keeps an identity in use for as long as it lasts, and a while after', async () => {
      const { clock, membership, mapper, purged } = fixture({ usageThresholdMs: 1000 })
      await mapper.start()
      const peer = membership.enroll('Org2MSP', 'peer')
      put(mapper, peer)
      const [release, other] = [1, 2].map(() => mapper.hold(peer.pkiId, () => undefined))
      await clock.advance(10_000)
      release?.()
      release?.()
      await clock.advance(10_000)
      expect(purged).to.deep.equal([])
      other?.()
      await clock.advance(1000)
      expect(purged).to.deep.equal([])
      release?.()
      await clock.advance(100)
      expect(purged).to.deep.equal(['unused peer'])
    })

    it('that is released after the identity has gone brings nothing of it back', () => {
      const { membership, mapper, purged } = fixture({ maxIdentities: 2 })
      const [a, b, c] = ['a', 'b', 'c'].map((name) => membership.enroll('Org2MSP', name))
      put(mapper, a as Member)
      const release = mapper.hold((a as Member).pkiId, () => undefined)
      membership.revoke((a as Member).identity)
      mapper.suspectPeers(() => true)
      release()
      put(mapper, b as Member)
      put(mapper, c as Member)
      expect(purged).to.deep.equal(['invalid a', 'displaced b'])
      expect(mapper.identityInfo()).to.have.length(2)
    })

    it('is told once when the identity expires or is found invalid, before onPurge, and not after release', async () => {
      const { clock, membership, mapper, purged } = fixture()
      await mapper.start()
      const [a, b] = [membership.enroll('Org2MSP', 'a', at(500)), membership.enroll('Org2MSP', 'b')]
      put(mapper, a)
      put(mapper, b)
      const holder = (name: string) => (reason: string) => purged.push(`told ${name} ${reason}`)
      mapper.hold(a.pkiId, holder('a'))
      mapper.hold(b.pkiId, holder('b'))
      mapper.hold(b.pkiId, holder('released'))()
      await clock.advance(501)
      membership.revoke(b.identity)
      mapper.suspectPeers(() => true)
      mapper.suspectPeers(() => true)
      expect(purged).to.deep.equal(['told a expired', 'expired a', 'told b invalid', 'invalid b'])
    })

    it('does not hold back the others, nor onPurge, when it throws', () => {
      const { membership, mapper, purged, logger } = fixture()
      const peer = membership.enroll('Org2MSP', 'peer')
      put(mapper, peer)
      mapper.hold(peer.pkiId, () => {
        throw new RangeError('from a holder')
      })
      mapper.hold(peer.pkiId, () => purged.push('told'))
      membership.revoke(peer.identity)
      mapper.suspectPeers(() => true)
      expect(purged).to.deep.equal(['told', 'invalid peer'])
      expect(logger.lines.map(({ event }) => event)).to.include('purge callback failed')
    })

    it('takes only who is known', async () => {
      const { membership, mapper } = fixture()
      const { pkiId } = membership.enroll('Org2MSP', 'peer')
      expect(await codeOf(() => mapper.hold(pkiId, () => undefined))).to.equal('IDENTITY_NOT_FOUND')
    })
  })

  describe('organizationOf', () => {
    const orgOf = (mapper: Mapper, { pkiId }: Member): string | undefined =>
      mapper.organizationOf(pkiId) && Buffer.from(mapper.organizationOf(pkiId)!).toString()

    it('tells whose an identity is, or was, so that a renewed certificate is known again', async () => {
      const { clock, self, membership, mapper } = fixture()
      await mapper.start()
      const peer = membership.enroll('Org2MSP', 'peer', at(500))
      expect(orgOf(mapper, peer)).to.equal(undefined)
      put(mapper, peer)
      expect([orgOf(mapper, self), orgOf(mapper, peer)]).to.deep.equal(['Org1MSP', 'Org2MSP'])
      await clock.advance(501)
      expect(orgOf(mapper, peer)).to.equal('Org2MSP')
    })

    it('remembers maxIdentities of those that went', () => {
      const { membership, mapper } = fixture({ maxIdentities: 2 })
      const peers = ['a', 'b', 'c', 'd'].map((name) => membership.enroll('Org2MSP', name))
      for (const peer of peers) put(mapper, peer)
      expect(peers.map((peer) => orgOf(mapper, peer))).to.deep.equal([
        undefined,
        'Org2MSP',
        'Org2MSP',
        'Org2MSP',
      ])
    })
  })

  describe('the memory of organisations', () => {
    /** Somebody who went, and is remembered. */
    const gone = (): ReturnType<typeof fixture> & { readonly peer: Member } => {
      const made = fixture({ maxIdentities: 3 })
      const peer = made.membership.enroll('Org2MSP', 'honest')
      put(made.mapper, peer)
      made.membership.revoke(peer.identity)
      made.mapper.suspectPeers(() => true)
      return { ...made, peer }
    }
    const remembered = (mapper: Mapper, { pkiId }: Member): string =>
      Buffer.from(mapper.organizationOf(pkiId) ?? []).toString()

    it('has one place for all spellings of a certificate', () => {
      const { membership, mapper, purged, peer } = gone()
      for (let i = 0; i < 10; i += 1) put(mapper, spelling(membership, ' '.repeat(i)))
      expect(purged).to.have.length(10)
      expect(remembered(mapper, peer)).to.equal('Org2MSP')
    })

    it('has no place for who had none', () => {
      const { self, membership, mapper, purged, peer } = gone()
      Object.assign(self.crypto, { orgOf: () => undefined })
      for (let i = 0; i < 10; i += 1) put(mapper, membership.enroll('Org2MSP', `stray${i}`))
      expect(purged).to.have.length(9)
      expect(remembered(mapper, peer)).to.equal('Org2MSP')
    })

    it('forgets who went first, not who went again', () => {
      const { membership, mapper, peer } = gone()
      const leave = ({ pkiId, identity }: Member): void => {
        mapper.put(pkiId, identity)
        membership.revoke(identity)
        mapper.suspectPeers(() => true)
      }
      const others = ['a', 'b'].map((name) => membership.enroll('Org3MSP', name))
      for (const other of others) leave(other)
      leave(membership.enroll('Org2MSP', 'honest'))
      leave(membership.enroll('Org3MSP', 'c'))
      expect(remembered(mapper, peer)).to.equal('Org2MSP')
      expect(others.map((other) => remembered(mapper, other))).to.deep.equal(['', 'Org3MSP'])
    })
  })

  describe('suspectPeers', () => {
    it('purges those of the suspected that are not valid any more', () => {
      const { membership, mapper, purged } = fixture()
      const peers = ['a', 'b', 'c'].map((name) => membership.enroll('Org2MSP', name))
      for (const peer of peers) put(mapper, peer)
      const [a, b] = peers as [Member, Member, Member]
      membership.revoke(a.identity)
      membership.revoke(b.identity)
      const isA = (identity: Uint8Array): boolean => Buffer.compare(identity, a.identity) === 0
      expect(mapper.suspectPeers(isA)).to.equal(1)
      expect(purged).to.deep.equal(['invalid a'])
      expect(mapper.suspectPeers(() => true)).to.equal(1)
      expect(purged).to.deep.equal(['invalid a', 'invalid b'])
    })

    it('asks about everybody but the unused, which go anyway', async () => {
      const { clock, membership, mapper, purged } = fixture({ usageThresholdMs: 1000 })
      const [a, b] = [membership.enroll('Org2MSP', 'a'), membership.enroll('Org2MSP', 'b')]
      put(mapper, a)
      put(mapper, b)
      await clock.advance(1001)
      mapper.get(b.pkiId)
      let asked = 0
      mapper.suspectPeers(() => {
        asked += 1
        return false
      })
      expect([asked, ...purged]).to.deep.equal([2, 'unused a'])
    })

    it('is no use of those it suspects and finds valid', async () => {
      const { clock, membership, mapper, purged } = fixture({ usageThresholdMs: 1000 })
      put(mapper, membership.enroll('Org2MSP', 'peer'))
      await clock.advance(1000)
      mapper.suspectPeers(() => true)
      await clock.advance(1)
      mapper.suspectPeers(() => true)
      expect(purged).to.deep.equal(['unused peer'])
    })

    it('purges the node itself, too, if that is not valid any more', () => {
      const { self, membership, mapper, purged } = fixture()
      membership.revoke(self.identity)
      mapper.suspectPeers(() => true)
      expect(purged).to.deep.equal(['invalid self'])
    })

    it('writes into the log who went and why', () => {
      const { membership, mapper, logger } = fixture()
      const peer = membership.enroll('Org2MSP', 'peer')
      put(mapper, peer)
      membership.revoke(peer.identity)
      mapper.suspectPeers(() => true)
      const pkiId = Buffer.from(peer.pkiId).toString('hex')
      expect(logger.lines).to.deep.equal([
        { level: 'debug', event: 'suspected identity is not valid', fields: { pkiId } },
        { level: 'info', event: 'purged identity', fields: { pkiId, reason: 'invalid' } },
      ])
    })

    it('purges nobody when the predicate throws', () => {
      const { clock, membership, mapper, purged } = fixture({ usageThresholdMs: 1000 })
      const peer = membership.enroll('Org2MSP', 'peer')
      put(mapper, peer)
      membership.revoke(peer.identity)
      const suspect = (): unknown =>
        mapper.suspectPeers(() => {
          throw new RangeError('from the predicate')
        })
      expect(suspect).to.throw('from the predicate')
      expect([purged.length, clock.pending]).to.deep.equal([0, 0])
    })
  })

  describe('onPurge', () => {
    it('may call the mapper: the identity has gone, others can come, it can come back', async () => {
      const log: string[] = []
      const { clock, membership, mapper } = fixture({
        usageThresholdMs: 1000,
        onPurge: (pkiId, identity, reason) => {
          const known = mapper.identityInfo().length
          log.push(`${reason}, ${known} left, ${mapper.suspectPeers(() => true)} more go`)
          if (log.length === 1) put(mapper, membership.enroll('Org2MSP', 'new'))
          if (log.length === 2) mapper.put(pkiId, identity)
        },
      })
      const peers = ['a', 'b'].map((name) => membership.enroll('Org2MSP', name))
      for (const peer of peers) put(mapper, peer)
      await clock.advance(1001)
      expect(mapper.suspectPeers(() => false)).to.equal(1)
      expect(log).to.deep.equal(['unused, 1 left, 0 more go', 'unused, 2 left, 1 more go'])
      expect(mapper.identityInfo()).to.have.length(3)
    })

    it('that throws is logged and holds nobody up', () => {
      const { membership, mapper, logger } = fixture({
        onPurge: () => {
          throw new RangeError('from onPurge')
        },
      })
      const peers = ['a', 'b'].map((name) => membership.enroll('Org2MSP', name))
      for (const peer of peers) put(mapper, peer)
      for (const peer of peers) membership.revoke(peer.identity)
      expect(mapper.suspectPeers(() => true)).to.equal(2)
      const failures = logger.lines.filter(({ level }) => level === 'error')
      expect(failures.map(({ event, fields }) => ({ event, ...fields }))).to.deep.equal(
        peers.map(({ pkiId }) => ({
          event: 'purge callback failed',
          pkiId: Buffer.from(pkiId).toString('hex'),
          reason: 'invalid',
        })),
      )
    })
  })

  describe('lifecycle', () => {
    it('does nothing before start and leaves nothing after stop, twice of each', async () => {
      const { clock, membership, mapper } = fixture()
      put(mapper, membership.enroll('Org2MSP', 'peer', at(500)))
      expect([mapper.state, clock.pending]).to.deep.equal(['idle', 0])
      await mapper.start()
      await mapper.start()
      expect([mapper.state, clock.pending]).to.deep.equal(['started', 1])
      await mapper.stop()
      await mapper[Symbol.asyncDispose]()
      expect([mapper.state, clock.pending]).to.deep.equal(['stopped', 0])
    })

    it('stops when it is disposed of', async () => {
      const { clock, mapper } = fixture()
      await mapper.start({})
      await mapper[Symbol.asyncDispose]()
      expect([mapper.state, clock.pending]).to.deep.equal(['stopped', 0])
    })

    it('is final: after stop it reads and verifies, and takes nobody new', async () => {
      const { self, membership, mapper } = fixture()
      await mapper.start()
      await mapper.stop()
      const peer = membership.enroll('Org2MSP', 'peer')
      expect(await codeOf(() => put(mapper, peer))).to.equal('IDENTITY_STOPPED')
      expect(await codeOf(() => mapper.start())).to.equal('IDENTITY_STOPPED')
      const message = Buffer.from('message')
      mapper.verify(self.pkiId, mapper.sign(message), message)
    })

    it('does not start when the signal has aborted', async () => {
      const { clock, mapper } = fixture()
      const signal = AbortSignal.abort(new Error('no'))
      expect(await codeOf(() => mapper.start({ signal }))).to.equal('Error: no')
      expect([mapper.state, clock.pending]).to.deep.equal(['idle', 0])
    })

    it('stops in the middle of a purge', async () => {
      const { clock, membership, mapper, purged } = fixture({
        usageThresholdMs: 1000,
        onPurge: () => {
          purged.push('purged')
          void mapper.stop()
        },
      })
      await mapper.start()
      put(mapper, membership.enroll('Org2MSP', 'peer'))
      await clock.advance(2000)
      expect([purged.length, clock.pending]).to.deep.equal([1, 0])
    })

    it('is not made for an own identity that is not valid', async () => {
      const invalid: ((membership: MemoryMembership) => Member)[] = [
        (membership) => {
          const self = membership.enroll('Org1MSP', 'revoked')
          membership.revoke(self.identity)
          return self
        },
        (membership) => membership.enroll('Org1MSP', 'expired', at(-1)),
        (membership) => ({
          ...membership.enroll('Org1MSP', 'self'),
          identity: Buffer.from('garbage'),
        }),
      ]
      for (const [index, prepare] of invalid.entries()) {
        expect(await codeOf(() => fixture({}, prepare)), `${index}`).to.equal(
          'IDENTITY_INVALID_SELF',
        )
      }
    })

    it('refuses an option that it does not know, and says which was meant', async () => {
      const mistyped = { maxIdentites: 5 } as Partial<MapperOptions>
      expect(() => fixture(mistyped)).to.throw(
        /^there is no option maxIdentites \(did you mean maxIdentities\?\)/,
      )
      expect(await codeOf(() => fixture(mistyped))).to.equal('IDENTITY_INVALID_OPTIONS')
    })

    it('refuses options out of their range', async () => {
      for (const bad of [0, -1, 1.5, NaN, 2 ** 60]) {
        for (const option of ['usageThresholdMs', 'maxIdentities', 'maxIdentityBytes']) {
          const code = await codeOf(() => fixture({ [option]: bad }))
          expect(code, `${option} ${bad}`).to.equal('IDENTITY_INVALID_OPTIONS')
        }
      }
      const accepted = [
        { usageThresholdMs: 1, maxIdentities: 1 },
        { usageThresholdMs: 2 ** 48, maxIdentities: 2 ** 24, maxIdentityBytes: 2 ** 24 },
      ]
      for (const good of accepted) fixture(good)
    })
  })

  it('lists whom it knows, by organisation and with the right PKI-IDs', () => {
    const { self, membership, mapper } = fixture()
    const peers = [membership.enroll('Org1MSP', 'a'), membership.enroll('Org2MSP', 'b')] as const
    for (const peer of peers) put(mapper, peer)
    const organizations = byOrganization(mapper.identityInfo())
    expect([...organizations.keys()]).to.deep.equal(['Org1MSP', 'Org2MSP'])
    const pkiIds = (mspId: string): string[] =>
      organizations.get(mspId)?.map(({ pkiId }) => Buffer.from(pkiId).toString('hex')) ?? []
    const hex = ({ pkiId }: Member): string => Buffer.from(pkiId).toString('hex')
    expect(pkiIds('Org1MSP')).to.deep.equal([hex(self), hex(peers[0])])
    expect(pkiIds('Org2MSP')).to.deep.equal([hex(peers[1])])
  })

  it('counts whom it knows, refuses and purges', async () => {
    const { membership, mapper, values } = fixture()
    const peer = membership.enroll('Org2MSP', 'peer')
    put(mapper, peer)
    expect(values).to.deep.equal({ identity_known: 2 })
    await codeOf(() => mapper.put(new Uint8Array(), peer.identity))
    membership.revoke(peer.identity)
    await codeOf(() => put(mapper, peer))
    mapper.suspectPeers(() => true)
    expect(values).to.deep.equal({
      identity_known: 1,
      'identity_refused_total code=IDENTITY_MISSING': 1,
      'identity_refused_total code=MEMBERSHIP_REVOKED': 1,
      'identity_purged_total reason=invalid': 1,
    })
  })

  it("counts as 'other' what is refused without a code", () => {
    const { self, mapper, membership, values } = fixture()
    Object.assign(self.crypto, {
      validateIdentity: () => {
        throw new RangeError('no')
      },
    })
    expect(() => put(mapper, membership.enroll('Org2MSP', 'peer'))).to.throw(RangeError, 'no')
    expect(values).to.have.property('identity_refused_total code=other', 1)
  })

  it('does all of it without a logger and without metrics', () => {
    const clock = new VirtualClock({ wallTimeMs: startTime })
    const membership = new MemoryMembership()
    const { identity, crypto } = membership.enroll('Org1MSP', 'self')
    const mapper = createIdentityMapper(
      { crypto, advisor: crypto, clock },
      {
        selfIdentity: identity,
        onPurge: () => {
          throw new RangeError('from onPurge')
        },
      },
    )
    const peer = membership.enroll('Org2MSP', 'peer')
    put(mapper, peer)
    membership.revoke(peer.identity)
    expect(mapper.suspectPeers(() => true)).to.equal(1)
    expect(() => put(mapper, peer)).to.throw('the identity was revoked')
    expect(mapper.identityInfo()).to.have.length(1)
  })

  it('knows, in any run, exactly those that are neither unused nor expired nor purged', async () => {
    const who = fc.nat(4)
    const step = fc.oneof(
      fc.record({ put: who }),
      fc.record({ use: who }),
      fc.record({ pass: fc.integer({ min: 1, max: 400 }) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { clock, membership, mapper, purged } = fixture({ usageThresholdMs: 500 })
        // Peer 0 never expires, the others do, at 300, 600, 900 and 1,200 ms.
        const peers = Array.from({ length: 5 }, (_, i) =>
          membership.enroll('Org2MSP', `peer${i}`, i === 0 ? undefined : at(i * 300)),
        )
        const lastUse = new Map<number, number>()
        await mapper.start()
        const isExpired = (i: number): boolean => i > 0 && clock.now() > i * 300
        const use = async (i: number): Promise<void> => {
          const code = await codeOf(() => mapper.get((peers[i] as Member).pkiId))
          if (code === 'no error') lastUse.set(i, clock.now())
        }
        for (const each of steps) {
          if ('pass' in each) await clock.advance(each.pass)
          else if ('use' in each) await use(each.use)
          else if ((await codeOf(() => put(mapper, peers[each.put] as Member))) === 'no error') {
            if (!lastUse.has(each.put)) lastUse.set(each.put, clock.now())
          }
          const known = new Set(mapper.identityInfo().map(({ identity }) => identity.at(-1)))
          for (const [i, used] of lastUse) {
            const isKnown = known.has('0'.charCodeAt(0) + i)
            const unusedMs = clock.now() - used
            // The sweep comes every 50 ms.
            if (isExpired(i) || unusedMs > 550) expect(isKnown, `peer${i}`).to.equal(false)
            else if (unusedMs <= 500) expect(isKnown, `peer${i}`).to.equal(true)
            if (!isKnown) lastUse.delete(i)
          }
        }
        await mapper.stop()
        expect(purged.every((line) => /^(unused|expired) peer\d$/.test(line))).to.equal(true)
      }),
      { seed: 6, numRuns: 100 },
    )
  })
})
