import { rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { loadMsp } from '../../src/index.ts'
import type { Msp } from '../../src/index.ts'
import { certify, identityOf } from '../support/ca.ts'
import type { Pair } from '../support/ca.ts'
import { expectRejection } from '../support/expect-code.ts'
import { put } from '../support/folder.ts'
import { recorder } from '../support/logger.ts'
import { temporaryDir } from '../support/temporary.ts'

// Kind: configuration that is silently ignored. What Fabric's yaml reads is read alike (fabric v3.1.5
// msp/configbuilder.go, go.yaml.in/yaml/v4); what it would overlook is refused, with its place.

const mspId = 'Org1MSP'
const roles = ['Client', 'Peer', 'Admin', 'Orderer']
const usual = `NodeOUs:
  Enable: true
${roles.map((role) => `  ${role}OUIdentifier:\n    OrganizationalUnitIdentifier: ${role.toLowerCase()}\n`).join('')}`

describe('config.yaml', () => {
  let root: Pair
  let admin: Pair

  before(async () => {
    root = await certify({ subject: 'CN=root', ca: true })
    admin = await certify({ subject: 'OU=client, CN=a', issuer: root })
  })

  /** A folder that is sound with NodeOUs and without. */
  function folder(text?: string): string {
    const dir = temporaryDir()
    put(dir, 'cacerts/root.pem', root.pem)
    put(dir, 'admincerts/admin.pem', admin.pem)
    if (text !== undefined) put(dir, 'config.yaml', text)
    return dir
  }

  async function rolesOf(own: Msp, subject: string): Promise<readonly string[]> {
    const identity = own.deserialize(identityOf(await certify({ subject, issuer: root })))
    own.validate(identity)
    return identity.roles
  }

  /** Whether NodeOUs tell roles apart with that file, and what was said on the way. */
  async function judged(text: string): Promise<{ on: boolean; lines: string[] }> {
    const { logger, lines } = recorder()
    const own = await loadMsp(folder(text), mspId, { logger })
    return { on: (await rolesOf(own, 'OU=peer, CN=p')).includes('peer'), lines }
  }

  it('may have organisational units with and without a CA, and NodeOUs in part', async () => {
    const own = await loadMsp(
      folder(`
OrganizationalUnitIdentifiers:
  - Certificate: cacerts/root.pem
    OrganizationalUnitIdentifier: sales
NodeOUs:
  Enable: true
  ClientOUIdentifier: {Certificate: cacerts/root.pem, OrganizationalUnitIdentifier: client}
  AdminOUIdentifier: {OrganizationalUnitIdentifier: boss}
`),
      mspId,
    )
    expect(await rolesOf(own, 'OU=sales, OU=boss, CN=a')).to.deep.equal(['admin'])
    expect(await rolesOf(own, 'OU=sales, OU=client, CN=a')).to.deep.equal(['client'])
    await expectRejection('MSP_WRONG_ORGANIZATIONAL_UNIT', rolesOf(own, 'OU=boss, CN=a'))
    await expectRejection('MSP_NO_ROLE', rolesOf(own, 'OU=sales, CN=a'))
  })

  it('may be empty, absent, or have NodeOUs that are off', async () => {
    expect((await loadMsp(folder(), mspId)).mspId).to.equal(mspId)
    const off = usual.replace('true', 'false')
    for (const text of ['', '# nothing\n', '---\n', 'NodeOUs:\n', 'NodeOUs: ~\n', off]) {
      expect(await judged(text), text).to.deep.equal({ on: false, lines: [] })
    }
  })

  const on = 'true True TRUE y Y yes Yes YES on On ON "yes" \'on\''.split(' ')
  const off = 'false False FALSE n N no No NO off Off OFF "no"'.split(' ')
  for (const [words, expected] of [
    [on, true],
    [off, false],
  ] as const) {
    it(`takes for ${expected} what Go's yaml takes for it`, async () => {
      for (const word of words) {
        const text = usual.replace('Enable: true', `Enable: ${word}`)
        expect((await judged(text)).on, word).to.equal(expected)
      }
    })
  }

  it('may have CRLF, a byte order mark, comments, anchors and merged keys', async () => {
    const anchors = `NodeOUs: &ous
  Enable: true # on
  ClientOUIdentifier: &ou {OrganizationalUnitIdentifier: client}
  PeerOUIdentifier: {<<: *ou, OrganizationalUnitIdentifier: peer}
  AdminOUIdentifier: {OrganizationalUnitIdentifier: admin}
`
    for (const text of [
      usual.replaceAll('\n', '\r\n'),
      `\uFEFF${usual}`,
      `---\n${usual}`,
      anchors,
    ]) {
      expect((await judged(text)).on, text).to.equal(true)
    }
  })

  it('takes a number or a boolean for the text it is written as', async () => {
    for (const unit of ['0123', 'true', '1.0', 'yes']) {
      const own = await loadMsp(folder(usual.replace(': peer', `: ${unit}`)), mspId)
      expect(await rolesOf(own, `OU=${unit}, CN=p`), unit).to.deep.equal(['peer'])
    }
  })

  it('takes a name from a merged key', async () => {
    const merged = '    <<: {OrganizationalUnitIdentifier: x}'
    const text = usual.replace('    OrganizationalUnitIdentifier: peer', merged)
    const own = await loadMsp(folder(text), mspId)
    expect(await rolesOf(own, 'OU=x, CN=p')).to.deep.equal(['peer'])
  })

  it('that is not YAML is refused with the first line of the reason', async () => {
    const dir = folder(`${usual}  PeerOUIdentifier: {}\n`)
    const error = await expectRejection('MSP_INVALID_FOLDER', loadMsp(dir, mspId))
    expect(error.message).to.match(/:11: is not YAML: Map keys must be unique [^\n]+$/)
    expect(error.cause).to.be.instanceOf(Error)
  })

  /** What is refused: the text, the line, and what the message says. */
  const refused: Record<string, [text: string, line: number, says: string]> = {
    'a quoted boolean': [usual.replace('true', '"true"'), 2, 'NodeOUs.Enable is "true"'],
    'a number as a boolean': [usual.replace('true', '1'), 2, 'NodeOUs.Enable is 1'],
    'an unknown word as a boolean': [usual.replace('true', 'tRue'), 2, 'NodeOUs.Enable is "tRue"'],
    'a key in the wrong case': [usual.replace('Enable', 'enable'), 2, 'write Enable'],
    'the first key in the wrong case': [usual.replace('NodeOUs', 'nodeous'), 1, 'write NodeOUs'],
    'a unit in the wrong case': [
      usual.replace('PeerOUIdentifier', 'PeerOuIdentifier'),
      5,
      'NodeOUs.PeerOuIdentifier is not a known key: write PeerOUIdentifier',
    ],
    'a mistyped key': [
      usual.replace('OrganizationalUnit', 'OrganizationUnit'),
      4,
      'NodeOUs.ClientOUIdentifier.OrganizationUnitIdentifier is not a known key: the known keys are Certificate, OrganizationalUnitIdentifier',
    ],
    'an unknown key at the top': [`${usual}Other: 1\n`, 11, 'Other is not a known key'],
    'an unknown key in a list': [
      'OrganizationalUnitIdentifiers:\n  - Certificate: cacerts/root.pem\n    Name: sales\n',
      3,
      'OrganizationalUnitIdentifiers.Name is not a known key',
    ],
    'an unknown key behind an alias': [
      'NodeOUs:\n  OrdererOUIdentifier: &x\n    Typo: 1\n  ClientOUIdentifier: *x\n',
      3,
      'NodeOUs.ClientOUIdentifier.Typo is not a known key',
    ],
    'a key twice': [`${usual}  PeerOUIdentifier: {}\n`, 11, 'is not YAML'],
    'a tab as indentation': [usual.replace('  Enable', '\tEnable'), 2, 'is not YAML'],
    'an unfinished mapping': ['{', 1, 'is not YAML'],
    'two documents': [`${usual}---\nNodeOUs:\n`, 11, 'is not YAML'],
    'a list at the top': ['- a\n', 1, 'the file must be a mapping'],
    'text at the top': ['text', 1, 'the file must be a mapping'],
    'NodeOUs that are a list': ['NodeOUs: [1]', 1, 'NodeOUs must be a mapping'],
    'a unit that is text': [
      'NodeOUs:\n  PeerOUIdentifier: peer\n',
      2,
      'NodeOUs.PeerOUIdentifier must be a mapping',
    ],
    'units that are no list': [
      'OrganizationalUnitIdentifiers: 3',
      1,
      'OrganizationalUnitIdentifiers must be a list',
    ],
    'a unit of the list without a name': [
      'OrganizationalUnitIdentifiers:\n  - Certificate: cacerts/root.pem\n',
      2,
      'names no organisational unit',
    ],
    'an empty unit of the list': ['OrganizationalUnitIdentifiers:\n  -\n', 2, 'names no organi'],
    'a name that is a list, behind a merged key': [
      'NodeOUs:\n  PeerOUIdentifier:\n    <<: {OrganizationalUnitIdentifier: [peer]}\n',
      2,
      'must be text',
    ],
    'a name that is a list': [usual.replace(': peer', ': [peer]'), 6, 'must be text'],
    'a CA of a listed unit that is not there': [
      'OrganizationalUnitIdentifiers:\n  - OrganizationalUnitIdentifier: a\n    Certificate: cacerts/none.pem\n',
      2,
      'cacerts/none.pem cannot be read',
    ],
  }
  for (const [what, [text, line, says]] of Object.entries(refused)) {
    it(`is refused with file, line and key for ${what}`, async () => {
      const dir = folder(text)
      const error = await expectRejection('MSP_INVALID_FOLDER', loadMsp(dir, mspId))
      expect(error.message).to.contain(`${join(dir, 'config.yaml')}:${line}: `)
      expect(error.message).to.contain(says)
    })
  }

  it('is refused when its aliases would fill the memory', async () => {
    const levels = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map(
      (name, at, all) => `${name}: &${name} [${`*${all[at - 1]},`.repeat(at === 0 ? 0 : 9)}1]\n`,
    )
    const dir = folder(levels.join(''))
    const error = await expectRejection('MSP_INVALID_FOLDER', loadMsp(dir, mspId))
    expect(error.message).to.contain('aliases')
  })

  it('of another name is refused instead of passed over', async () => {
    for (const name of ['config.yml', 'Config.yaml', 'config.YAML']) {
      const dir = folder()
      put(dir, name, usual)
      const error = await expectRejection('MSP_INVALID_FOLDER', loadMsp(dir, mspId))
      expect(error.message).to.contain(`${join(dir, name)} is not read`)
      put(dir, 'config.yaml', usual)
      await loadMsp(dir, mspId)
    }
  })

  it('may be absent beside files whose names only begin or end like it', async () => {
    const dir = folder()
    for (const name of ['old-config.yaml', 'config.yaml.bak']) put(dir, name, usual)
    await loadMsp(dir, mspId)
  })

  it('that is a folder or a link to nothing is refused, with the reason', async () => {
    const dir = folder()
    const file = join(dir, 'config.yaml')
    const refusal = async (): Promise<string> => {
      const error = await expectRejection('MSP_INVALID_FOLDER', loadMsp(dir, mspId))
      expect(error.cause).to.have.property('code')
      return error.message
    }
    symlinkSync('nowhere', file)
    expect(await refusal()).to.equal(`${file} cannot be read (ENOENT)`)
    rmSync(file)
    put(dir, 'config.yaml/x', '')
    expect(await refusal()).to.equal(`${file} cannot be read (EISDIR)`)
  })

  /** What Fabric takes and only logs: the text, the line, and what is said. */
  const said: Record<string, [text: string, on: boolean, line: number, says: string]> = {
    'a CA of a role that is not there': [
      usual.replace('    Org', '    Certificate: cacerts/none.pem\n    Org'),
      true,
      3,
      'names Certificate cacerts/none.pem, which cannot be read: every CA of the MSP may issue',
    ],
    'a role whose name is a number behind a merged key': [
      usual.replace(
        '    OrganizationalUnitIdentifier: orderer',
        '    <<: {OrganizationalUnitIdentifier: 1}',
      ),
      true,
      9,
      'names no Organizational',
    ],
    'a role without a name': [usual.replace(': orderer', ':'), true, 9, 'names no Organizational'],
    'a role with an empty name': [usual.replace(': orderer', ': ""'), true, 9, 'names no Organiz'],
    'NodeOUs that do not say whether they are on': [
      usual.replace('  Enable: true\n', ''),
      false,
      1,
      'NodeOUs are off',
    ],
    'NodeOUs with an empty Enable': [usual.replace(' true', ''), false, 1, 'NodeOUs are off'],
  }
  for (const [what, [text, isOn, line, says]] of Object.entries(said)) {
    it(`may have ${what}, as in Fabric, which is said`, async () => {
      const { on: enabled, lines } = await judged(text)
      expect(enabled).to.equal(isOn)
      expect(lines.length).to.equal(1)
      expect(lines[0]).to.contain(`config.yaml:${line}`).and.to.contain(says)
    })
  }

  it('tells what was passed over when the MSP is refused: often that is the cause', async () => {
    const dir = folder(usual.replace('  Enable: true\n', ''))
    rmSync(join(dir, 'admincerts'), { recursive: true })
    const error = await expectRejection('MSP_INVALID_CONFIG', loadMsp(dir, mspId))
    expect(error.message.startsWith(`${dir}: MSP`)).to.equal(true)
    expect(error.message).to.contain('neither administrators')
    expect(error.message).to.contain('NodeOUs are off')
  })
})
