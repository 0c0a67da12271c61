import { expect } from 'chai'
import { create, msp } from '@heddle/proto'
import { MspManager, mspFromConfig, readTls, serializeIdentity } from '../../src/index.ts'
import type { MspError } from '../../src/index.ts'
import { maxShownCharacters, maxShownTexts, shown, shownAll } from '../../src/shown.ts'
import { certify, configOf, identityOf, mspOf, usualOus, x509 } from '../support/ca.ts'
import type { Pair } from '../support/ca.ts'

// Kind: what a stranger sends stands in a message, and so in a log, without a bound.

describe('foreign text in messages', () => {
  it('is shown in quotes up to maxShownCharacters', () => {
    const most = 'a'.repeat(maxShownCharacters)
    expect(shown(most)).to.equal(`"${most}"`)
    expect(shown(`${most}b`)).to.equal(`"${most}…"`)
  })

  it('counts its characters as escaped, and cuts no escape in two', () => {
    const fits = Math.floor(maxShownCharacters / 6)
    expect(shown('\u0001'.repeat(fits))).to.equal(`"${'\\u0001'.repeat(fits)}"`)
    expect(shown('\u0001'.repeat(fits + 1))).to.equal(`"${'\\u0001'.repeat(fits)}…"`)
  })

  it('holds no line end, control, format or unpaired surrogate character', () => {
    const escapes = String.raw`"\n\u001b\u0085\u2028\u202e\ud800\"\\Zürich😀"`
    expect(shown('\n\u001b\u0085\u2028\u202e\ud800"\\Zürich😀')).to.equal(escapes)
  })

  it('escapes characters that take two units, as it must', () => {
    expect(shown('\u{e0001}')).to.equal(String.raw`"\udb40\udc01"`)
  })

  it('is at most maxShownTexts of a list, and how many more there are', () => {
    const most = Array.from({ length: maxShownTexts }, (_, at) => `${at}`)
    expect(shownAll(most)).to.equal(most.map((text) => `"${text}"`).join(', '))
    expect(shownAll([...most, 'x', 'y'])).to.equal(`${shownAll(most)} and 2 more`)
  })

  describe('of an identity that is refused', () => {
    let root: Pair

    before(async () => {
      root = await certify({ subject: 'CN=root', ca: true })
    })

    const long = '\u0001'.repeat(20_000)
    const serial = `40${'00'.repeat(2000)}`
    const oid = `1.2.${'4294967295.'.repeat(500)}1`
    const critical = (id: string): x509.Extension =>
      new x509.Extension(id, true, Buffer.from('0500', 'hex'))
    const cases: [string, () => Promise<Uint8Array> | Uint8Array][] = [
      ['an MSP id', () => serializeIdentity(long, Buffer.from('x'))],
      [
        'the type of a PEM block',
        () => {
          const type = 'x'.repeat(20_000)
          const pem = `-----BEGIN ${type}-----\nAAAA\n-----END ${type}-----\n`
          return serializeIdentity('Org1MSP', Buffer.from(pem))
        },
      ],
      ['a serial number', async () => identityOf(await certify({ subject: '', serial }))],
      [
        'many critical extensions',
        async () => {
          const extensions = Array.from({ length: 300 }, (_, at) => critical(`1.2.3.${at}`))
          return identityOf(await certify({ subject: 'CN=x', extensions }))
        },
      ],
      [
        'a critical extension',
        async () => identityOf(await certify({ subject: 'CN=x', extensions: [critical(oid)] })),
      ],
      [
        'organisational units',
        async () => {
          const units = Array.from({ length: 300 }, (_, at) => `OU=${'u'.repeat(60)}${at}`)
          return identityOf(await certify({ subject: units.join(','), issuer: root }))
        },
      ],
    ]
    for (const [what, make] of cases) {
      it(`has a bound: ${what}`, async () => {
        const own = mspOf({ roots: [root], nodeOus: usualOus })
        const serialized = await make()
        for (const members of [own, new MspManager([own])]) {
          const refused = (): void => members.validate(members.deserialize(serialized))
          expect(refused).to.throw().with.property('code').that.matches(/^MSP_/)
          try {
            refused()
          } catch (error) {
            const most = (maxShownTexts + 2) * (maxShownCharacters + 10)
            expect((error as MspError).message.length).to.be.at.most(most)
            expect((error as MspError).message).to.not.match(/\p{Cc}/u)
          }
        }
      })
    }
  })

  describe('of a configuration that is refused', () => {
    let root: Pair

    before(async () => {
      root = await certify({ subject: 'CN=root', ca: true })
    })

    const long = '\u0001'.repeat(20_000)
    const most = (maxShownTexts + 2) * (maxShownCharacters + 10)
    const named = (name: string): msp.FabricMSPConfig => ({
      ...configOf({ roots: [root], nodeOus: usualOus }),
      name,
    })
    const member = async (subject: string): Promise<Uint8Array> =>
      serializeIdentity(long, Buffer.from((await certify({ subject, issuer: root })).pem))
    const cases: [string, () => unknown][] = [
      ['the MSP id', () => mspFromConfig({ ...named(long), rootCerts: [] })],
      [
        'the MSP id, before an identity of another',
        () => mspFromConfig(named(long)).deserialize(identityOf(root)),
      ],
      [
        'the MSP id, before a member without a role',
        async () => {
          const own = mspFromConfig(named(long))
          own.validate(own.deserialize(await member('OU=x, CN=p')))
        },
      ],
      [
        'the MSP id, before a signature of somebody else',
        async () => {
          const identity = mspFromConfig(named(long)).deserialize(await member('OU=peer, CN=p'))
          identity.checkSignature(Buffer.of(1), Buffer.from('3006020101020101', 'hex'))
        },
      ],
      [
        'the name of a hash',
        () =>
          mspFromConfig({
            ...named('Org1MSP'),
            cryptoConfig: create(msp.FabricCryptoConfigSchema, { signatureHashFamily: long }),
          }),
      ],
      ['the type of a PEM block for TLS', () => readTls({ roots: [pemOf('X'.repeat(20_000))] })],
    ]
    const pemOf = (type: string): string => `-----BEGIN ${type}-----\nAAAA\n-----END ${type}-----\n`
    for (const [what, refused] of cases) {
      it(`has a bound: ${what}`, async () => {
        const error = await Promise.resolve()
          .then(refused)
          .then(
            () => undefined,
            (reason: unknown) => reason as MspError,
          )
        expect(error?.code).to.match(/^MSP_/)
        expect(error?.message.length).to.be.at.most(most)
        expect(error?.message).to.not.match(/\p{Cc}/u)
      })
    }
  })
})
