import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { generateOrganization, loadMsp, loadSigningIdentity } from '../../src/index.ts'
import { maxFolderFiles } from '../../src/folder.ts'
import { certify, identityOf, revoke } from '../support/ca.ts'
import type { Pair } from '../support/ca.ts'
import { expectCode, expectRejection } from '../support/expect-code.ts'
import { fixture, organizations } from '../support/fabric.ts'
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

  it('reads organisational units with and without a CA, NodeOUs in part, and unknown keys', async () => {
    const dir = folder(`
Other: 1
OrganizationalUnitIdentifiers:
  - Certificate: cacerts/root.pem
    OrganizationalUnitIdentifier: sales
NodeOUs:
  Enable: true
  ClientOUIdentifier: {Certificate: cacerts/root.pem, OrganizationalUnitIdentifier: client}
  AdminOUIdentifier: {OrganizationalUnitIdentifier: boss}
  PeerOUIdentifier: {OrganizationalUnitIdentifier: ''}
`)
    const own = await loadMsp(dir, mspId)
    const validate = async (subject: string): Promise<void> => {
      own.validate(own.deserialize(identityOf(await certify({ subject, issuer: root }))))
    }
    await validate('OU=sales, OU=boss, CN=a')
    await validate('OU=sales, OU=client, CN=a')
    await expectRejection('MSP_WRONG_ORGANIZATIONAL_UNIT', validate('OU=boss, CN=a'))
    await expectRejection('MSP_NO_ROLE', validate('OU=sales, CN=a'))
  })

  it('takes NodeOUs that are not enabled, and a configuration that is empty, for none', async () => {
    const admin = await certify({ subject: 'CN=a', issuer: root })
    for (const text of ['', '# nothing\n', 'NodeOUs:\n  Enable: false\n', 'NodeOUs:\n']) {
      const dir = folder(text)
      put(dir, 'admincerts', 'a.pem', admin.pem)
      expect((await loadMsp(dir, mspId)).mspId, text).to.equal(mspId)
    }
  })

  it('refuses a configuration that is no YAML, no mapping, or points at a CA that is not there', async () => {
    const bad = [
      '{',
      '- a\n',
      'text',
      'OrganizationalUnitIdentifiers: 3',
      `
NodeOUs:
  Enable: true
  AdminOUIdentifier: {Certificate: cacerts/none.pem, OrganizationalUnitIdentifier: admin}
`,
    ]
    for (const text of bad)
      await expectRejection('MSP_INVALID_FOLDER', loadMsp(folder(text), mspId), text)
  })

  it('refuses a folder without CAs, a file without PEM, and what is no folder', async () => {
    await expectRejection('MSP_INVALID_FOLDER', loadMsp(join(temporaryDir(), 'none'), mspId))
    await expectRejection('MSP_INVALID_FOLDER', loadMsp(temporaryDir(), mspId))
    const spoilt = copied()
    put(spoilt, 'admincerts', 'readme.txt', 'nothing here')
    const error = await expectRejection('MSP_INVALID_FOLDER', loadMsp(spoilt, mspId))
    expect(error.message).to.contain(join('admincerts', 'readme.txt'))
    const file = copied()
    rmSync(join(file, 'tlscacerts'), { recursive: true })
    writeFileSync(join(file, 'tlscacerts'), '')
    await expectRejection('MSP_INVALID_FOLDER', loadMsp(file, mspId))
  })

  it('skips hidden files and folders inside, also below a hidden folder', async () => {
    const dir = copied()
    put(dir, 'cacerts', '.gitkeep', '')
    put(dir, join('cacerts', 'old'), 'x.pem', 'nonsense')
    const hidden = join(temporaryDir(), '.heddle')
    renameSync(dir, hidden)
    expect((await loadMsp(hidden, mspId)).mspId).to.equal(mspId)
  })

  it('reads maxFolderFiles and not one more', async () => {
    const dir = copied()
    const full = maxFolderFiles - readdirSync(join(dir, 'cacerts')).length
    for (let i = 0; i < full; i += 1) put(dir, 'cacerts', `.${i}`, '')
    expect((await loadMsp(dir, mspId)).mspId).to.equal(mspId)
    put(dir, 'cacerts', '.more', '')
    await expectRejection('MSP_INVALID_FOLDER', loadMsp(dir, mspId))
  })

  it('says which part of the configuration is refused', async () => {
    const dir = copied()
    put(dir, 'cacerts', 'member.pem', (await certify({ subject: 'CN=m', issuer: root })).pem)
    const error = await expectRejection('MSP_INVALID_CONFIG', loadMsp(dir, mspId))
    expect(error.message).to.contain('"m" is not marked as a CA')
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

  it('finds the key whatever its file is called, among others and what is no key', async () => {
    const dir = await made()
    renameSync(join(dir, 'keystore', 'priv_sk'), join(dir, 'keystore', 'z_sk'))
    put(dir, 'keystore', 'other_sk', (await certify({ subject: 'CN=x' })).keyPem)
    put(dir, 'keystore', 'readme', 'no key')
    const signer = await loadSigningIdentity(dir, mspId)
    const message = Buffer.from('message')
    signer.checkSignature(message, signer.sign(message))
    expect(signer.roles).to.deep.equal(['peer'])
  })

  it('refuses a folder without the key, or without the certificate', async () => {
    const withoutKey = await made()
    rmSync(join(withoutKey, 'keystore'), { recursive: true })
    await expectRejection('MSP_KEY_NOT_FOUND', loadSigningIdentity(withoutKey, mspId))
    put(withoutKey, 'keystore', 'other_sk', (await certify({ subject: 'CN=x' })).keyPem)
    await expectRejection('MSP_KEY_NOT_FOUND', loadSigningIdentity(withoutKey, mspId))
    const withoutCertificate = await made()
    rmSync(join(withoutCertificate, 'signcerts'), { recursive: true })
    await expectRejection('MSP_INVALID_FOLDER', loadSigningIdentity(withoutCertificate, mspId))
  })

  it('refuses a key file that is broken', async () => {
    const dir = await made()
    put(dir, 'keystore', 'a_sk', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n')
    await expectRejection('MSP_KEY_MISMATCH', loadSigningIdentity(dir, mspId))
  })

  it('refuses a certificate of another CA, and one that is no valid member', async () => {
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

  it('says which file it may not read', async function () {
    if (process.getuid?.() === 0) return // root may read everything
    const dir = await made()
    chmodSync(join(dir, 'keystore', 'priv_sk'), 0o000)
    await expectRejection('MSP_INVALID_FOLDER', loadSigningIdentity(dir, mspId))
  })
})
