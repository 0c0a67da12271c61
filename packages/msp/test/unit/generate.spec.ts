import { X509Certificate } from 'node:crypto'
import {
  cpSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { generateOrganization, loadMsp, loadSigningIdentity } from '../../src/index.ts'
import type { GeneratedOrganization, NodeSpec, OrganizationSpec, Role } from '../../src/index.ts'
import { parseCertificate } from '../../src/certificate.ts'
import { certificateDer } from '../../src/pem.ts'
import { isLowS } from '../../src/signature.ts'
import { expectRejection } from '../support/expect-code.ts'
import { temporaryDir } from '../support/temporary.ts'

const domain = 'org1.example.com'
const dayMs = 24 * 60 * 60 * 1000
const nodes: readonly NodeSpec[] = [
  { name: 'peer0', role: 'peer', sans: ['db.internal', '10.0.0.7', 'localhost'] },
  { name: 'orderer0', role: 'orderer' },
  { name: 'Admin', role: 'admin' },
  { name: 'User1', role: 'client' },
]

function specOf(dir: string, change: Partial<OrganizationSpec> = {}): OrganizationSpec {
  return { mspId: 'Org1MSP', domain, nodes, dir, ...change }
}

function filesOf(dir: string): Map<string, { text: string; mode: number; ino: number }> {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true })
  return new Map(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name)
        const { mode, ino } = statSync(path)
        return [relative(dir, path), { text: readFileSync(path, 'utf8'), mode: mode & 0o777, ino }]
      }),
  )
}

describe('generateOrganization', () => {
  const templates: Record<'mine' | 'other', string> = { mine: '', other: '' }
  let dir: string
  let made: GeneratedOrganization

  // Generated once: most tests need only a copy to look at or to spoil.
  before(async () => {
    for (const name of ['mine', 'other'] as const) {
      templates[name] = mkdtempSync(join(tmpdir(), 'heddle-msp-'))
      await generateOrganization(specOf(templates[name]))
    }
  })
  after(() => {
    for (const template of Object.values(templates)) rmSync(template, { recursive: true })
  })
  beforeEach(async () => {
    dir = join(temporaryDir(), 'org1')
    cpSync(templates.mine, dir, { recursive: true })
    made = await generateOrganization(specOf(dir))
  })

  it('makes members that load, sign and are valid in their roles', async () => {
    const own = await loadMsp(made.mspDir, 'Org1MSP')
    for (const { mspDir, role, name } of made.nodes) {
      const signer = await loadSigningIdentity(mspDir, 'Org1MSP')
      const identity = own.deserialize(signer.serialized)
      own.validate(identity, { at: new Date() })
      expect(identity.roles, name).to.deep.equal([role])
      identity.checkSignature(Buffer.from(name), signer.sign(Buffer.from(name)))
    }
  })

  it('lays the folders out as cryptogen does', () => {
    const files = [...filesOf(dir).keys()]
    expect(files).to.include.members([
      `ca/ca.${domain}-cert.pem`,
      'ca/priv_sk',
      `tlsca/tlsca.${domain}-cert.pem`,
      'msp/config.yaml',
      `msp/cacerts/ca.${domain}-cert.pem`,
      `msp/tlscacerts/tlsca.${domain}-cert.pem`,
      `peers/peer0.${domain}/msp/signcerts/peer0.${domain}-cert.pem`,
      `peers/peer0.${domain}/msp/keystore/priv_sk`,
      `peers/peer0.${domain}/tls/server.crt`,
      `orderers/orderer0.${domain}/tls/ca.crt`,
      `users/Admin@${domain}/msp/config.yaml`,
      `users/User1@${domain}/tls/client.key`,
    ])
    expect(files.filter((file) => file.startsWith('msp/keystore'))).to.deep.equal([])
    expect(files.filter((file) => file.endsWith('.tmp'))).to.deep.equal([])
  })

  it('lets only the owner read keys', () => {
    for (const [file, { text, mode }] of filesOf(dir)) {
      expect(mode, file).to.equal(text.includes('PRIVATE KEY') ? 0o600 : 0o644)
    }
    // Of the original: cpSync does not keep the modes of folders on every Node version.
    const keystore = join(templates.mine, relative(dir, made.nodes[0]!.mspDir), 'keystore')
    expect(statSync(keystore).mode & 0o777).to.equal(0o700)
  })

  it('signs every certificate with a low S, on P-256, with key identifiers', () => {
    for (const [file, { text }] of filesOf(dir)) {
      if (!text.includes('BEGIN CERTIFICATE')) continue
      const certificate = parseCertificate(certificateDer(text))
      expect(isLowS(certificate.signature), file).to.equal(true)
      expect(certificate.curve, file).to.equal('P-256')
      expect(certificate.subjectKeyId, file).to.match(/^[0-9a-f]{40}$/)
      if (!certificate.isCa) expect(certificate.authorityKeyId, file).to.match(/^[0-9a-f]{40}$/)
    }
  })

  it('is valid from a little ago for ten years, or as long as asked', async () => {
    const wallTime = (): number => Date.UTC(2030, 0, 1)
    const other = join(temporaryDir(), 'org')
    await generateOrganization(specOf(other, { validityDays: 30, clock: { wallTime } }))
    const ends = [...filesOf(other).values()]
      .filter(({ text }) => text.includes('BEGIN CERTIFICATE'))
      .map(({ text }) => parseCertificate(certificateDer(text)))
    for (const { notBefore, notAfter } of ends) {
      expect(notBefore.getTime()).to.equal(wallTime() - 5 * 60_000)
      expect(notAfter.getTime() - notBefore.getTime()).to.equal(30 * dayMs)
    }
    const { notAfter } = parseCertificate(
      certificateDer(readFileSync(made.nodes[0]!.tls.certificate)),
    )
    expect((notAfter.getTime() - Date.now()) / dayMs).to.be.within(3649, 3650)
  })

  it('names hosts in the TLS certificates of nodes', () => {
    const certificate = new X509Certificate(readFileSync(made.nodes[0]!.tls.certificate))
    for (const host of [`peer0.${domain}`, 'peer0', 'localhost', 'db.internal']) {
      expect(certificate.checkHost(host), host).to.not.equal(undefined)
    }
    for (const ip of ['127.0.0.1', '10.0.0.7']) expect(certificate.checkIP(ip), ip).to.equal(ip)
    expect(certificate.subjectAltName!.match(/localhost/g)).to.have.length(1)
  })

  it('makes both ends of a mutual TLS connection', async () => {
    const read = (path: string): Buffer => readFileSync(path)
    const [server, , , client] = made.nodes
    const listener = createServer({
      cert: read(server!.tls.certificate),
      key: read(server!.tls.key),
      ca: read(server!.tls.roots),
      requestCert: true,
      rejectUnauthorized: true,
    })
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const accepted = once(listener, 'secureConnection')
    const socket = connect({
      port: (listener.address() as AddressInfo).port,
      host: '127.0.0.1',
      servername: 'localhost',
      cert: read(client!.tls.certificate),
      key: read(client!.tls.key),
      ca: read(client!.tls.roots),
    })
    await once(socket, 'secureConnect')
    const [incoming] = (await accepted) as [TLSSocket]
    expect([socket.authorized, incoming.authorized]).to.deep.equal([true, true])
    expect(incoming.getPeerX509Certificate()!.subject).to.equal(`CN=User1@${domain}`)
    socket.destroy()
    incoming.destroy()
    listener.close()
    await once(listener, 'close')
  })

  it('changes nothing when it runs again', async () => {
    const before = filesOf(dir)
    expect(await generateOrganization(specOf(dir))).to.deep.equal(made)
    expect(filesOf(dir)).to.deep.equal(before)
  })

  it('completes what is missing and keeps the rest', async () => {
    const before = filesOf(dir)
    const [peer] = made.nodes
    for (const path of ['msp/config.yaml', 'msp/cacerts', `peers/peer0.${domain}/tls`]) {
      rmSync(join(dir, path), { recursive: true })
    }
    const certificate = join(peer!.mspDir, 'signcerts', `peer0.${domain}-cert.pem`)
    rmSync(certificate)
    const more = [...nodes, { name: 'peer1', role: 'peer' as const }]
    await generateOrganization(specOf(dir, { nodes: more }))
    const after = filesOf(dir)
    for (const [file, { text }] of before) {
      const renewed = file.includes('tls/server') || file === relative(dir, certificate)
      if (!renewed) expect(after.get(file)?.text, file).to.equal(text)
    }
    expect([...after.keys()]).to.include.members([
      ...before.keys(),
      `peers/peer1.${domain}/tls/server.crt`,
    ])
    // The key was there without its certificate: the new certificate is for that key.
    expect((await loadSigningIdentity(peer!.mspDir, 'Org1MSP')).roles).to.deep.equal(['peer'])
  })

  it('ends nothing after its CA, and begins nothing before it', async () => {
    const short = join(temporaryDir(), 'org')
    await generateOrganization(specOf(short, { validityDays: 10, nodes: [] }))
    const clock = { wallTime: (): number => Date.now() - dayMs }
    const {
      nodes: [node],
      mspDir,
    } = await generateOrganization(specOf(short, { clock }))
    const ca = parseCertificate(
      certificateDer(readFileSync(join(short, 'ca', `ca.${domain}-cert.pem`))),
    )
    const leaf = parseCertificate(
      certificateDer(readFileSync(join(node!.mspDir, 'signcerts', `peer0.${domain}-cert.pem`))),
    )
    expect(leaf.notBefore).to.deep.equal(ca.notBefore)
    expect(leaf.notAfter).to.deep.equal(ca.notAfter)
    expect((await loadMsp(mspDir, 'Org1MSP')).mspId).to.equal('Org1MSP')
  })

  it('needs no CA key when nothing is to be issued', async () => {
    rmSync(join(dir, 'ca', 'priv_sk'))
    rmSync(join(dir, 'tlsca', 'priv_sk'))
    await generateOrganization(specOf(dir))
    const more = [...nodes, { name: 'peer1', role: 'peer' as const }]
    await expectRejection(
      'MSP_FOREIGN_MATERIAL',
      generateOrganization(specOf(dir, { nodes: more })),
    )
  })

  it('keeps an operator’s config.yaml', async () => {
    const config = join(made.mspDir, 'config.yaml')
    writeFileSync(config, '# mine\n')
    await generateOrganization(specOf(dir))
    expect(readFileSync(config, 'utf8')).to.equal('# mine\n')
  })

  describe('refuses to mix, and overwrites nothing, when it finds', () => {
    const peerDir = join('peers', `peer0.${domain}`)
    const signcert = join(peerDir, 'msp', 'signcerts', `peer0.${domain}-cert.pem`)
    const ordererCert = join(
      'orderers',
      `orderer0.${domain}`,
      'msp/signcerts',
      `orderer0.${domain}-cert.pem`,
    )
    /** Puts a file of a template where it does not belong. */
    const put = (template: 'mine' | 'other', source: string, path = source): void => {
      writeFileSync(join(dir, path), readFileSync(join(templates[template], source)))
    }
    const inNode = (path: string): string => join(peerDir, path)
    const changes: [string, () => void][] = [
      ['another CA', () => put('other', join('ca', `ca.${domain}-cert.pem`))],
      ['another CA in a node', () => put('other', inNode(`msp/cacerts/ca.${domain}-cert.pem`))],
      ['a certificate of another CA', () => put('other', signcert)],
      ['another key', () => put('other', inNode('msp/keystore/priv_sk'))],
      ['a certificate without its key', () => rmSync(join(dir, inNode('tls/server.key')))],
      ['another role', () => put('mine', ordererCert, signcert)],
      ['no certificate', () => writeFileSync(join(dir, signcert), 'nonsense')],
    ]
    it('another domain', async () => {
      const spec = specOf(dir, { domain: 'org2.example.com' })
      const before = filesOf(dir)
      await expectRejection('MSP_FOREIGN_MATERIAL', generateOrganization(spec))
      expect(filesOf(dir)).to.deep.equal(before)
    })
    for (const [what, change] of changes) {
      it(what, async () => {
        change()
        const before = filesOf(dir)
        await expectRejection('MSP_FOREIGN_MATERIAL', generateOrganization(specOf(dir)))
        expect(filesOf(dir)).to.deep.equal(before)
      })
    }
  })

  it('refuses names that are no file names, twins, and a validity that is none', async () => {
    const bad: Partial<OrganizationSpec>[] = [
      { mspId: '' },
      { domain: '../x' },
      { domain: '' },
      { nodes: [{ name: 'a/b', role: 'peer' }] },
      { nodes: [{ name: '..', role: 'peer' }] },
      { nodes: [{ name: 'n'.repeat(64), role: 'peer' }] },
      {
        nodes: [
          { name: 'a', role: 'peer' },
          { name: 'a', role: 'peer' },
        ],
      },
      {
        nodes: [
          { name: 'a', role: 'admin' },
          { name: 'a', role: 'client' },
        ],
      },
      { nodes: [{ name: 'a', role: 'per' as Role }] },
      { validityDay: 1 } as Partial<OrganizationSpec>,
      { validityDays: 0 },
      { validityDays: Number.NaN },
      { validityDays: 1e9 },
    ]
    for (const change of bad) {
      const at = join(temporaryDir(), 'none')
      await expectRejection(
        'MSP_INVALID_OPTIONS',
        generateOrganization(specOf(at, change)),
        JSON.stringify(change),
      )
    }
  })
})
