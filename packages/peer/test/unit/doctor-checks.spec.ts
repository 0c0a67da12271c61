import { expect } from 'chai'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClientError, answerTimeoutMs } from '@heddle/client'
import { VirtualClock } from '@heddle/events/testing'
import { create, heddle } from '@heddle/proto'
import { findingLine } from '../../src/cli/doctor.ts'
import { certificateFindings, mspFiles } from '../../src/doctor/certificates.ts'
import { failed, ok, statusOf, warn } from '../../src/doctor/finding.ts'
import { nodeFinding, openFilesFinding } from '../../src/doctor/machine.ts'
import { proxyFindings } from '../../src/doctor/proxies.ts'
import { validatorFindings } from '../../src/doctor/validators.ts'
import { PeerError } from '../../src/errors.ts'
import { generateMaterial } from '../../src/network/crypto.ts'
import { endsSoonMs, lifetimeOf } from '../../src/node/certificates-check.ts'
import { filesAmongStrangers, filesNeeded } from '../../src/open-files.ts'
import type { ValidatorClient } from '@heddle/client'
import type { Config } from '../../src/config/settings.ts'

describe('the checks of heddle doctor', () => {
  const subject = { check: 'quorum' } as const

  it('end with the status of the first that failed, and with 0 for warnings', () => {
    const busy = failed(subject, new PeerError('PEER_PORT_BUSY', 'x'))
    const lost = failed(subject, new PeerError('PEER_NETWORK_UNAVAILABLE', 'x'))
    expect(statusOf([ok(subject, 'x'), warn(subject, 'x')])).to.equal(0)
    expect(statusOf([warn(subject, 'x'), busy, lost])).to.equal(75)
    expect(statusOf([lost, busy])).to.equal(69)
  })

  it('are one line each, whatever a message holds', () => {
    const error = new PeerError('PEER_NO_ACCESS', 'first\nsecond\u001b[2J', { cure: 'do\r\nthis' })
    const line = findingLine(failed({ check: 'disk', about: 'validator1' }, error))
    expect(line).to.equal('fail  disk         validator1: first second [2J; try: do this')
  })

  it('judge the version of Node as the start does', async () => {
    expect(await nodeFinding('18.20.8')).to.include({ verdict: 'fail', status: 69 })
    expect(await nodeFinding('22.12.0')).to.include({ verdict: 'ok', status: 0 })
  })

  it('judge open files as the start does, at the bound', () => {
    const needed = filesNeeded(4)
    expect(openFilesFinding(4, needed)).to.include({ verdict: 'warn', status: 0 })
    const refused = openFilesFinding(4, needed - 1)
    expect(refused).to.include({ verdict: 'fail', code: 'PEER_SYSTEM_LIMIT', status: 71 })
    const exposed = filesAmongStrangers(4)
    expect(openFilesFinding(4, exposed - 1)).to.include({ verdict: 'warn' })
    expect(openFilesFinding(4, exposed)).to.include({ verdict: 'ok' })
    expect(openFilesFinding(4, Infinity).what).to.include('without a limit')
  })
})

describe('the check of certificates', function () {
  this.timeout(60_000)
  let dir = ''
  before(async () => (dir = await mkdtemp(join(tmpdir(), 'heddle-doctor-'))))
  after(() => rm(dir, { recursive: true }))

  it('says of each what it is, its file, when it ends and in how many days', async () => {
    const { client } = await generateMaterial(dir, 1)
    const files = await mspFiles(client.node.mspDir)
    expect(files.map(({ role }) => role)).to.deep.equal([
      'enrollment',
      'authority',
      'TLS authority',
    ])
    const [own] = files
    const { to, from, subject } = lifetimeOf('', await readFile(own!.file))
    const at = async (now: number) => (await certificateFindings({}, [own!], now))[0]
    const good = await at(to - endsSoonMs)
    const end = new Date(to).toISOString()
    expect(good?.what).to.equal(`enrollment of ${subject} in ${own!.file}: ends ${end}, in 7 days`)
    expect(await at(to - endsSoonMs + 1)).to.include({ verdict: 'warn', status: 0 })
    expect(await at(to + 1)).to.include({ verdict: 'fail', status: 78 })
    expect(await at(from - 1)).to.include({ verdict: 'fail', status: 78 })
    expect((await at(to + 1))?.what).to.include(own!.file)
  })

  it('names a file that is missing, and one that holds no certificate', async () => {
    const file = join(dir, 'none.pem')
    const find = () => certificateFindings({}, [{ role: 'server TLS', file }], 0)
    expect((await find())[0]).to.include({ code: 'PEER_FILE_MISSING', status: 66 })
    await writeFile(file, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    expect((await find())[0]).to.include({ code: 'PEER_WRONG_CERTIFICATE', status: 78 })
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await writeFile(file, publicKey.export({ type: 'spki', format: 'pem' }))
    expect((await find())[0]).to.include({ code: 'PEER_WRONG_CERTIFICATE', status: 78 })
  })
})

describe('the check of proxies', () => {
  const proxy = { https_proxy: 'http://proxy.example.com:3128' }

  async function said(host: string, wanted: Config['peer.proxy'], variables: NodeJS.ProcessEnv) {
    const validators = [{ id: 0, gossip: `${host}:1`, orderer: `${host}:2` }]
    const config = { 'peer.proxy': wanted, validators } as unknown as Config
    const [finding] = await proxyFindings(config, variables)
    return finding
  }

  it('says which one leads to validators, and whether validators take it', async () => {
    expect((await said('a.example.com', 'none', proxy))?.what).to.equal(
      'clients go through proxy.example.com:3128 (https_proxy) to a.example.com:2; validators go directly',
    )
    const taken = await said('a.example.com', 'environment', proxy)
    expect(taken?.verdict).to.equal('warn')
    expect(taken?.what).to.match(/^clients and validators go through proxy.example.com:3128/)
    const free = { ...proxy, no_proxy: 'example.com' }
    expect(await said('a.example.com', 'none', free)).to.include({ verdict: 'ok' })
  })

  it('warns when a validator wants the one of the environment, and there is none', async () => {
    expect(await said('a.example.com', 'environment', {})).to.include({ verdict: 'warn' })
    expect(await said('a.example.com', 'none', {})).to.include({ verdict: 'ok' })
    expect(await said('127.0.0.1', 'none', proxy)).to.include({ verdict: 'ok' })
  })

  it('fails for a variable that names none', async () => {
    const finding = await said('a.example.com', 'none', { https_proxy: 'socks5://x' })
    expect(finding).to.include({ verdict: 'fail', code: 'DELIVER_INVALID_OPTIONS', status: 78 })
  })
})

describe('the check of validators', () => {
  const clock = new VirtualClock()

  /** What a validator says of itself; or why it says nothing. */
  type Said = { readonly degraded?: boolean; readonly aheadMs?: number } | Error

  async function find(...all: Said[]) {
    const asked: number[] = []
    const validators = all.map((said, index) => ({
      name: `validator${index}`,
      dateMs: said instanceof Error ? undefined : clock.wallTime() + (said.aheadMs ?? 0),
      status: ({ timeoutMs }: { timeoutMs: number }) => {
        asked.push(timeoutMs)
        if (said instanceof Error) return Promise.reject(said)
        const { degraded = false } = said
        const problem = { degraded, component: 'disk', reason: 'full', cure: 'make room' }
        const problems = said.degraded === undefined ? [] : [problem]
        return Promise.resolve(create(heddle.StatusReplySchema, { height: 5n, problems }))
      },
    })) as unknown as ValidatorClient[]
    const found = await validatorFindings({ validators }, clock)
    expect(asked, 'none is waited for longer').to.deep.equal(all.map(() => answerTimeoutMs))
    return found
  }
  const verdicts = (found: Awaited<ReturnType<typeof find>>) => found.map((each) => each.verdict)
  const down = new ClientError('CLIENT_UNAVAILABLE', 'validator3: no answer in time')

  it('warns of one that gives no answer, as long as a quorum works', async () => {
    const found = await find({}, {}, {}, down)
    expect(verdicts(found)).to.deep.equal(['ok', 'ok', 'ok', 'warn', 'ok', 'ok'])
    expect(found[3]).to.include({ about: 'validator3', what: 'no answer: no answer in time' })
    expect(statusOf(found)).to.equal(0)
    expect(statusOf(await find({}, {}, down, down))).to.equal(69)
  })

  it('tells what validators say is wrong with them, with the cure', async () => {
    const found = await find({ degraded: true }, { degraded: false }, {}, {})
    expect(verdicts(found)).to.deep.equal(['warn', 'warn', 'ok', 'ok', 'ok', 'ok'])
    expect(found[0]).to.include({ what: 'says degraded disk: full', cure: 'make room' })
    expect(found[1]?.what).to.equal('says FAILED disk: full')
    const stopped = await find({ degraded: false }, { degraded: false }, {}, {})
    expect(stopped.at(-1)).to.include({ check: 'quorum', verdict: 'fail', status: 69 })
  })

  it('compares the clock with those of f + 1 validators', async () => {
    const off = await find({ aheadMs: 60_000 }, { aheadMs: 60_000 }, {}, {})
    expect(off[4]).to.include({ check: 'clock', code: 'CLIENT_WRONG_CLOCK', status: 78 })
    const one = await find({ aheadMs: 60_000 }, {}, {}, {})
    expect(one[4]).to.include({ check: 'clock', verdict: 'ok' })
    const few = await find({}, down, down, down)
    expect(few[4]).to.include({ check: 'clock', verdict: 'warn' })
  })

  it('fails when f + 1 refuse whoever asks', async () => {
    const no = new ClientError('CLIENT_FORBIDDEN', 'validator0 refuses the client')
    const found = await find(no, no, {}, {})
    expect(found[0]).to.include({ verdict: 'warn' })
    expect(found[0]!.cure).to.match(/^check that the client .* is a member/)
    expect(found.at(-1)).to.include({ code: 'CLIENT_FORBIDDEN', status: 77 })
    expect(statusOf(await find(no, {}, {}, {}))).to.equal(0)
  })
})
