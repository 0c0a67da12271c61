import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { generateOrganization, loadMsp, loadSigningIdentity } from '../../src/index.ts'
import { certify, identityOf, revoke } from '../support/ca.ts'
import type { Pair } from '../support/ca.ts'
import { expectCode, expectRejection } from '../support/expect-code.ts'
import { fixture, organizations } from '../support/fabric.ts'
import { recorder } from '../support/logger.ts'
import { temporaryDir } from '../support/temporary.ts'

const mspId = 'Org1MSP'

/** A copy of what cryptogen made, to be spoilt. */
function copied(): string {
  const dir = temporaryDir()
  cpSync(fixture('bft-v3.1.5', ...organizations.Org1MSP, 'msp'), dir, { recursive: true })
  return dir
}

function put(dir: string, folder: string, name: string, text: string): void {
  mkdirSync(join(dir, folder), { recursive: true })
  writeFileSync(join(dir, folder, name), text)
}

describe('loadMsp', () => {
  let root: Pair

  before(async () => {
    root = await certify({ subject: 'CN=root', ca: true })
  })

  function folder(configYaml?: string): string {
    const dir = temporaryDir()
    put(dir, 'cacerts', 'root.pem', root.pem)
    if (configYaml !== undefined) writeFileSync(join(dir, 'config.yaml'), configYaml)
    return dir
  }

  it('reads intermediates, administrators, revocation lists and TLS CAs', async () => {
    const middle = await certify({ subject: 'CN=middle', ca: true, issuer: root })
    const admin = await certify({ subject: 'CN=a', issuer: middle })
    const revoked = await certify({ subject: 'CN=r', issuer: middle })
    const dir = folder()
    put(dir, 'intermediatecerts', 'm.pem', middle.pem)
    put(dir, 'admincerts', 'a.pem', admin.pem)
    put(dir, 'crls', 'm.pem', await revoke(middle, [revoked.certificate.serialNumber]))
    put(dir, 'tlscacerts', 'r.pem', root.pem)
    put(dir, 'tlsintermediatecerts', 'm.pem', middle.pem)
    const own = await loadMsp(dir, mspId)
    expect(own.tlsRoots).to.deep.equal([root.pem])
    expect(own.tlsIntermediates).to.deep.equal([middle.pem])
    const identity = own.deserialize(identityOf(admin))
    own.validate(identity)
    expect(identity.roles).to.deep.equal(['admin'])
    expectCode('MSP_REVOKED', () => own.validate(own.deserialize(identityOf(revoked))))
  })

  it('refuses a folder without CAs, or that is not there', async () => {
    for (const dir of [join(temporaryDir(), 'none'), temporaryDir()]) {
      const error = await expectRejection('MSP_INVALID_FOLDER', loadMsp(dir, mspId))
      expect(error.message).to.equal(`${join(dir, 'cacerts')} holds no CA certificate`)
    }
  })

  it('does not say that a revocation list without a key revokes nothing: it counts for all', async () => {
    const { logger, lines } = recorder()
    const admin = 'AdminOUIdentifier: {OrganizationalUnitIdentifier: admin}'
    const dir = folder(`NodeOUs: {Enable: true, ${admin}}`)
    const stranger = await certify({ subject: 'CN=stranger', ca: true })
    put(dir, 'crls', 'stranger.pem', await revoke(stranger, ['0f'], null))
    const own = await loadMsp(dir, mspId, { logger })
    expect(lines).to.deep.equal([])
    const member = await certify({ subject: 'OU=admin, CN=a', issuer: root })
    expect(() => own.validate(own.deserialize(identityOf(member)))).to.throw(/no authority key id/)
  })

  it('leaves an error of the logger as it is', async () => {
    const fault = new TypeError('the log is full')
    const warn = (): never => {
      throw fault
    }
    const dir = folder()
    put(dir, 'cacerts', 'odd', 'x')
    const logger = { ...recorder().logger, warn }
    const error: unknown = await loadMsp(dir, mspId, { logger }).catch((reason: unknown) => reason)
    expect(error).to.equal(fault)
  })

  /** Copies of what cryptogen made, each with one part that is refused, and its file. */
  const spoilt: Record<string, (name: string) => Promise<string>> = {
    cacerts: async (subject) => (await certify({ subject, issuer: root })).pem,
    intermediatecerts: async (subject) => (await certify({ subject, ca: true })).pem,
    admincerts: async (subject) => (await certify({ subject, issuer: root })).pem,
    tlscacerts: async (subject) => (await certify({ subject, issuer: root })).pem,
    tlsintermediatecerts: async (subject) => (await certify({ subject, ca: true })).pem,
  }
  for (const [part, make] of Object.entries(spoilt)) {
    it(`names the organisation, and the certificate by subject and file: ${part}`, async () => {
      const dir = copied()
      put(dir, part, 'odd.pem', await make('CN=odd, O=org'))
      const error = await expectRejection('MSP_INVALID_CONFIG', loadMsp(dir, mspId))
      for (const text of [`MSP "${mspId}"`, '"O=org,CN=odd"', join(dir, part, 'odd.pem')]) {
        expect(error.message).to.contain(text)
      }
      put(dir, part, 'odd.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
      const unreadable = await expectRejection('MSP_INVALID_CONFIG', loadMsp(dir, mspId))
      expect(unreadable.message).to.contain(join(dir, part, 'odd.pem'))
    })
  }

  it('names the file of a revocation list that cannot be read', async () => {
    const dir = copied()
    put(dir, 'crls', 'odd.pem', '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n')
    const error = await expectRejection('MSP_INVALID_CONFIG', loadMsp(dir, mspId))
    expect(error.message).to.contain(join(dir, 'crls', 'odd.pem'))
  })
})

describe('loadSigningIdentity', () => {
  async function made(): Promise<string> {
    const { nodes } = await generateOrganization({
      mspId,
      domain: 'org1.example.com',
      dir: temporaryDir(),
      nodes: [{ name: 'peer0', role: 'peer' }],
    })
    return nodes[0]!.mspDir
  }

  it('refuses a folder without the certificate', async () => {
    const withoutCertificate = await made()
    const signcerts = join(withoutCertificate, 'signcerts')
    rmSync(signcerts, { recursive: true })
    const loading = loadSigningIdentity(withoutCertificate, mspId)
    const error = await expectRejection('MSP_INVALID_FOLDER', loading)
    expect(error.message).to.equal(`${signcerts} holds no certificate`)
  })

  it('refuses a certificate of another CA, and one that is not a valid member', async () => {
    const foreign = await made()
    const stranger = await certify({ subject: 'OU=peer, CN=p' })
    put(foreign, 'signcerts', 'a.pem', stranger.pem)
    put(foreign, 'keystore', 'a_sk', stranger.keyPem)
    await expectRejection('MSP_UNKNOWN_AUTHORITY', loadSigningIdentity(foreign, mspId))
    const revoked = await made()
    writeFileSync(
      join(revoked, 'config.yaml'),
      'NodeOUs: {Enable: true, AdminOUIdentifier: {OrganizationalUnitIdentifier: admin}}',
    )
    await expectRejection('MSP_NO_ROLE', loadSigningIdentity(revoked, mspId))
  })
})
