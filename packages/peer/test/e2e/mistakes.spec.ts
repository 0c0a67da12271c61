import { expect } from 'chai'
import { once } from 'node:events'
import { mkdir, open, readFile, readdir, rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join, relative } from 'node:path'
import { createTestOrganization } from '@heddle/msp/testing'
import { Sandbox, recordLines } from '../support/heddle.ts'
import { shiftedClock } from '../support/seen.ts'
import { Validators } from '../support/validators.ts'
import type { AddressInfo, Server } from 'node:net'
import type { Finished } from '../support/heddle.ts'

/** Exit statuses that `heddle --help` lists. */
const statuses = {
  usage: 64,
  badLines: 65,
  noFile: 66,
  unavailable: 69,
  disk: 74,
  busy: 75,
  config: 78,
} as const

describe('mistakes of a person', function () {
  this.timeout(120_000)
  const sandbox = new Sandbox()
  let network: Validators

  before(async () => {
    await sandbox.open()
    network = await Validators.make(sandbox, 'net', { input: recordLines('r', 20) })
  })
  after(async () => {
    try {
      network.client.close()
    } finally {
      await sandbox.close()
    }
  })

  /** It ended with that status, said what, and what to do about it. */
  function expectFailure(result: Finished, status: number, what: RegExp | string): void {
    expect(result.status, result.stderr).to.equal(status)
    if (typeof what === 'string') expect(result.stderr).to.include(what)
    else expect(result.stderr).to.match(what)
    expect(result.stderr).to.match(/^ {2}try: ./m)
    expect(result.stderr, 'no stack of JavaScript').not.to.match(/^ +at /m)
  }

  /** An MSP folder with somebody of another organisation whose certificate has expired. */
  async function expiredFolder(): Promise<string> {
    const org = await createTestOrganization({ mspId: 'Org1MSP' })
    const own = await org.variant('own', 'expired')
    const files = {
      'cacerts/ca.pem': org.ca.certificate,
      'signcerts/own.pem': own.certificate,
      'keystore/own_sk': own.privateKey,
      'config.yaml':
        'NodeOUs: {Enable: yes, AdminOUIdentifier: {OrganizationalUnitIdentifier: admin}, PeerOUIdentifier: {OrganizationalUnitIdentifier: peer}}',
    }
    for (const [path, text] of Object.entries(files)) {
      const file = sandbox.path(join('expired', path))
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, text)
    }
    return sandbox.path('expired')
  }

  const up = (...args: string[]): Promise<Finished> =>
    sandbox.run(['network', 'up', '--exit', '--dir', sandbox.path('other'), ...args])
  const start = (env: NodeJS.ProcessEnv): Promise<Finished> =>
    sandbox.run(['peer', 'start', '--config', network.config('validator0')], { env })

  describe('with files', () => {
    const missing = (): string => sandbox.path('missing')

    it('names an input that is missing, and makes no network', async () => {
      expectFailure(await up('--input', missing()), statuses.noFile, `no file ${missing()}`)
      expect(await readdir(sandbox.dir)).not.to.include('other')
    })

    it('names a folder in place of standard input, and submits nothing', async () => {
      const folder = await open(sandbox.dir)
      try {
        const options = { stdin: folder.fd }
        const result = await sandbox.run(['submit', '--dir', network.dir], options)
        expectFailure(result, statuses.noFile, 'standard input is a folder')
      } finally {
        await folder.close()
      }
    })

    it('names genesis accounts that are missing or no amounts', async () => {
      const none = await up('--genesis-accounts', missing())
      expectFailure(none, statuses.noFile, `no file ${missing()}`)
      const accounts = await sandbox.file('accounts.json', '{"alice": 1.5}')
      const wrong = await up('--genesis-accounts', accounts)
      expectFailure(wrong, statuses.usage, /account "alice": amount 1\.5 is not a whole number/)
    })

    it('names a configuration that is missing or not valid', async () => {
      const none = await sandbox.run(['peer', 'start', '--config', missing()])
      expectFailure(none, statuses.noFile, missing())
      const bad = await sandbox.file('bad.yaml', 'pbft:\n  general:\n    batchsize: 0\n')
      const wrong = await sandbox.run(['peer', 'start', '--config', bad])
      expectFailure(wrong, statuses.config, /bad\.yaml/)
    })

    for (const variable of ['GENERAL_GENESISFILE', 'PEER_TLS_CERT_FILE', 'PEER_TLS_KEY_FILE']) {
      it(`names a file of the configuration that is missing: ${variable}`, async () => {
        const result = await start({ [`CORE_${variable}`]: missing() })
        expectFailure(result, statuses.noFile, `no file ${missing()}`)
      })
    }

    it('names TLS files that hold no PEM, or not one pair, and what to do', async () => {
      const garbage = await sandbox.file('garbage.pem', 'hello')
      const none = await start({ CORE_PEER_TLS_CERT_FILE: garbage })
      expectFailure(none, statuses.config, `${garbage} holds no PEM: give the content`)
      const key = join(network.dir, network.descriptor.client.tlsKey)
      const wrong = await start({ CORE_PEER_TLS_KEY_FILE: key })
      expectFailure(wrong, statuses.config, `${key} is not the key of `)
    })

    it('names an MSP folder that is missing, or somebody else’s', async () => {
      const none = await start({ CORE_PEER_MSPCONFIGPATH: missing() })
      expectFailure(none, statuses.config, missing())
      const { client } = network.descriptor
      const wrong = await start({
        CORE_PEER_MSPCONFIGPATH: join(network.dir, client.msp),
        CORE_PEER_LOCALMSPID: client.mspId,
      })
      expectFailure(
        wrong,
        statuses.config,
        /names no consenter of ClientMSP with the key of this certificate/,
      )
    })

    it('names the own certificate that has expired, in validators and clients', async () => {
      const msp = await expiredFolder()
      const said = /certificate "CN=own.*" expired at /
      const env = { CORE_PEER_MSPCONFIGPATH: msp, CORE_PEER_LOCALMSPID: 'Org1MSP' }
      expectFailure(await start(env), statuses.config, said)
      const file = join(network.dir, 'network.json')
      const good = await readFile(file, 'utf8')
      const client = { ...network.descriptor.client, msp: relative(network.dir, msp) }
      await writeFile(file, JSON.stringify({ ...JSON.parse(good), client }))
      try {
        const query = ['query', 'records', 'x', '--dir', network.dir]
        for (const each of [query, ['submit', '--dir', network.dir]]) {
          expectFailure(await sandbox.run(each), statuses.config, said)
        }
      } finally {
        await writeFile(file, good)
      }
    })

    it('names a genesis block that is damaged', async () => {
      const genesis = join(network.dir, network.descriptor.genesis)
      const bytes = await readFile(genesis)
      const damaged = await sandbox.file('damaged.block', bytes.subarray(0, bytes.length / 2))
      const wrong = await start({ CORE_GENERAL_GENESISFILE: damaged })
      expectFailure(wrong, statuses.config, /damaged\.block is not a genesis block/)
    })

    it('names a network.json that is damaged', async () => {
      const file = join(network.dir, 'network.json')
      await rename(file, `${file}.good`)
      await writeFile(file, '{"channelId": ')
      const result = await sandbox.run(['network', 'status', '--dir', network.dir])
      await rename(`${file}.good`, file)
      expectFailure(result, statuses.config, file)
    })
  })

  describe('with ports', () => {
    let server: Server
    let busy = 0
    before(async () => {
      server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      busy = (server.address() as AddressInfo).port
    })
    after(() => server.close())

    it('names one of the fixed ports that is busy', async () => {
      const result = await up('--base-port', String(busy - 2), '--input', '-')
      expectFailure(result, statuses.busy, /another process listens on 127\.0\.0\.1:\d+/)
    })

    const settings = {
      'peer.listenAddress': 'CORE_PEER_LISTENADDRESS',
      'general.listenAddress': 'CORE_GENERAL_LISTENADDRESS',
      'operations.listenAddress': 'CORE_OPERATIONS_LISTENADDRESS',
    }
    for (const [setting, variable] of Object.entries(settings)) {
      it(`names the port that is busy and the setting to change: ${setting}`, async () => {
        const result = await start({ [variable]: `127.0.0.1:${busy}` })
        expectFailure(result, statuses.busy, `another process listens on 127.0.0.1:${busy}`)
        expect(result.stderr).to.match(new RegExp(`try: .*${setting}`))
      })
    }
  })

  describe('with input lines', () => {
    const lines = [
      '{"id": "good-1"}',
      'not json',
      '[1, 2]',
      '{"id": "unfinished"',
      '{"from": "alice", "to": "bob", "amount": -1}',
      '{"from": "alice", "to": "bob", "amount": 1e400}',
      '',
    ].map((line) => Buffer.from(line))
    const input = Buffer.concat(
      [
        ...lines,
        Buffer.from([0x7b, 0xff, 0xfe, 0x7d]),
        Buffer.from(`{"id": "long", "text": "${'x'.repeat(600 * 1024)}"}`),
        Buffer.from('{"id": "good-2"}'),
      ].flatMap((line) => [line, Buffer.from('\n')]),
    )

    function expectLines(result: Finished): void {
      expect(result.status, result.stderr).to.equal(statuses.badLines)
      for (const line of [2, 3, 4, 8, 9]) {
        expect(result.stderr, `line ${line}`).to.match(new RegExp(`line ${line}: .`))
      }
      for (const line of [1, 7, 10]) {
        expect(result.stderr, `line ${line}`).not.to.match(new RegExp(`line ${line}:`))
      }
      expect(result.stderr)
        .to.match(/line 8: not UTF-8/)
        .and.match(/line 9: longer than/)
    }

    it('names those that are no JSON objects, executes all others, and proves it', async () => {
      const result = await sandbox.run(
        ['network', 'up', '--exit', '--json', '--dir', network.dir, '--input', '-'],
        { input },
      )
      expectLines(result)
      expect(result.heddle.find('summary')?.['proof']).to.have.property('held', true)
    })

    it('names them when they are submitted to a running network, which goes on', async () => {
      await network.startAll()
      const dir = ['--dir', network.dir]
      expectLines(await sandbox.run(['submit', '--json', ...dir], { input }))
      const good = await sandbox.run(['query', 'records', 'good-2', ...dir])
      expect(good.stdout).to.equal('{"id": "good-2"}')
    })
  })

  ;(process.platform === 'linux' ? describe : describe.skip)(
    'with an output that has no room',
    () => {
      it('ends with the status that it names, whatever the answers were', async () => {
        const missing = ['doctor', '--dir', sandbox.path('missing')]
        expect((await sandbox.run(missing)).status).to.equal(statuses.unavailable)
        const full = await sandbox.run(missing, { hasFullOutput: true })
        expectFailure(full, statuses.disk, `exit status ${statuses.disk}`)
      })
    },
  )

  describe('with the number of a block', () => {
    const blocks = (...args: string[]): Promise<Finished> =>
      sandbox.run(['blocks', '--dir', network.dir, ...args])

    it('names a block that is not there yet, and an end before the beginning', async () => {
      const none = await blocks('--from', '9000', '--to', '9001')
      expectFailure(none, statuses.noFile, 'has no block 9000 yet')
      const reverse = await blocks('--from', '5', '--to', '3')
      expectFailure(reverse, statuses.usage, '--to 3 is before --from 5')
    })
  })

  describe('with validators that do not run', () => {
    it('names each and its address, once', async () => {
      await network.kill('validator3')
      const { stdout, status } = await sandbox.run(['network', 'status', '--dir', network.dir])
      expect(status).to.equal(0)
      expect(stdout).to.match(/^validator3 {2}no answer: connect ECONNREFUSED [\d.]+:\d+$/m)
      network.start('validator3')
      await network.ready()
      await network.level()
    })
  })

  describe('with the clock of the client', () => {
    it('names by how much it is off, whatever is asked for', async () => {
      const options = { env: shiftedClock(16 * 60_000), input: recordLines('early', 1) }
      for (const args of [['network', 'status'], ['query', 'records', 'good-2'], ['submit']]) {
        const result = await sandbox.run([...args, '--dir', network.dir], options)
        expectFailure(result, statuses.config, /clock of this machine is 16 min ahead of those/)
      }
    })
  })

  describe('with validators that do not answer', () => {
    it('says after 5 s what each command waits for', async () => {
      const [, second, ...frozen] = network.names.map((name) => network.process(name))
      const says = async (args: readonly string[], what: RegExp, input = ''): Promise<void> => {
        const heddle = sandbox.start([...args, '--dir', network.dir], { input })
        await heddle.until(({ stderr }) => what.test(stderr))
        heddle.kill('SIGKILL')
        await heddle.ended
      }
      const file = join(network.dir, 'network.json')
      const written = await readFile(file, 'utf8')
      // As if this process were a validator of an earlier run.
      const [first, ...others] = network.descriptor.validators
      const validators = [{ ...first, pid: process.pid }, ...others]
      await writeFile(file, JSON.stringify({ ...network.descriptor, validators }))
      for (const validator of frozen) validator.kill('SIGSTOP')
      await Promise.all([
        says(['network', 'up', '--exit'], /^waiting for validators of an earlier network in /m),
        says(['submit'], /^waiting for validators to take lines: 3 have/m, recordLines('late', 3)),
        says(['blocks', '--from', '9999', '--to', '9999'], /^waiting for block 9999, which no/m),
      ])
      await writeFile(file, written)
      second!.kill('SIGSTOP')
      await says(['query', 'records', 'good-2'], /^waiting for 2 validators to give the same/m)
      for (const validator of [second!, ...frozen]) validator.kill('SIGCONT')
      await network.level()
    })
  })

  describe('with `network up` beside validators that were started by hand', () => {
    it('refuses before anything is written, and they go on', async () => {
      const files = ['network.json', ...network.descriptor.validators.map(({ config }) => config)]
      const contents = (): Promise<string[]> =>
        Promise.all(files.map((file) => readFile(join(network.dir, file), 'utf8')))
      const before = await contents()
      const result = await sandbox.run(['network', 'up', '--exit', '--dir', network.dir])
      const pid = network.process('validator0').pid
      expectFailure(result, statuses.busy, `runs already, as process ${pid}`)
      expect(await contents()).to.deep.equal(before)
      await network.level()
      await network.stop()
    })
  })
})
