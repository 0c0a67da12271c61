import { chmodSync, cpSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { expect } from 'chai'
import { loadSigningIdentity } from '../../src/index.ts'
import { maxKeyFileBytes } from '../../src/keystore.ts'
import { certify } from '../support/ca.ts'
import { expectRejection } from '../support/expect-code.ts'
import { peerFolder, put } from '../support/folder.ts'
import { asOwnerOf } from '../support/rights.ts'
import { temporaryDir } from '../support/temporary.ts'

// Kind: one odd entry ends the loading of a folder. In keystore a file that cannot be used is one to
// pass over; when none is left, each is named with the reason.

const mspId = 'Org1MSP'
const pem = (type: string, options: object = {}, encoding: object = {}): string => {
  const { privateKey } = generateKeyPairSync(type as never, options as never) as never as {
    privateKey: ReturnType<typeof createPrivateKey>
  }
  return privateKey.export({ type: 'pkcs8', format: 'pem', ...encoding } as never).toString()
}
const password = { cipher: 'aes-256-cbc', passphrase: 'secret' }
const cut = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----\n'
const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'

/** Files that do not help, and what is said about them. */
const useless: Record<string, [text: string | Buffer, why: RegExp]> = {
  'another EC key': [pem('ec', { namedCurve: 'P-256' }), /key \(ECDSA P-256\) of another/],
  'a key on another curve': [pem('ec', { namedCurve: 'P-384' }), /key \(ECDSA P-384\) of another/],
  'an RSA key': [pem('rsa', { modulusLength: 1024 }), /key \(RSA 1024 bits\) of another/],
  'an RSA key in PKCS#1': [
    pem('rsa', { modulusLength: 1024 }, { type: 'pkcs1' }),
    /key \(RSA 1024 bits\) of another/,
  ],
  'an Ed25519 key': [pem('ed25519'), /key \(Ed25519\) of another/],
  'an encrypted key': [pem('ec', { namedCurve: 'P-256' }, password), /is encrypted/],
  'an encrypted key in SEC 1': [
    pem('ec', { namedCurve: 'P-256' }, { ...password, type: 'sec1' }),
    /is encrypted/,
  ],
  'a cut key': [cut, /is damaged/],
  'no key': ['keys of peer0\n', /holds no private key/],
  'parameters alone': [parameters, /holds no private key/],
  'a long file': [Buffer.alloc(maxKeyFileBytes + 1, 10), /is larger than 65536 bytes/],
}

describe('the key of a signing identity', () => {
  async function signs(dir: string): Promise<void> {
    const signer = await loadSigningIdentity(dir, mspId)
    const message = Buffer.from('message')
    signer.checkSignature(message, signer.sign(message))
  }

  for (const [what, [text, why]] of Object.entries(useless)) {
    it(`is found behind ${what}; alone that is refused, with the reason`, async () => {
      const dir = await peerFolder()
      put(dir, 'keystore/00_odd', text)
      await signs(dir)
      rmSync(join(dir, 'keystore', 'priv_sk'))
      const error = await expectRejection('MSP_KEY_NOT_FOUND', loadSigningIdentity(dir, mspId))
      expect(error.message).to.match(why).and.to.contain('00_odd')
      expect(error.message).to.contain('"CN=peer0.org1.example.com')
    })
  }

  it('is found behind all of them, whatever its file is called', async () => {
    const dir = await peerFolder()
    Object.values(useless).forEach(([text], at) => put(dir, `keystore/${at}`, text))
    renameSync(join(dir, 'keystore', 'priv_sk'), join(dir, 'keystore', 'z'))
    await signs(dir)
  })

  it('may be PKCS#8 or SEC 1, with CRLF, behind parameters, or behind a certificate', async () => {
    const dir = await peerFolder()
    const pkcs8 = readFileSync(join(dir, 'keystore', 'priv_sk'), 'utf8')
    const sec1 = createPrivateKey(pkcs8).export({ type: 'sec1', format: 'pem' }).toString()
    const certificate = (await certify({ subject: 'CN=x' })).pem
    for (const text of [
      sec1,
      sec1.replaceAll('\n', '\r\n'),
      pkcs8.replaceAll('\n', '\r\n'),
      parameters + sec1,
      certificate + pkcs8,
      certificate + parameters + sec1,
      pkcs8.trimEnd(),
    ]) {
      put(dir, 'keystore/priv_sk', text)
      await signs(dir)
    }
  })

  it('is looked for in files of maxKeyFileBytes', async () => {
    const dir = await peerFolder()
    const key = readFileSync(join(dir, 'keystore', 'priv_sk'), 'utf8')
    put(dir, 'keystore/priv_sk', key.padEnd(maxKeyFileBytes))
    await signs(dir)
    put(dir, 'keystore/priv_sk', key.padEnd(maxKeyFileBytes + 1))
    await expectRejection('MSP_KEY_NOT_FOUND', loadSigningIdentity(dir, mspId))
  })

  it('is missing when the folder is, or is empty', async () => {
    const dir = await peerFolder()
    for (const file of readdirSync(join(dir, 'keystore'))) rmSync(join(dir, 'keystore', file))
    const empty = await expectRejection('MSP_KEY_NOT_FOUND', loadSigningIdentity(dir, mspId))
    expect(empty.message).to.contain('empty or missing')
    rmSync(join(dir, 'keystore'), { recursive: true })
    await expectRejection('MSP_KEY_NOT_FOUND', loadSigningIdentity(dir, mspId))
  })

  it('is not found in several files, each of which is named', async () => {
    const dir = await peerFolder()
    rmSync(join(dir, 'keystore', 'priv_sk'))
    for (const name of ['a', 'b']) put(dir, `keystore/${name}`, 'no key')
    const error = await expectRejection('MSP_KEY_NOT_FOUND', loadSigningIdentity(dir, mspId))
    const why = 'holds no private key in PEM'
    expect(error.message).to.match(new RegExp(`: a ${why}; b ${why}$`))
  })

  it('names a file that it may not read', async () => {
    const dir = temporaryDir()
    cpSync(await peerFolder(), dir, { recursive: true })
    chmodSync(join(dir, 'keystore', 'priv_sk'), 0o000)
    const error = await asOwnerOf(dir, () =>
      expectRejection('MSP_KEY_NOT_FOUND', loadSigningIdentity(dir, mspId)),
    )
    expect(error.message).to.contain('priv_sk cannot be read (EACCES)')
  })
})
