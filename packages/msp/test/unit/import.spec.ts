import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { isCodedError } from '@heddle/interface'
import { MspError } from '../../src/index.ts'
import { createTestOrganization } from '../../src/testing.ts'
import { expectCode } from '../support/expect-code.ts'

describe('importing the package', () => {
  it('does not load what only generating needs', async () => {
    const entry = fileURLToPath(new URL('../../src/index.ts', import.meta.url))
    // @peculiar/x509 loads reflect-metadata, and that leaves a mark on Reflect.
    const script = `import(${JSON.stringify(entry)}).then(() => console.log(typeof Reflect.getMetadata))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--import=tsx', '-e', script])
    expect(stdout.trim()).to.equal('undefined')
  })
})

describe('MspError', () => {
  it('is known by its code', () => {
    const error: unknown = new MspError('MSP_REVOKED', 'revoked')
    expect(isCodedError(error, 'MSP_REVOKED')).to.equal(true)
    expect(isCodedError(error, 'MSP_EXPIRED')).to.equal(false)
  })
})

describe('createTestOrganization', () => {
  it('gives members that are valid and variants that are not', async () => {
    const org = await createTestOrganization({ mspId: 'Org1MSP', domain: 'x.test' })
    const at = new Date()
    const member = await org.identity('peer0', 'peer')
    org.msp.validate(member, { at })
    expect(member.certificate.subject).to.contain('CN=peer0.x.test')
    const variants = {
      'other-ca': 'MSP_UNKNOWN_AUTHORITY',
      expired: 'MSP_EXPIRED',
      'not-yet-valid': 'MSP_NOT_YET_VALID',
      'wrong-ou': 'MSP_NO_ROLE',
      'no-ou': 'MSP_NO_ORGANIZATIONAL_UNIT',
      'two-roles': 'MSP_SEVERAL_ROLES',
    } as const
    for (const [variant, code] of Object.entries(variants)) {
      const claim = await org.variant('x', variant as keyof typeof variants)
      const judge = (): void => org.msp.validate(org.msp.deserialize(claim.serialized), { at })
      expectCode(code, judge, variant)
      expect(claim.pkiId, variant).to.have.length(32)
    }
  })

  it('gives TLS material that ends when asked', async () => {
    const org = await createTestOrganization({ mspId: 'Org1MSP' })
    const { certificate, key, roots } = await org.tls('peer0', { notAfter: new Date('2040-01-01') })
    expect(certificate).to.match(/BEGIN CERTIFICATE/)
    expect(key).to.match(/BEGIN PRIVATE KEY/)
    expect(roots).to.deep.equal([org.tlsCa.certificate])
  })
})
