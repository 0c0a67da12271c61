import { expect } from 'chai'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { systemClock } from '@heddle/events'
import { loadConfig } from '../../src/config/load.ts'
import { examineNetwork, examinePeer } from '../../src/doctor/doctor.ts'
import { statusOf } from '../../src/doctor/finding.ts'
import { prepareNetwork } from '../../src/network/prepare.ts'
import { claimDataFolder } from '../../src/node/data-owner.ts'
import type { NetworkDescriptor } from '@heddle/client'
import type { CheckName, Finding } from '../../src/doctor/finding.ts'

async function all(found: AsyncGenerator<Finding>): Promise<Finding[]> {
  const list: Finding[] = []
  for await (const finding of found) list.push(finding)
  return list
}

describe('heddle doctor, of a network that does not run', function () {
  this.timeout(60_000)
  let dir = ''
  let network: NetworkDescriptor
  let file = ''

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'heddle-doctor-'))
    const spec = { dir, validators: 4, basePort: undefined, accounts: new Map<string, bigint>() }
    network = await prepareNetwork(
      { ...spec, batchSize: 10, batchTimeoutMs: 10, loggingSpec: 'info' },
      systemClock,
    )
    file = join(dir, network.validators[2]!.config)
  })
  afterEach(() => rm(dir, { recursive: true }))

  const deps = (environment: NodeJS.ProcessEnv = {}) => ({ environment, clock: systemClock })
  const peer = (environment?: NodeJS.ProcessEnv): Promise<Finding[]> =>
    all(examinePeer(file, deps(environment)))
  const bad = (found: readonly Finding[]): [CheckName, string, number][] =>
    found.flatMap(({ check, verdict, code, status }) =>
      verdict === 'fail' && check !== 'quorum' ? [[check, code ?? '', status]] : [],
    )

  /** All that is in the folder, with when it was changed. */
  async function tree(): Promise<unknown[]> {
    const names = await readdir(dir, { recursive: true })
    return Promise.all(
      names.sort().map(async (name) => [name, (await stat(join(dir, name))).mtimeMs]),
    )
  }

  it('finds nothing but that no validator answers, and changes nothing', async () => {
    const before = await tree()
    const found = await all(examineNetwork(dir, deps()))
    expect(await tree()).to.deep.equal(before)
    const notOk = found.filter(({ verdict }) => verdict !== 'ok')
    expect(notOk.map(({ check, about, verdict }) => [check, about, verdict])).to.deep.equal([
      ...network.validators.map(({ name }) => ['validator', name, 'warn']),
      ['clock', undefined, 'warn'],
      ['quorum', undefined, 'fail'],
    ])
    expect(statusOf(found)).to.equal(69)
    const checks = found.filter(({ about }) => about === 'validator3').map(({ check }) => check)
    expect([...new Set(checks)]).to.deep.equal([
      ...['config', 'certificate', 'identity', 'folder', 'disk', 'ports', 'validator'],
    ])
  })

  it('asks the others in the name of a validator when its configuration is given', async () => {
    const found = await peer()
    expect(bad(found)).to.deep.equal([])
    const asked = found.filter(({ check }) => check === 'validator')
    const whom = network.validators.map(({ name }) => name)
    expect(asked.map(({ about }) => about)).to.deep.equal(whom)
    for (const { what, cure } of asked) {
      expect(what).to.match(/^no answer: connect ECONNREFUSED 127\.0\.0\.1:\d+$/)
      expect(cure).to.match(/^start it/)
    }
    expect(statusOf(found)).to.equal(69)
  })

  it('says who holds a port, where the system tells it', async () => {
    const { 'operations.listenAddress': address } = await loadConfig(file, {})
    const server = createServer().listen(address.port, address.host)
    await once(server, 'listening')
    const found = await peer()
    server.close()
    expect(bad(found)).to.deep.equal([['ports', 'PEER_PORT_BUSY', 75]])
    expect(statusOf(found), 'the cause, not the quorum').to.equal(75)
    const { what = '', cure } = found.find(({ check }) => check === 'ports') ?? {}
    expect(what).to.include(`another process listens on ${address.host}:${address.port}`)
    if (process.platform === 'linux') expect(what).to.include(`process ${process.pid}, `)
    expect(cure).to.include('operations.listenAddress')
  })

  it('names an address that is not of this machine', async () => {
    const found = await peer({ CORE_PEER_LISTENADDRESS: '192.0.2.1:7051' })
    expect(bad(found)).to.deep.equal([['ports', 'PEER_INVALID_CONFIG', 78]])
    const { what, cure } = found.find(({ verdict }) => verdict === 'warn') ?? {}
    expect(what).to.match(
      /^listens elsewhere than `validators` says \(setting peer.listenAddress, /,
    )
    expect(cure).to.include('unless')
  })

  it('ends at a configuration that cannot be used, as the start of the validator does', async () => {
    await writeFile(file, (await readFile(file, 'utf8')).replace('batchsize', 'batchsise'))
    const found = await peer()
    expect(bad(found)).to.deep.equal([['config', 'PEER_INVALID_CONFIG', 78]])
    expect(found.at(-1)?.cure).to.include('pbft.general.batchsize')
  })

  it('goes on without the key of a validator, and does not ask in its name', async () => {
    const { 'peer.mspConfigPath': msp } = await loadConfig(file, {})
    await rm(join(msp, 'keystore', 'priv_sk'))
    const found = await peer()
    expect(bad(found)).to.deep.equal([['identity', 'PEER_WRONG_CERTIFICATE', 78]])
    const checks = found.map(({ check }) => check)
    expect(checks).to.include.members(['folder', 'disk', 'ports']).and.not.include('validator')
  })

  it('says that a data folder is another validator’s', async () => {
    const { 'peer.fileSystemPath': data } = await loadConfig(file, {})
    const genesis = '0'.repeat(64)
    await claimDataFolder(data, { channelId: 'heddle', genesis, consenter: 1, mspId: 'Org0MSP' })
    const found = await peer()
    expect(bad(found)).to.deep.equal([['folder', 'PEER_WRONG_FOLDER', 78]])
  })

  it('says that a data folder cannot be used', async () => {
    const { 'peer.fileSystemPath': data } = await loadConfig(file, {})
    await mkdir(dirname(data), { recursive: true })
    await writeFile(data, 'a file')
    const found = await peer({ CORE_PEER_FILESYSTEMPATH: join(data, 'inside') })
    expect(bad(found)[0]).to.deep.equal(['folder', 'PEER_NO_ACCESS', 73])
  })

  it('names the client’s certificate that is missing, after all that it found before', async () => {
    await rm(join(dir, network.client.msp), { recursive: true })
    const found = await all(examineNetwork(dir, deps()))
    expect(bad(found)).to.deep.equal([['identity', 'CLIENT_WRONG_CERTIFICATE', 78]])
    expect(found.at(-1)).to.include({ about: 'client', verdict: 'fail' })
  })

  it('says that there is no network', async () => {
    const found = await all(examineNetwork(join(dir, 'none'), deps()))
    expect(bad(found)).to.deep.equal([['network', 'CLIENT_NO_NETWORK', 69]])
  })
})
