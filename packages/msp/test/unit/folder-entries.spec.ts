import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { maxFileBytes, maxFolderFiles } from '../../src/folder-files.ts'
import { loadMsp, loadSigningIdentity } from '../../src/index.ts'
import { certify, identityOf, revoke } from '../support/ca.ts'
import type { Pair } from '../support/ca.ts'
import { expectCode, expectRejection } from '../support/expect-code.ts'
import { mountAsSecret, peerFolder, put } from '../support/folder.ts'
import { recorder } from '../support/logger.ts'
import { asOwnerOf } from '../support/rights.ts'
import { temporaryDir } from '../support/temporary.ts'

// Kind: one odd entry ends the loading of a folder. One function lists all folders, by what an entry
// points to; what Fabric logs and skips is skipped here too, with a word
// (fabric v3.1.5 msp/configbuilder.go, getPemMaterialFromDir).

const mspId = 'Org1MSP'
const certificateFolders = [
  'cacerts',
  'intermediatecerts',
  'admincerts',
  'tlscacerts',
  'tlsintermediatecerts',
  'signcerts',
]
const allFolders = [...certificateFolders, 'keystore', 'crls']

describe('the entries of an MSP folder', () => {
  let pristine: string
  let revoked: Pair

  before(async () => {
    const root = await certify({ subject: 'CN=root', ca: true })
    const middle = await certify({ subject: 'CN=middle', ca: true, issuer: root })
    const own = await certify({ subject: 'OU=peer, CN=own', issuer: middle })
    const admin = await certify({ subject: 'OU=admin, CN=admin', issuer: middle })
    revoked = await certify({ subject: 'OU=peer, CN=gone', issuer: middle })
    pristine = mkdtempSync(join(tmpdir(), 'heddle-msp-'))
    put(pristine, 'cacerts/root.pem', root.pem)
    put(pristine, 'intermediatecerts/middle.pem', middle.pem)
    put(pristine, 'admincerts/admin.pem', admin.pem)
    put(pristine, 'tlscacerts/root.pem', root.pem)
    put(pristine, 'tlsintermediatecerts/middle.pem', middle.pem)
    put(pristine, 'signcerts/own.pem', own.pem)
    put(pristine, 'keystore/own_sk', own.keyPem)
    put(pristine, 'crls/middle.crl', await revoke(middle, [revoked.certificate.serialNumber]))
  })

  after(() => rmSync(pristine, { recursive: true }))

  function copy(): string {
    const dir = temporaryDir()
    cpSync(pristine, dir, { recursive: true })
    return dir
  }

  /** Loads everything, and finds it complete. */
  async function check(dir: string): Promise<string[]> {
    const { logger, lines } = recorder()
    const own = await loadMsp(dir, mspId, { logger })
    const signer = await loadSigningIdentity(dir, mspId, {})
    expect(signer.subject).to.equal('CN=own,OU=peer')
    expect(own.tlsRoots.length + own.tlsIntermediates.length).to.equal(2)
    const gone = own.deserialize(identityOf(revoked))
    expectCode('MSP_REVOKED', () => own.validate(gone))
    return lines
  }

  for (const folder of allFolders) {
    it(`are taken for what they point to: ${folder} mounted as a Kubernetes Secret`, async () => {
      const dir = copy()
      mountAsSecret(join(dir, folder))
      expect(await check(dir)).to.deep.equal([])
    })

    it(`may be folders and links to folders, which are nobody's business: ${folder}`, async () => {
      const dir = copy()
      put(dir, `${folder}/00-sub/x.pem`, 'nonsense')
      symlinkSync('00-sub', join(dir, folder, '00-link'))
      expect(await check(dir)).to.deep.equal([])
    })

    it(`may be hidden files without PEM: ${folder}`, async () => {
      const dir = copy()
      put(dir, `${folder}/.gitkeep`, '')
      put(dir, `${folder}/.DS_Store`, Buffer.from([0, 1, 2]))
      expect(await check(dir)).to.deep.equal([])
    })
  }

  for (const folder of ['cacerts', 'crls', 'keystore']) {
    it(`are ${maxFolderFiles} at most: ${folder}`, async () => {
      const dir = copy()
      const free = maxFolderFiles - readdirSync(join(dir, folder)).length
      for (let i = 0; i < free; i += 1) put(dir, `${folder}/.${i}`, '')
      await check(dir)
      put(dir, `${folder}/.more`, '')
      const error = await expectRejection('MSP_INVALID_FOLDER', loadSigningIdentity(dir, mspId))
      expect(error.message).to.contain(join(dir, folder))
    })
  }

  /** Entries of no use, and what is said about them. */
  const useless: Record<string, [make: (file: string) => unknown, why: RegExp]> = {
    'a link to nothing': [(file) => symlinkSync('gone.pem', file), /is a link to nothing/],
    'a link to itself': [(file) => symlinkSync('00', file), /cannot be read \(ELOOP\)/],
    'a pipe': [(file) => execFileSync('mkfifo', [file]), /is not a regular file/],
    'a file without PEM': [(file) => put(dirname(file), '00', 'read me'), /holds no PEM block/],
    'a file that is too long': [
      (file) => truncateSync(put(dirname(file), '00', ''), maxFileBytes + 1),
      /is larger than 16777216 bytes/,
    ],
  }
  for (const [what, [make, why]] of Object.entries(useless)) {
    for (const folder of certificateFolders) {
      it(`that are ${what} are skipped with a word in ${folder}`, async () => {
        const dir = copy()
        make(join(dir, folder, '00'))
        const lines = await check(dir)
        if (folder === 'signcerts') return // read for the own identity only
        expect(lines.join()).to.match(why).and.to.contain(join(folder, '00'))
        expect(lines.length).to.equal(1)
        expect(lines[0]).to.match(/^warn a part of the MSP folder is not used \{/)
      })
    }

    it(`that are ${what} are no revocation lists to skip: who was revoked would be trusted`, async () => {
      const dir = copy()
      make(join(dir, 'crls', '00'))
      const error = await expectRejection('MSP_INVALID_FOLDER', loadMsp(dir, mspId))
      expect(error.message).to.match(why).and.to.contain(join('crls', '00'))
    })

    it(`that are ${what} are told when nothing else is there`, async () => {
      const dir = copy()
      rmSync(join(dir, 'cacerts', 'root.pem'))
      make(join(dir, 'cacerts', '00'))
      const error = await expectRejection('MSP_INVALID_FOLDER', loadMsp(dir, mspId))
      expect(error.message)
        .to.match(/holds no CA certificate/)
        .and.to.match(why)
    })
  }

  it('are told one by one when they were all there is', async () => {
    const dir = copy()
    rmSync(join(dir, 'cacerts', 'root.pem'))
    for (const name of ['a', 'b']) put(dir, `cacerts/${name}`, 'x')
    const error = await expectRejection('MSP_INVALID_FOLDER', loadMsp(dir, mspId))
    const [a, b] = ['a', 'b'].map((name) => `${join(dir, 'cacerts', name)} holds no PEM block`)
    expect(error.message).to.equal(
      `${join(dir, 'cacerts')} holds no CA certificate; not used: ${a}; ${b}`,
    )
  })

  it('are read up to maxFileBytes, and no longer ones', async () => {
    const dir = copy()
    truncateSync(put(dir, 'cacerts/00', ''), maxFileBytes)
    expect((await check(dir)).join()).to.contain('holds no PEM block')
  })

  // Whatever follows the certificate of an administrator refuses the folder.
  for (const folder of certificateFolders.filter((one) => one !== 'admincerts')) {
    it(`with several PEM blocks count once, and that is said: ${folder}`, async () => {
      const dir = copy()
      const [name = ''] = readdirSync(join(dir, folder))
      const more = await certify({ subject: 'CN=more', ca: true })
      put(dir, `${folder}/${name}`, readFileSync(join(dir, folder, name), 'latin1') + more.pem)
      const lines = await check(dir)
      if (folder === 'signcerts') return // read for the own identity only
      expect(lines).to.have.length(1)
      expect(lines.join()).to.contain(join(folder, name)).and.to.contain('holds 2 PEM blocks')
    })
  }

  it('must be one revocation list each: the second in a file would be lost', async () => {
    const root = await certify({ subject: 'CN=other', ca: true })
    const list = await revoke(root, ['0f'])
    for (const other of [list, list.replace('MI', '%%')]) {
      const dir = copy()
      const file = join(dir, 'crls', 'middle.crl')
      put(dir, 'crls/middle.crl', other + readFileSync(file, 'latin1'))
      const error = await expectRejection('MSP_INVALID_FOLDER', loadMsp(dir, mspId))
      expect(error.message).to.contain(`${file} holds 2 PEM blocks`)
      expect(error.message).to.contain('into a readable file of its own')
    }
  })

  it('that are revocation lists of no CA of the MSP are told: they revoke nothing', async () => {
    const dir = copy()
    const namesake = await certify({ subject: 'CN=middle', ca: true })
    put(dir, 'crls/namesake.crl', await revoke(namesake, [revoked.certificate.serialNumber]))
    const lines = await check(dir)
    expect(lines).to.have.length(1)
    expect(lines.join())
      .to.contain(join('crls', 'namesake.crl'))
      .and.to.contain('is not signed by a CA of this MSP: it revokes nothing')
  })

  it('that may not be read are skipped with a word', async () => {
    const dir = copy()
    put(dir, 'cacerts/00', 'x')
    chmodSync(join(dir, 'cacerts', '00'), 0o000)
    const lines = await asOwnerOf(dir, () => check(dir))
    expect(lines).to.have.length(1)
    expect(lines.join())
      .to.contain(join(dir, 'cacerts', '00'))
      .and.to.contain('(EACCES)')
  })

  it('that are the same certificate under two names are one', async () => {
    const dir = copy()
    for (const folder of ['cacerts', 'intermediatecerts', 'tlscacerts', 'tlsintermediatecerts']) {
      for (const file of readdirSync(join(dir, folder))) {
        cpSync(join(dir, folder, file), join(dir, folder, `localhost-7054-${file}`))
      }
    }
    const own = await loadMsp(dir, mspId)
    const signer = await loadSigningIdentity(dir, mspId)
    own.validate(signer)
  })

  it('below tlsintermediatecerts are not looked at without TLS roots, and that is said', async () => {
    const dir = copy()
    rmSync(join(dir, 'tlscacerts'), { recursive: true })
    const { logger, lines } = recorder()
    expect((await loadMsp(dir, mspId, { logger })).tlsIntermediates).to.deep.equal([])
    expect(lines.join())
      .to.contain(join('tlsintermediatecerts', 'middle.pem'))
      .and.to.contain('does not chain to a TLS root: tlscacerts is empty')
  })

  it('must be in folders: what is a file or a broken link instead is refused', async () => {
    for (const folder of allFolders) {
      const dir = copy()
      rmSync(join(dir, folder), { recursive: true })
      const refusedAs = async (code: string): Promise<void> => {
        const loading = loadSigningIdentity(dir, mspId)
        const error = await expectRejection('MSP_INVALID_FOLDER', loading, folder)
        expect(error.message).to.contain(`${join(dir, folder)} cannot be listed (${code})`)
        expect(error.cause).to.have.property('code', code)
      }
      put(dir, folder, '')
      await refusedAs('ENOTDIR')
      rmSync(join(dir, folder))
      symlinkSync('nowhere', join(dir, folder))
      await refusedAs('ENOENT')
    }
  })

  it('may lie below a hidden folder', async () => {
    const dir = join(temporaryDir(), '.heddle')
    mkdirSync(dir)
    cpSync(pristine, dir, { recursive: true })
    await check(dir)
  })
})

describe('loadSigningIdentity', () => {
  it('refuses the own certificate when it has expired, by name and file', async () => {
    const dir = await peerFolder()
    const { expiresAt } = await loadSigningIdentity(dir, mspId)
    await loadSigningIdentity(dir, mspId, { at: expiresAt })
    const at = new Date(expiresAt.getTime() + 1)
    const error = await expectRejection('MSP_EXPIRED', loadSigningIdentity(dir, mspId, { at }))
    expect(error.message).to.contain(join(dir, 'signcerts'))
    expect(error.message).to.contain('"CN=peer0.org1.example.com,OU=peer')
  })

  it('says that the own certificate is not valid yet, and takes it, as Fabric does', async () => {
    const dir = await peerFolder()
    const { logger, lines } = recorder()
    const { notBefore } = await loadSigningIdentity(dir, mspId)
    await loadSigningIdentity(dir, mspId, { at: notBefore, logger })
    expect(lines).to.deep.equal([])
    const at = new Date(notBefore.getTime() - 1)
    await loadSigningIdentity(dir, mspId, { at, logger })
    await loadSigningIdentity(dir, mspId, { at })
    expect(lines).to.have.length(1)
    for (const text of ['not valid yet', 'CN=peer0', notBefore.toISOString(), at.toISOString()]) {
      expect(lines[0]).to.contain(text)
    }
  })

  it('judges by now unless told otherwise', async () => {
    const dir = temporaryDir()
    const root = await certify({ subject: 'CN=root', ca: true, notBefore: new Date('2020-01-01') })
    const own = await certify({
      subject: 'CN=own',
      issuer: root,
      notBefore: new Date('2020-01-02'),
      notAfter: new Date('2020-01-03'),
    })
    put(dir, 'cacerts/root.pem', root.pem)
    put(dir, 'admincerts/own.pem', own.pem)
    put(dir, 'signcerts/own.pem', own.pem)
    put(dir, 'keystore/own_sk', own.keyPem)
    await expectRejection('MSP_EXPIRED', loadSigningIdentity(dir, mspId))
  })
})
