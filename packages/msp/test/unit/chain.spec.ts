import { expect } from 'chai'
import { certify, identityOf, mspOf, usualOus, x509 } from '../support/ca.ts'
import type { Pair, Spec } from '../support/ca.ts'
import { expectCode } from '../support/expect-code.ts'
import { lineOf } from '../support/line-of.ts'
import { maxChainLength, maxSignatureChecks } from '../../src/trust.ts'
import type { Msp } from '../../src/index.ts'

const { clientAuth, serverAuth } = x509.ExtendedKeyUsage

describe('an identity’s chain', () => {
  let root: Pair
  let own: Msp

  before(async () => {
    root = await certify({ subject: 'CN=root', ca: true })
    own = mspOf({ roots: [root], nodeOus: usualOus })
  })

  async function peer(spec: Partial<Spec> = {}): Promise<Uint8Array> {
    return identityOf(await certify({ subject: 'OU=peer, CN=p', issuer: root, ...spec }))
  }

  it('leads to the root that signed it', async () => {
    const identity = own.deserialize(await peer())
    own.validate(identity)
    expect(identity.organizationalUnits).to.deep.equal(['peer'])
    expect(identity.roles).to.deep.equal(['peer'])
  })

  it('needs no key usage extension on the CA; one that sets no bit counts as none, as in Go', async () => {
    const none = new x509.Extension('2.5.29.15', true, Buffer.from('03020700', 'hex'))
    for (const extensions of [[], [none]]) {
      const ca = await certify({ subject: 'CN=root', ca: true, usage: null, extensions })
      const silent = mspOf({ roots: [ca], nodeOus: usualOus })
      silent.validate(silent.deserialize(await peer({ issuer: ca })))
    }
  })

  it('may have the purposes of a TLS server, any purpose, or none', async () => {
    own.validate(own.deserialize(await peer({ purposes: [clientAuth, serverAuth] })))
    own.validate(own.deserialize(await peer({ purposes: ['2.5.29.37.0'] })))
  })

  const refused: [string, () => Promise<Uint8Array>][] = [
    [
      'of another CA with the same name',
      async () => peer({ issuer: await certify({ subject: 'CN=root', ca: true }) }),
    ],
    [
      'of a CA that it does not know',
      async () => peer({ issuer: await certify({ subject: 'CN=other', ca: true }) }),
    ],
    ['that names another issuer', () => peer({ issuerName: 'CN=other' })],
    ['that signed itself', async () => identityOf(await certify({ subject: 'OU=peer, CN=p' }))],
    [
      'issued by another identity',
      async () => peer({ issuer: await certify({ subject: 'OU=peer, CN=q', issuer: root }) }),
    ],
    ['for TLS clients only', () => peer({ purposes: [clientAuth] })],
    ['older than its CA', () => peer({ notBefore: new Date('2020-01-01') })],
    [
      'younger than its CA',
      () => peer({ notBefore: new Date('2040-01-01'), notAfter: new Date('2041-01-01') }),
    ],
    [
      'with an empty validity',
      () => peer({ notBefore: new Date('2026-01-02'), notAfter: new Date('2026-01-01') }),
    ],
  ]
  for (const [who, make] of refused) {
    it(`is refused to a certificate ${who}`, async () => {
      const serialized = await make()
      expectCode('MSP_UNKNOWN_AUTHORITY', () => own.deserialize(serialized))
    })
  }

  it('does not break when the certificate, or its CA, has expired since', async () => {
    const notBefore = new Date('2020-01-01')
    const old = await certify({
      subject: 'CN=root',
      ca: true,
      notBefore,
      notAfter: new Date('2021-01-01'),
    })
    const expired = mspOf({ roots: [old], nodeOus: usualOus })
    const serialized = await peer({ issuer: old, notBefore, notAfter: new Date('2020-06-01') })
    const identity = expired.deserialize(serialized)
    expired.validate(identity)
    expired.validate(identity, { at: new Date('2020-06-01T00:00:00Z') })
    expectCode('MSP_EXPIRED', () =>
      expired.validate(identity, { at: new Date('2020-06-01T00:00:01Z') }),
    )
    expectCode('MSP_NOT_YET_VALID', () =>
      expired.validate(identity, { at: new Date('2019-12-31T23:59:59Z') }),
    )
  })

  it('is judged one second after the certificate’s begin, the first and the last moment included', async () => {
    const noon = Date.now() - (Date.now() % 1000)
    const seconds = (count: number): Date => new Date(noon + 1000 * count)
    const chained = async (ca: [Date, Date], leaf: [Date, Date]): Promise<string> => {
      const [from, to] = ca
      const issuer = await certify({ subject: 'CN=ca', ca: true, notBefore: from, notAfter: to })
      const its = mspOf({ roots: [issuer], nodeOus: usualOus })
      const serialized = await peer({ issuer, notBefore: leaf[0], notAfter: leaf[1] })
      return lineOf(() => its.deserialize(serialized))
    }
    const short: [Date, Date] = [seconds(0), seconds(1)]
    expect(await chained([seconds(1), seconds(9)], short)).to.equal('taken')
    expect(await chained([seconds(-9), seconds(1)], short)).to.equal('taken')
    for (const ca of [
      [seconds(2), seconds(9)],
      [seconds(-9), seconds(0)],
    ] as [Date, Date][]) {
      expect(await chained(ca, short)).to.match(/its issuer was not valid when it was issued$/)
    }
    expect(await chained([seconds(-9), seconds(9)], [seconds(0), seconds(0)])).to.match(
      /its validity is empty$/,
    )
  })

  it('is refused to critical extensions that are not applied, in it or above it', async () => {
    const odd = new x509.Extension('1.2.3.4', true, Buffer.from('0500', 'hex'))
    const serialized = await peer({ extensions: [odd] })
    expectCode('MSP_UNSUPPORTED_CERTIFICATE', () => own.deserialize(serialized))
    const harmless = new x509.Extension('1.2.3.4', false, Buffer.from('0500', 'hex'))
    own.deserialize(await peer({ extensions: [harmless] }))
    const policies = new x509.Extension(
      '2.5.29.32',
      true,
      Buffer.from('300630040602' + '2a03', 'hex'),
    )
    own.deserialize(await peer({ extensions: [policies] }))
    const middle = await certify({ subject: 'CN=middle', ca: true, issuer: root })
    const strange = await certify({
      subject: 'CN=strange',
      ca: true,
      issuer: middle,
      extensions: [odd],
    })
    expectCode('MSP_INVALID_CONFIG', () =>
      mspOf({ roots: [root], intermediates: [middle, strange], nodeOus: usualOus }),
    )
  })

  describe('below a CA that limits names', () => {
    const constraints = new x509.Extension('2.5.29.30', true, Buffer.from('3000', 'hex'))
    let limited: Pair
    let msp: Msp

    before(async () => {
      limited = await certify({
        subject: 'CN=l',
        ca: true,
        issuer: root,
        extensions: [constraints],
      })
      msp = mspOf({ roots: [root], intermediates: [limited], nodeOus: usualOus })
    })

    const peerBelow = (name: string, extensions: Spec['extensions'] = []): Promise<Uint8Array> =>
      peer({ issuer: limited, subject: `OU=peer, CN=${name}`, extensions })

    it('is taken when the certificate has no name that could be limited', async () => {
      for (const name of ['Admin@org1', 'a b', 'a..b', '-a', '*.*']) {
        msp.validate(msp.deserialize(await peerBelow(name)))
      }
      msp.validate(msp.deserialize(await peer({ issuer: limited, subject: 'OU=peer' })))
    })

    it('is refused when its common name looks like a host, or it has alternative names', async () => {
      for (const name of ['peer0.org1.example.com', 'localhost', 'a.', '*.a', 'a_b:7']) {
        const serialized = await peerBelow(name)
        expectCode('MSP_UNKNOWN_AUTHORITY', () => msp.deserialize(serialized), name)
      }
      const san = new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'a.b' }])
      const named = await peerBelow('Admin@org1', [san])
      expectCode('MSP_UNKNOWN_AUTHORITY', () => msp.deserialize(named))
    })
  })
})

describe('a chain over intermediates', () => {
  let root: Pair
  let middle: Pair
  let edge: Pair

  before(async () => {
    root = await certify({ subject: 'CN=root', ca: true })
    middle = await certify({ subject: 'CN=middle', ca: true, issuer: root })
    edge = await certify({ subject: 'CN=edge', ca: true, issuer: middle })
  })

  async function peerOf(issuer: Pair): Promise<Uint8Array> {
    return identityOf(await certify({ subject: 'OU=peer, CN=p', issuer }))
  }

  it('is found', async () => {
    const own = mspOf({ roots: [root], intermediates: [edge, middle], nodeOus: usualOus })
    own.validate(own.deserialize(await peerOf(edge)))
  })

  it('must end at an issuer that has no CAs below it', async () => {
    const own = mspOf({ roots: [root], intermediates: [middle, edge], nodeOus: usualOus })
    for (const issuer of [root, middle]) {
      const identity = own.deserialize(await peerOf(issuer))
      expectCode('MSP_INTERNAL_ISSUER', () => own.validate(identity), issuer.certificate.subject)
    }
  })

  it('must be the only one', async () => {
    const twin = await certify({ subject: 'CN=root', ca: true, keys: root.keys })
    expectCode('MSP_INVALID_CONFIG', () =>
      mspOf({ roots: [root, twin], intermediates: [middle], nodeOus: usualOus }),
    )
    const own = mspOf({ roots: [root, twin], nodeOus: usualOus })
    const serialized = await peerOf(root)
    expectCode('MSP_AMBIGUOUS_CHAIN', () => own.deserialize(serialized))
  })

  it('has nobody twice: a name with its key counts as one, whatever else the certificate says', async () => {
    const renewed = await certify({ subject: 'CN=root', ca: true, keys: root.keys, issuer: root })
    expectCode('MSP_INVALID_CONFIG', () =>
      mspOf({ roots: [root], intermediates: [renewed], nodeOus: usualOus }),
    )
    const san = new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'a.b' }])
    const others: Partial<Spec>[] = [
      { subject: 'CN=root' },
      { subject: 'CN=other', keys: root.keys },
      { subject: 'CN=root', keys: root.keys, extensions: [san] },
    ]
    for (const other of others) {
      const ca = await certify({ subject: '', ca: true, issuer: root, ...other })
      mspOf({ roots: [root], intermediates: [ca], nodeOus: usualOus })
    }
  })

  it('keeps to the path length that a CA allows', async () => {
    const strict = await certify({ subject: 'CN=strict', ca: true, pathLength: 0 })
    const below = await certify({ subject: 'CN=below', ca: true, issuer: strict })
    const own = mspOf({ roots: [strict], nodeOus: usualOus })
    own.validate(own.deserialize(await peerOf(strict)))
    // The intermediate's own chain is fine; what it issues is too far from the root.
    const deep = mspOf({ roots: [strict], intermediates: [below], nodeOus: usualOus })
    const serialized = await peerOf(below)
    expectCode('MSP_UNKNOWN_AUTHORITY', () => deep.deserialize(serialized))
  })

  it('is cut off at maxChainLength', async () => {
    let pair = root
    const intermediates: Pair[] = []
    for (let length = 2; length < maxChainLength; length += 1) {
      pair = await certify({ subject: `CN=ca${length}`, ca: true, issuer: pair })
      intermediates.push(pair)
    }
    const own = mspOf({ roots: [root], intermediates, nodeOus: usualOus })
    own.validate(own.deserialize(await peerOf(pair)))
    const more = await certify({ subject: 'CN=more', ca: true, issuer: pair })
    const longer = mspOf({
      roots: [root],
      intermediates: [...intermediates, more],
      nodeOus: usualOus,
    })
    const serialized = await peerOf(more)
    expectCode('MSP_UNKNOWN_AUTHORITY', () => longer.deserialize(serialized))
  })

  it('is looked for with maxSignatureChecks signatures, and no more', async () => {
    const issuer = await certify({ subject: 'CN=middle', ca: true, issuer: root })
    const serialized = await peerOf(issuer)
    const namesakes: Pair[] = []
    for (let at = 2; at < maxSignatureChecks; at += 1) {
      namesakes.push(await certify({ subject: 'CN=middle', ca: true, issuer: root }))
    }
    // One signature for each namesake, one for the issuer, one for the root.
    const intermediates = [...namesakes, issuer]
    const most = mspOf({ roots: [root], intermediates, nodeOus: usualOus })
    most.validate(most.deserialize(serialized))
    const more = await certify({ subject: 'CN=middle', ca: true, issuer: root })
    const above = { roots: [root], intermediates: [more, ...intermediates], nodeOus: usualOus }
    expect(() => mspOf(above).deserialize(serialized))
      .to.throw(/too many candidates for its issuer/)
      .with.property('code', 'MSP_UNKNOWN_AUTHORITY')
  })

  const bad: [string, () => Promise<Pair[]>][] = [
    ['no CA', async () => [await certify({ subject: 'CN=m', issuer: root })]],
    [
      'a CA without a subject key id',
      async () => [await certify({ subject: 'CN=m', ca: true, issuer: root, subjectKeyId: false })],
    ],
    [
      'a CA of another root',
      async () => [
        await certify({
          subject: 'CN=m',
          ca: true,
          issuer: await certify({ subject: 'CN=x', ca: true }),
        }),
      ],
    ],
    [
      'a CA above it that may not sign certificates',
      async () => {
        const mute = await certify({
          subject: 'CN=mute',
          ca: true,
          issuer: root,
          usage: x509.KeyUsageFlags.cRLSign,
        })
        return [mute, await certify({ subject: 'CN=m', ca: true, issuer: mute })]
      },
    ],
  ]
  for (const [who, make] of bad) {
    it(`is no chain when an intermediate is ${who}`, async () => {
      const intermediates = await make()
      expectCode('MSP_INVALID_CONFIG', () =>
        mspOf({ roots: [root], intermediates, nodeOus: usualOus }),
      )
    })
  }

  it('is judged for TLS CAs too', () => {
    const tls = { roots: [root], nodeOus: usualOus, tlsRoots: [root], tlsIntermediates: [middle] }
    expect(mspOf(tls).tlsRoots).to.deep.equal([root.pem])
    expect(mspOf(tls).tlsIntermediates).to.deep.equal([middle.pem])
    expectCode('MSP_INVALID_CONFIG', () => mspOf({ ...tls, tlsIntermediates: [edge] }))
    const leaf = { ...tls, tlsRoots: [root], tlsIntermediates: [] }
    expect(mspOf(leaf).tlsIntermediates).to.deep.equal([])
  })
})
