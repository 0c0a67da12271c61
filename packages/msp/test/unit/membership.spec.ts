import { expect } from 'chai'
import { create, msp } from '@heddle/proto'
import { mspFromConfig, rolePrincipal, serializeIdentity } from '../../src/index.ts'
import type { Msp } from '../../src/index.ts'
import { certify, configOf, identityOf, mspOf, revoke, usualOus } from '../support/ca.ts'
import type { MspSpec, Pair } from '../support/ca.ts'
import { expectCode } from '../support/expect-code.ts'

describe('a role', () => {
  it('is nobody’s of another organisation, also when both list one certificate as an admin', async () => {
    const root = await certify({ subject: 'CN=root', ca: true })
    const admin = await certify({ subject: 'CN=a', issuer: root })
    const [own, other] = ['Org1MSP', 'Org2MSP'].map((name) =>
      mspFromConfig({ ...configOf({ roots: [root], admins: [admin] }), name }),
    )
    const serialized = serializeIdentity('Org2MSP', Buffer.from(admin.pem))
    const identity = other!.deserialize(serialized)
    expect(other!.satisfies(identity, rolePrincipal('Org2MSP', 'admin'))).to.equal(true)
    expect(own!.satisfies(identity, rolePrincipal('Org1MSP', 'admin'))).to.equal(false)
  })
})

describe('membership', () => {
  let root: Pair
  let root2: Pair
  let member: Pair

  before(async () => {
    root = await certify({ subject: 'CN=root', ca: true })
    root2 = await certify({ subject: 'CN=root2', ca: true })
    member = await certify({ subject: 'OU=peer, CN=p', issuer: root })
  })

  async function issued(subject: string, issuer = root): Promise<Uint8Array> {
    return identityOf(await certify({ subject, issuer }))
  }

  function validate(own: Msp, serialized: Uint8Array): void {
    own.validate(own.deserialize(serialized))
  }

  it('is refused to a CA', async () => {
    const own = mspOf({ roots: [root], nodeOus: usualOus })
    expectCode('MSP_CA_AS_IDENTITY', () => validate(own, identityOf(root)))
    const ca = await certify({ subject: 'OU=peer, CN=ca', issuer: root, ca: true })
    expectCode('MSP_CA_AS_IDENTITY', () => validate(own, identityOf(ca)))
  })

  describe('ends by revocation', () => {
    const serial = (pair: Pair): string => pair.certificate.serialNumber
    const withCrls = (crls: readonly string[]): Msp =>
      mspOf({ roots: [root, root2], crls, nodeOus: usualOus })

    it('when the CA’s list has the serial number', async () => {
      const own = withCrls([
        await revoke(root2, ['01']),
        await revoke(root, ['01', serial(member)]),
      ])
      expectCode('MSP_REVOKED', () => validate(own, identityOf(member)))
      expect(
        own.satisfies(own.deserialize(identityOf(member)), rolePrincipal('Org1MSP', 'peer')),
      ).to.equal(false)
      validate(own, await issued('OU=peer, CN=q'))
    })

    it('and not by a list of another CA, or that another CA signed', async () => {
      const own = withCrls([
        await revoke(root2, [serial(member)]),
        await revoke(root2, [serial(member)], root),
        await revoke(root, [serial(member)], root2),
        await revoke(root, []),
      ])
      validate(own, identityOf(member))
    })

    it('and a list that cannot be read makes the MSP invalid', async () => {
      for (const crl of ['', 'nonsense', (await revoke(root, [])).replace('MI', 'MJ'), root.pem]) {
        expectCode('MSP_INVALID_CONFIG', () => withCrls([crl]), JSON.stringify(crl.slice(0, 20)))
      }
    })
  })

  describe('with NodeOUs', () => {
    it('needs exactly one role', async () => {
      const own = mspOf({ roots: [root], nodeOus: usualOus })
      for (const role of ['client', 'peer', 'admin', 'orderer'])
        validate(own, await issued(`OU=${role}, CN=p`))
      validate(own, await issued('OU=sales, OU=peer, CN=p'))
      const refused = {
        'OU=sales, CN=p': 'MSP_NO_ROLE',
        'CN=p': 'MSP_NO_ORGANIZATIONAL_UNIT',
      } as const
      for (const [subject, code] of Object.entries(refused)) {
        const serialized = await issued(subject)
        expectCode(code, () => validate(own, serialized), subject)
      }
      for (const subject of ['OU=peer, OU=client, CN=p', 'OU=peer, OU=peer, CN=p']) {
        const serialized = await issued(subject)
        expectCode('MSP_SEVERAL_ROLES', () => validate(own, serialized), subject)
      }
      const upper = await issued('OU=PEER, CN=p')
      expectCode('MSP_NO_ROLE', () => validate(own, upper))
    })

    it('needs the CA that the role names', async () => {
      const nodeOus = { ...usualOus, peer: ['peer', root2] as const }
      const own = mspOf({ roots: [root, root2], nodeOus })
      validate(own, await issued('OU=peer, CN=p', root2))
      validate(own, await issued('OU=client, CN=p', root))
      expectCode('MSP_WRONG_CERTIFIER', () => validate(own, identityOf(member)))
    })

    it('knows only the roles that are configured, under the names that they have', async () => {
      const own = mspOf({ roots: [root], nodeOus: { client: 'clients', admin: 'bosses' } })
      const identity = own.deserialize(await issued('OU=bosses, CN=p'))
      own.validate(identity)
      expect(identity.roles).to.deep.equal(['admin'])
      expectCode('MSP_NO_ROLE', () => validate(own, identityOf(member)))
    })

    it('counts a unit of several roles once, as the last of them', async () => {
      const nodeOus = { client: ['staff', root], peer: ['staff', root2], admin: 'admin' } as const
      const own = mspOf({ roots: [root, root2], nodeOus })
      validate(own, await issued('OU=staff, CN=p', root2))
      const byRoot = await issued('OU=staff, CN=p', root)
      expectCode('MSP_WRONG_CERTIFIER', () => validate(own, byRoot))
    })

    it('refuses a role whose CA is not of the MSP', async () => {
      const stranger = await certify({ subject: 'CN=root', ca: true })
      expectCode('MSP_INVALID_CONFIG', () =>
        mspOf({ roots: [root], nodeOus: { ...usualOus, peer: ['peer', stranger] } }),
      )
    })

    it('accepts a role issued by an intermediate at the edge, and no other', async () => {
      const middle = await certify({ subject: 'CN=middle', ca: true, issuer: root })
      const edge = await certify({ subject: 'CN=edge', ca: true, issuer: middle })
      const spec = { roots: [root], intermediates: [middle, edge] }
      const own = mspOf({ ...spec, nodeOus: { ...usualOus, peer: ['peer', edge] } })
      validate(own, await issued('OU=peer, CN=p', edge))
      expectCode('MSP_INVALID_CONFIG', () =>
        mspOf({ ...spec, nodeOus: { ...usualOus, peer: ['peer', middle] } }),
      )
    })
  })

  describe('with organisational units for members', () => {
    it('needs one of them, from its CA', async () => {
      const admins = [await certify({ subject: 'OU=sales, CN=a', issuer: root })]
      const own = mspOf({
        roots: [root, root2],
        admins,
        memberUnits: [
          ['sales', root],
          ['sales', root],
          ['lab', root2],
        ],
      })
      validate(own, await issued('OU=sales, CN=p'))
      validate(own, await issued('OU=x, OU=lab, CN=p', root2))
      const wrong = [await issued('OU=lab, CN=p'), await issued('OU=x, CN=p')]
      for (const serialized of wrong) {
        expectCode('MSP_WRONG_ORGANIZATIONAL_UNIT', () => validate(own, serialized))
      }
      const none = await issued('CN=p')
      expectCode('MSP_NO_ORGANIZATIONAL_UNIT', () => validate(own, none))
    })

    it('refuses a unit without a CA', () => {
      const config = configOf({ roots: [root], nodeOus: usualOus, memberUnits: [['sales', root]] })
      config.organizationalUnitIdentifiers[0]!.certificate = new Uint8Array()
      expectCode('MSP_INVALID_CONFIG', () => mspFromConfig(config))
    })
  })

  describe('of administrators', () => {
    it('is needed: by name, or by an organisational unit', () => {
      expectCode('MSP_INVALID_CONFIG', () => mspOf({ roots: [root] }))
      expectCode('MSP_INVALID_CONFIG', () => mspOf({ roots: [root], nodeOus: { peer: 'peer' } }))
      expect(mspOf({ roots: [root], admins: [member] }).mspId).to.equal('Org1MSP')
      expect(mspOf({ roots: [root], nodeOus: { admin: 'admin' } }).mspId).to.equal('Org1MSP')
    })

    it('by name makes an admin of a client, not of a peer, and of anybody without NodeOUs', async () => {
      const client = await certify({ subject: 'OU=client, CN=c', issuer: root })
      const own = mspOf({ roots: [root], admins: [client], nodeOus: usualOus })
      const identity = own.deserialize(identityOf(client))
      expect(identity.roles).to.deep.equal(['client', 'admin'])
      expect(own.satisfies(identity, rolePrincipal('Org1MSP', 'admin'))).to.equal(true)
      expectCode('MSP_INVALID_CONFIG', () =>
        mspOf({ roots: [root], admins: [member], nodeOus: usualOus }),
      )
      const plain = mspOf({ roots: [root], admins: [member] })
      expect(
        plain.satisfies(plain.deserialize(identityOf(member)), rolePrincipal('Org1MSP', 'admin')),
      ).to.equal(true)
    })

    it('by name and by unit makes one admin', async () => {
      const both = await certify({ subject: 'OU=admin, CN=a', issuer: root })
      const own = mspOf({ roots: [root], admins: [both], nodeOus: usualOus })
      expect(own.deserialize(identityOf(both)).roles).to.deep.equal(['admin'])
    })

    it('with NodeOUs must be issued as a member is', async () => {
      const ca = await certify({ subject: 'OU=client, CN=ca', issuer: root, ca: true })
      expectCode('MSP_INVALID_CONFIG', () =>
        mspOf({ roots: [root], admins: [ca], nodeOus: usualOus }),
      )
      const middle = await certify({ subject: 'CN=middle', ca: true, issuer: root })
      const admins = [await certify({ subject: 'OU=client, CN=c', issuer: root })]
      const spec = { roots: [root], admins, nodeOus: usualOus }
      expect(mspOf(spec).mspId).to.equal('Org1MSP')
      expectCode('MSP_INVALID_CONFIG', () => mspOf({ ...spec, intermediates: [middle] }))
    })

    it('must chain to the MSP, and without NodeOUs be valid', async () => {
      const stranger = await certify({ subject: 'CN=s', issuer: root2 })
      expectCode('MSP_INVALID_CONFIG', () => mspOf({ roots: [root], admins: [stranger] }))
      const crls = [await revoke(root, [member.certificate.serialNumber])]
      expectCode('MSP_INVALID_CONFIG', () => mspOf({ roots: [root], admins: [member], crls }))
    })
  })

  describe('without NodeOUs', () => {
    it('is every certificate of the CA, and nobody has a role', async () => {
      const own = mspOf({ roots: [root], admins: [member] })
      const identity = own.deserialize(await issued('OU=peer, CN=p'))
      own.validate(identity)
      expect(identity.roles).to.deep.equal([])
      expect(own.satisfies(identity, rolePrincipal('Org1MSP', 'member'))).to.equal(true)
      for (const role of ['peer', 'client', 'orderer', 'admin'] as const) {
        expect(own.satisfies(identity, rolePrincipal('Org1MSP', role)), role).to.equal(false)
      }
    })

    it('is what a disabled NodeOUs section means too', () => {
      const config = configOf({ roots: [root], admins: [member], nodeOus: usualOus })
      config.fabricNodeOus!.enable = false
      const own = mspFromConfig(config)
      expect(own.deserialize(identityOf(member)).roles).to.deep.equal(['admin'])
    })

    it('is what a NodeOUs section without any role means too', async () => {
      const own = mspOf({ roots: [root], admins: [member], nodeOus: {} })
      validate(own, await issued('CN=p'))
    })
  })
})

describe('the configuration of an MSP', () => {
  let spec: MspSpec

  before(async () => {
    spec = { roots: [await certify({ subject: 'CN=root', ca: true })], nodeOus: usualOus }
  })

  it('needs a name, a root, and certificates that can be read', () => {
    const changes: [string, (config: ReturnType<typeof configOf>) => void][] = [
      ['name', (config) => (config.name = '')],
      ['root', (config) => (config.rootCerts = [])],
      ['PEM', (config) => (config.rootCerts = [Buffer.from('nonsense')])],
      ['intermediate', (config) => (config.intermediateCerts = [Buffer.from('nonsense')])],
      ['admin', (config) => (config.admins = [Buffer.from('nonsense')])],
      ['TLS', (config) => (config.tlsRootCerts = [Buffer.from('nonsense')])],
    ]
    for (const [what, change] of changes) {
      const config = configOf(spec)
      change(config)
      expectCode('MSP_INVALID_CONFIG', () => mspFromConfig(config), what)
    }
  })

  it('of another type, or undecodable, is refused', () => {
    const config = mspFromConfig(configOf(spec)).toConfig()
    expectCode('MSP_INVALID_CONFIG', () => mspFromConfig({ ...config, type: 2 }))
    expectCode('MSP_INVALID_CONFIG', () => mspFromConfig({ ...config, config: Buffer.from([255]) }))
  })

  it('goes out without the private key that came in', () => {
    const config = configOf(spec)
    config.signingIdentity = create(msp.SigningIdentityInfoSchema, {
      publicSigner: Buffer.from('public'),
    })
    expect(Buffer.from(mspFromConfig(config).toConfig().config).includes('public')).to.equal(false)
    expect(config.signingIdentity, 'the caller’s object stays').to.not.equal(undefined)
  })

  it('bounds the cache from 1 on', () => {
    for (const identityCacheSize of [0, -1, 1.5, Number.NaN]) {
      expectCode('MSP_INVALID_OPTIONS', () => mspFromConfig(configOf(spec), { identityCacheSize }))
    }
    mspFromConfig(configOf(spec), { identityCacheSize: 1 })
  })
})
