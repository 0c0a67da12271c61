import { createPrivateKey, createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import tls, { connect, createServer } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { MspError, readTls } from '../../src/index.ts'
import type { TlsSource } from '../../src/index.ts'
import { certificateDer, encodePem } from '../../src/pem.ts'
import { createTestOrganization } from '../../src/testing.ts'
import type { TestOrganization, TlsMaterial } from '../../src/testing.ts'
import { algorithms, certify, newKeys } from '../support/ca.ts'
import { withKey } from '../support/der.ts'

function refusal(source: Partial<TlsSource>): string {
  try {
    readTls({ roots: [], ...source })
  } catch (error) {
    expect(error).to.be.instanceOf(MspError).with.property('code', 'MSP_INVALID_TLS')
    expect((error as Error).cause, 'nothing of OpenSSL').to.equal(undefined)
    return (error as Error).message
  }
  return 'taken'
}

describe('readTls', () => {
  let org: TestOrganization
  let other: TestOrganization
  let own: TlsMaterial
  let root: string
  let foreign: string
  before(async () => {
    ;[org, other] = await Promise.all([
      createTestOrganization({ mspId: 'Org1MSP' }),
      createTestOrganization({ mspId: 'Org2MSP' }),
    ])
    own = await org.tls('peer0')
    root = org.tlsCa.certificate
    foreign = other.tlsCa.certificate
  })

  const spellings: [string, (pem: string) => string | Buffer][] = [
    ['as it is written', (pem) => pem],
    ['in a buffer', (pem) => Buffer.from(pem)],
    ['without a newline at the end', (pem) => pem.trimEnd()],
    ['with CRLF', (pem) => pem.replaceAll('\n', '\r\n')],
    ['behind a byte order mark', (pem) => `\ufeff${pem}`],
    ['with text around it', (pem) => `subject=CN = x\n${pem}\nbye`],
    ['indented, as in YAML', (pem) => pem.replaceAll(/^/gm, '    ')],
  ]
  for (const [how, spell] of spellings) {
    it(`reads a root, a certificate and a key ${how}`, () => {
      const read = readTls({
        roots: [spell(root), spell(foreign)],
        certificate: spell(own.certificate),
        key: spell(own.key),
      })
      const raws = read.roots.map((pem) => new X509Certificate(pem).raw)
      expect(raws).to.deep.equal([root, foreign].map((pem) => new X509Certificate(pem).raw))
      const { raw } = new X509Certificate(own.certificate)
      expect(read.certificateHash).to.deep.equal(createHash('sha256').update(raw).digest())
      expect(new X509Certificate(read.certificate).raw).to.deep.equal(raw)
      expect(createPrivateKey(read.key).equals(createPrivateKey(own.key))).to.equal(true)
    })
  }

  it('finds every certificate in a text, joined without a newline as well', () => {
    const joined = `${root.trimEnd()}${foreign.trimEnd()}`
    expect(readTls({ roots: [joined] }).roots).to.have.length(2)
    const chain = `${own.certificate.trimEnd()}${root}`
    const { certificate } = readTls({ roots: [], certificate: chain, key: own.key })
    const [leaf, above] = [own.certificate, root].map((pem) => new X509Certificate(pem).toString())
    expect(certificate).to.equal(`${leaf}${above}`)
  })

  it('takes a certificate under its older name, too', () => {
    const older = root.replaceAll('CERTIFICATE', 'X509 CERTIFICATE')
    expect(readTls({ roots: [older] }).roots).to.deep.equal(readTls({ roots: [root] }).roots)
  })

  it('leaves it to Node whom to trust where no roots are given', () => {
    const asked: tls.SecureContextOptions[] = []
    const { createSecureContext } = tls
    tls.createSecureContext = (options = {}) => {
      asked.push(options)
      return createSecureContext(options)
    }
    syncBuiltinESMExports()
    try {
      readTls({ roots: [] })
      readTls({ roots: [root] })
    } finally {
      tls.createSecureContext = createSecureContext
      syncBuiltinESMExports()
    }
    const [without, given] = asked
    expect(without).to.not.have.any.keys('ca', 'allowPartialTrustChain')
    expect(given).to.have.property('ca').with.length(1)
  })

  it('hashes the certificate that the key belongs to, not one of the chain behind it', () => {
    const certificate = own.certificate + root
    const { certificateHash } = readTls({ roots: [], certificate, key: own.key })
    const { raw } = new X509Certificate(own.certificate)
    expect(certificateHash).to.deep.equal(createHash('sha256').update(raw).digest())
  })

  it('takes the key of EC PARAMETERS, of SEC 1, and of a file with the certificate', () => {
    const key = createPrivateKey(own.key)
    const sec1 = key.export({ type: 'sec1', format: 'pem' }).toString()
    const parameters =
      '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'
    for (const text of [sec1, parameters + sec1, own.certificate + sec1]) {
      expect(refusal({ certificate: own.certificate, key: text })).to.equal('taken')
    }
    expect(refusal({ certificate: own.key + own.certificate, key: own.key })).to.equal('taken')
  })

  it('needs no roots and no certificate', () => {
    expect(readTls({ roots: [] })).to.deep.include({ roots: [], certificate: undefined })
  })

  it('says what to give instead, and whose key is missing', async () => {
    expect(refusal({ roots: [''] })).to.equal(
      'tls.roots[0] is empty: give the PEM text of a certificate',
    )
    expect(refusal({ certificate: own.certificate, key: '' })).to.equal(
      'tls.key is empty: give the PEM text of the private key',
    )
    const two = await certify({ subject: 'CN=p, O=org' })
    expect(refusal({ certificate: two.pem, key: own.key })).to.equal(
      'tls.key is not the key of tls.certificate ("CN=p, O=org"): give the key that the certificate was issued for',
    )
  })

  it('refuses a key that is too short for TLS', async () => {
    const short = await newKeys({ ...algorithms.RSA, modulusLength: 512 })
    const weak = await certify({ subject: 'CN=p', keys: short })
    expect(refusal({ certificate: weak.pem, key: weak.keyPem })).to.equal(
      'tls.certificate or tls.roots have a key that is too short, or a digest that is too weak, for TLS on this Node: issue new ones, with P-256 and SHA-256',
    )
  })

  it('refuses a certificate whose key cannot sign, with the code of OpenSSL', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('x25519')
    const der = certificateDer((await certify({ subject: 'CN=p' })).pem)
    const odd = withKey(der, publicKey.export({ type: 'spki', format: 'der' }))
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    expect(refusal({ certificate: encodePem('CERTIFICATE', odd), key })).to.equal(
      'tls.certificate or tls.roots cannot be used for TLS on this Node (ERR_SSL_UNKNOWN_CERTIFICATE_TYPE): issue new ones, with P-256 and SHA-256',
    )
  })

  const encrypted = { cipher: 'aes-256-cbc', passphrase: 'secret', format: 'pem' } as const
  const refusals: [string, () => Partial<TlsSource>, RegExp][] = [
    ['an empty root', () => ({ roots: [root, ''] }), /^tls\.roots\[1\] is empty: give/],
    ['white space as root', () => ({ roots: [' \n'] }), /^tls\.roots\[0\] is empty/],
    ['garbage as root', () => ({ roots: ['not pem'] }), /^tls\.roots\[0\] holds no PEM: give/],
    [
      'DER as root',
      () => ({ roots: [new X509Certificate(root).raw] }),
      /^tls\.roots\[0\] holds no PEM/,
    ],
    [
      'a key as root',
      () => ({ roots: [own.key] }),
      /^tls\.roots\[0\] holds "PRIVATE KEY", not a certificate: give/,
    ],
    [
      'a damaged root',
      () => ({ roots: [root.replace(/.{8}\n-----END/, '\n-----END')] }),
      /^the certificate in tls\.roots\[0\] is damaged: copy/,
    ],
    [
      'a root with a character that is none of base64',
      () => ({ roots: [root.replace('MII', 'M!II')] }),
      /^the certificate in tls\.roots\[0\] is damaged: copy/,
    ],
    [
      'a damaged root behind another',
      () => ({ roots: [foreign + root.replace('MII', '!II')] }),
      /^certificate 2 in tls\.roots\[0\] is damaged/,
    ],
    [
      'a certificate without a key',
      () => ({ certificate: own.certificate }),
      /^tls\.certificate is given without tls\.key: give both/,
    ],
    ['a key without a certificate', () => ({ key: own.key }), /^tls\.key is given without/],
    [
      'no PEM as certificate',
      () => ({ certificate: 'hello', key: own.key }),
      /^tls\.certificate holds no PEM/,
    ],
    ['no PEM as key', () => ({ ...own, key: 'hello' }), /^tls\.key holds no PEM/],
    ['an empty key', () => ({ ...own, key: '' }), /^tls\.key is empty/],
    [
      'a certificate as key',
      () => ({ ...own, key: own.certificate }),
      /^tls\.key holds "CERTIFICATE", not a private key/,
    ],
    [
      'an encrypted key (PKCS#8)',
      () => ({
        ...own,
        key: createPrivateKey(own.key)
          .export({ type: 'pkcs8', ...encrypted })
          .toString(),
      }),
      /^tls\.key is encrypted: decrypt it/,
    ],
    [
      'an encrypted key (SEC 1)',
      () => ({
        ...own,
        key: createPrivateKey(own.key)
          .export({ type: 'sec1', ...encrypted })
          .toString(),
      }),
      /^tls\.key is encrypted: decrypt it/,
    ],
    [
      'a cut key',
      () => ({ ...own, key: own.key.replace(/.{40}\n-----END/, '\n-----END') }),
      /^tls\.key is damaged/,
    ],
    [
      'the key of another certificate',
      () => ({
        ...own,
        key: generateKeyPairSync('ec', { namedCurve: 'P-256' })
          .privateKey.export({ type: 'pkcs8', format: 'pem' })
          .toString(),
      }),
      /^tls\.key is not the key of tls\.certificate \("CN=peer0"\): give the key/,
    ],
    [
      'the chain before the certificate',
      () => ({ ...own, certificate: root + own.certificate }),
      /^tls\.key belongs to certificate 2 in tls\.certificate: put that one first/,
    ],
  ]
  for (const [what, source, message] of refusals) {
    it(`refuses ${what}: which part, what is wrong, what to do`, () => {
      expect(refusal(source())).to.match(message)
    })
  }

  it('never repeats what a key holds', () => {
    expect(refusal({ ...own, key: `secret ${own.key.slice(30)}` })).not.to.match(/secret/)
  })

  it('calls the parts what the caller calls them', () => {
    const names = { certificate: 'a.pem', key: 'a.key', roots: 'roots of host:1' }
    const read = (source: TlsSource) => () => readTls(source, names)
    expect(read({ roots: ['x'] })).to.throw('roots of host:1[0] holds no PEM')
    expect(read({ roots: [], certificate: 'x', key: 'y' })).to.throw('a.pem holds no PEM')
  })

  it('trusts an intermediate authority without the one that issued it', async () => {
    const ica = await org.tlsIntermediate()
    const { certificate: cert, key } = await ica.tls('server')
    const server = createServer({ cert, key })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    try {
      const dial = (roots: readonly string[]): Promise<string> =>
        new Promise((resolve) => {
          const { context: secureContext } = readTls({ roots })
          const socket = connect({ port, host: '127.0.0.1', secureContext }, () => {
            resolve('connected')
            socket.destroy()
          })
          socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
        })
      expect(await dial([ica.certificate])).to.equal('connected')
      expect(await dial([foreign])).to.match(/^UNABLE_TO_/)
    } finally {
      server.close()
    }
  })
})
