import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { create, decode, encode, msp } from '@heddle/proto'
import type { MessageCryptoService, SecurityAdvisor } from '../ports.ts'

/** A message crypto service and security advisor to be checked, with people that it knows or not. */
export interface CryptoFixture {
  readonly crypto: MessageCryptoService
  readonly advisor: SecurityAdvisor
  /** The identity as which `crypto` signs: valid now. */
  readonly identity: Uint8Array
  readonly mspId: string
  /** Another valid identity. */
  readonly other: Uint8Array
  /** A well-formed identity for which no MSP vouches. */
  readonly stranger: Uint8Array
  /** A channel that `identity` may read. */
  readonly channel: string
}

/** One case of a compliance suite: in mocha, `it(name, run)`. */
export interface ComplianceCase {
  readonly name: string
  readonly run: () => Promise<void>
}

/** What the mapper expects of its ports. `setup` is called once for each case. */
export function messageCryptoCases(
  setup: () => CryptoFixture | Promise<CryptoFixture>,
): ComplianceCase[] {
  const cases: Record<string, (fixture: CryptoFixture) => void> = {
    'computes a PKI-ID: SHA-256 of MSP id and id bytes': computesPkiId,
    'gives no PKI-ID for what is no identity': givesNoPkiId,
    'gives one digest to every spelling of a certificate, another to another': digestsCertificates,
    'finds valid identities valid, and throws for all else': validates,
    'tells when an identity expires, and throws when it cannot tell': tellsExpiration,
    'verifies what it signed, and nothing that differs from it': verifies,
    'verifies for a channel only what its readers signed': verifiesByChannel,
    'tells the organisation of an identity, undefined for garbage': tellsOrganization,
    'keeps its hands off the bytes it is given': changesNothing,
  }
  return Object.entries(cases).map(([name, run]) => ({
    name,
    run: async () => run(await setup()),
  }))
}

const message = Buffer.from('a message')
/** Bytes that are no SerializedIdentity. */
const garbage = [new Uint8Array(), Buffer.from('some garbage'), Buffer.alloc(1000, 0xff)]

function computesPkiId({ crypto, identity, other, stranger }: CryptoFixture): void {
  for (const each of [identity, other, stranger]) {
    const { mspid, idBytes } = decode(msp.SerializedIdentitySchema, each)
    const expected = createHash('sha256').update(mspid).update(idBytes).digest('hex')
    assert.equal(Buffer.from(crypto.pkiIdOf(each) ?? []).toString('hex'), expected)
  }
}

function givesNoPkiId({ crypto }: CryptoFixture): void {
  for (const each of garbage) assert.equal(crypto.pkiIdOf(each), undefined)
}

function digestsCertificates({ crypto, identity, other }: CryptoFixture): void {
  const { mspid, idBytes } = decode(msp.SerializedIdentitySchema, identity)
  const spelling = create(msp.SerializedIdentitySchema, { mspid, idBytes: respell(idBytes) })
  const digestOf = (each: Uint8Array): string =>
    Buffer.from(crypto.certificateDigest(each) ?? []).toString('hex')
  assert.notEqual(digestOf(identity), '')
  assert.equal(digestOf(encode(msp.SerializedIdentitySchema, spelling)), digestOf(identity))
  assert.notEqual(digestOf(other), digestOf(identity))
  for (const each of garbage) assert.equal(crypto.certificateDigest(each), undefined)
}

/** The same certificate with other line ends. */
function respell(idBytes: Uint8Array): Uint8Array {
  const text = Buffer.from(idBytes).toString('latin1')
  return Buffer.from(text.includes('\n') ? text.replaceAll('\n', '\r\n') : `${text}\n`, 'latin1')
}

function validates({ crypto, identity, other, stranger }: CryptoFixture): void {
  for (const each of [identity, other]) crypto.validateIdentity(each)
  for (const each of [stranger, ...garbage]) assert.throws(() => crypto.validateIdentity(each))
}

function tellsExpiration({ crypto, identity }: CryptoFixture): void {
  const expiresAt = crypto.expiration(identity)
  assert.ok(expiresAt === undefined || !Number.isNaN(expiresAt.getTime()))
  for (const each of garbage) assert.throws(() => crypto.expiration(each))
}

function verifies({ crypto, identity, other, stranger }: CryptoFixture): void {
  const signature = crypto.sign(message)
  crypto.verify(identity, signature, message)
  const changed = Uint8Array.from(signature)
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
  assert.throws(() => crypto.verify(identity, signature, Buffer.from('another message')))
  assert.throws(() => crypto.verify(identity, changed, message))
  assert.throws(() => crypto.verify(identity, new Uint8Array(), message))
  for (const each of [other, stranger, ...garbage]) {
    assert.throws(() => crypto.verify(each, signature, message))
  }
}

function verifiesByChannel({ crypto, identity, stranger, channel }: CryptoFixture): void {
  const signature = crypto.sign(message)
  crypto.verifyByChannel(channel, identity, signature, message)
  const other = Buffer.from('another message')
  assert.throws(() => crypto.verifyByChannel(`not ${channel}`, identity, signature, message))
  assert.throws(() => crypto.verifyByChannel(channel, identity, signature, other))
  assert.throws(() => crypto.verifyByChannel(channel, stranger, signature, message))
}

function tellsOrganization({ advisor, identity, mspId }: CryptoFixture): void {
  assert.equal(Buffer.from(advisor.orgOf(identity) ?? []).toString('utf8'), mspId)
  for (const each of garbage) assert.equal(advisor.orgOf(each), undefined)
}

function changesNothing({ crypto, advisor, identity }: CryptoFixture): void {
  const given = Uint8Array.from(identity)
  crypto.validateIdentity(given)
  crypto.pkiIdOf(given)
  crypto.certificateDigest(given)
  crypto.expiration(given)
  advisor.orgOf(given)
  crypto.verify(given, crypto.sign(message), message)
  assert.deepEqual(given, Uint8Array.from(identity))
}
