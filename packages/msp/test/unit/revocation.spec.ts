import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { DerReader, TAG, derEncode, wholeBitString } from '../../src/der.ts'
import { loadMsp } from '../../src/index.ts'
import { decodePem, encodePem } from '../../src/pem.ts'
import { certify, identityOf, mspOf, revoke, usualOus } from '../support/ca.ts'
import type { MspSpec, Pair } from '../support/ca.ts'
import { expectCode, expectRejection } from '../support/expect-code.ts'
import { temporaryDir } from '../support/temporary.ts'

// Kind: revocation is judged for leaves only. Fabric asks it of every CA below a root, for TLS too
// (fabric v3.1.5 msp/mspimplsetup.go, finalizeSetupCAs and setupTLSCAs).

describe('a revoked CA', () => {
  let root: Pair
  let middle: Pair
  let edge: Pair
  const serial = ({ certificate }: Pair): string => certificate.serialNumber

  before(async () => {
    root = await certify({ subject: 'CN=root', ca: true })
    middle = await certify({ subject: 'CN=middle', ca: true, issuer: root })
    edge = await certify({ subject: 'CN=edge', ca: true, issuer: middle })
  })

  const spec = (more: Partial<MspSpec>): MspSpec => ({
    roots: [root],
    intermediates: [middle, edge],
    nodeOus: usualOus,
    ...more,
  })

  it('makes the MSP invalid wherever it stands below a root, and is named with its issuer', async () => {
    for (const [ca, issuer] of [
      [middle, root],
      [edge, middle],
    ] as const) {
      const crls = [await revoke(issuer, [serial(ca)])]
      expectCode('MSP_INVALID_CONFIG', () => mspOf(spec({ crls })))
      const named = `"${ca.certificate.subject}" has been revoked by its CA "${issuer.certificate.subject}"`
      expect(() => mspOf(spec({ crls }))).to.throw(named)
    }
  })

  it('makes it invalid as a CA for TLS too', async () => {
    const tls = { intermediates: [], tlsRoots: [root], tlsIntermediates: [middle, edge] }
    mspOf(spec(tls))
    for (const [ca, issuer] of [
      [middle, root],
      [edge, middle],
    ] as const) {
      const crls = [await revoke(issuer, [serial(ca)])]
      expect(() => mspOf(spec({ ...tls, crls }))).to.throw(/TLS intermediate CA/)
    }
  })

  it('is not revoked by another CA, nor a root by itself', async () => {
    const crls = [
      await revoke(edge, [serial(middle)]),
      await revoke(root, [serial(edge)]),
      await revoke(root, [serial(root)]),
    ]
    mspOf(spec({ crls, tlsRoots: [root], tlsIntermediates: [middle] }))
  })

  it('refuses a folder, which names the file', async () => {
    const dir = temporaryDir()
    const put = (folder: string, name: string, text: string): void => {
      mkdirSync(join(dir, folder), { recursive: true })
      writeFileSync(join(dir, folder, name), text)
    }
    put('cacerts', 'root.pem', root.pem)
    put('intermediatecerts', 'middle.pem', middle.pem)
    put('admincerts', 'admin.pem', (await certify({ subject: 'CN=a', issuer: middle })).pem)
    await loadMsp(dir, 'Org1MSP')
    put('crls', 'root.crl', await revoke(root, [serial(middle)]))
    const error = await expectRejection('MSP_INVALID_CONFIG', loadMsp(dir, 'Org1MSP'))
    expect(error.message).to.contain(join('intermediatecerts', 'middle.pem'))
    expect(error.message).to.contain('MSP "Org1MSP"')
  })
})

describe('a revocation list with a signature that is not canonical', () => {
  it('is refused: Fabric would count it, OpenSSL would not', async () => {
    const root = await certify({ subject: 'CN=root', ca: true })
    const fields = new DerReader(decodePem(await revoke(root, []))!.der).sequence()
    const [list, algorithm] = [fields.next(), fields.next()]
    const scalars = new DerReader(wholeBitString(fields.next())).sequence()
    const padded = derEncode(TAG.integer, Buffer.of(0, 0), scalars.next().content)
    const signature = derEncode(TAG.sequence, padded, scalars.next().bytes)
    const bits = derEncode(TAG.bitString, Buffer.of(0), signature)
    const der = derEncode(TAG.sequence, list.bytes, algorithm.bytes, bits)
    const crls = [encodePem('X509 CRL', der)]
    expectCode('MSP_INVALID_CONFIG', () => mspOf({ roots: [root], crls, nodeOus: usualOus }))
  })
})

describe('a revocation list that does not say whose it is', () => {
  it('leaves nobody valid below a root, since nobody knows whom it revokes, as in Fabric', async () => {
    const root = await certify({ subject: 'CN=root', ca: true })
    const middle = await certify({ subject: 'CN=middle', ca: true, issuer: root })
    const member = await certify({ subject: 'OU=peer, CN=p', issuer: root })
    const crls = [await revoke(root, [], null)]
    const own = mspOf({ roots: [root], crls, nodeOus: usualOus })
    const identity = own.deserialize(identityOf(member))
    expectCode('MSP_INVALID_CONFIG', () => own.validate(identity))
    expectCode('MSP_INVALID_CONFIG', () =>
      mspOf({ roots: [root], intermediates: [middle], crls, nodeOus: usualOus }),
    )
  })
})
