import { expect } from 'chai'
import { readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateOrganization } from '@heddle/msp'
import { endsSoonMs } from '../../src/node/certificates-check.ts'
import { generateMaterial } from '../../src/network/crypto.ts'
import { eventually } from '../support/eventually.ts'
import { Sandbox, recordLines } from '../support/heddle.ts'
import { healthOf, linesAbout, metricOf, overFor, seenBy, shiftedClock } from '../support/seen.ts'
import { Validators } from '../support/validators.ts'
import type { Expected } from '../support/seen.ts'

/** A silent primary is replaced after that long: shorter than the default, so that tests are, too. */
const env = { CORE_PBFT_GENERAL_TIMEOUT_REQUEST: '2s', CORE_PBFT_GENERAL_TIMEOUT_VIEWCHANGE: '2s' }

/** The operations guide names these tests: what an operator reads must be so. */
describe('a validator', function () {
  this.timeout(180_000)
  // A network in which a certificate ends while the other tests run.
  const ending = new Sandbox()
  let endingNetwork: Validators
  const dayMs = 24 * 3_600_000
  /** In the material, and by the clocks of the validators after they were started. */
  const goodForMs = 8 * 60_000
  const leftMs = 40_000
  let shifted: NodeJS.ProcessEnv = {}

  before(async () => {
    await ending.open()
    const crypto = ending.path('net', 'crypto')
    const { validators } = await generateMaterial(crypto, 4)
    const { organization, node } = validators[3]!
    await rm(join(node.mspDir, 'signcerts'), { recursive: true })
    // Certificates begin 5 min before they are made.
    const madeAt = Date.now() + goodForMs + 5 * 60_000 - dayMs
    await generateOrganization({
      ...{ mspId: organization.mspId, domain: 'org3.example.com', dir: organization.dir },
      nodes: [{ ...node, sans: ['localhost', '127.0.0.1', '::1'] }],
      ...{ validityDays: 1, clock: { wallTime: () => madeAt } },
    })
    const endsAt = Date.now() + goodForMs
    endingNetwork = await Validators.make(ending, 'net')
    shifted = { ...env, ...shiftedClock(endsAt - leftMs - Date.now()) }
    for (const each of endingNetwork.names) endingNetwork.start(each, { env: shifted })
  })
  after(async () => {
    try {
      await endingNetwork.stop()
    } finally {
      await ending.close()
    }
  })

  describe('what is wrong is said in /healthz, metrics, network status and the log', function () {
    this.timeout(180_000)
    const sandbox = new Sandbox()
    let network: Validators
    const all = ['validator0', 'validator1', 'validator2', 'validator3']

    before(async () => {
      await sandbox.open()
      // Each line its own block.
      network = await Validators.make(sandbox, 'net', { batchSize: 1 })
      await network.startAll(all, { env })
    })
    // One test that fails is enough.
    afterEach(() => {
      for (const name of all) network.process(name).kill('SIGCONT')
    })
    after(async () => {
      try {
        await network.stop()
      } finally {
        await sandbox.close()
      }
    })

    const othersOf = (...names: string[]): string[] => all.filter((each) => !names.includes(each))
    const seen = (names: readonly string[], what: Expected): Promise<void> =>
      seenBy(names, what, { network, sandbox })
    const submit = (prefix: string, count: number) =>
      sandbox.run(['submit', '--dir', network.dir], { input: recordLines(prefix, count) })

    it('a validator is down: the others say which, and are well themselves', async () => {
      await network.kill('validator3')
      const others = othersOf('validator3')
      const reason = /^.*validator3 has not been connected for \d+ s$/
      await seen(others, { condition: 'validator-down', about: 'validator3', reason })
      for (const name of others) expect(await network.healthy(name)).to.equal(true)
      network.start('validator3', { env })
      await overFor(all, 'validator-down', network)
    })

    it('the primary is frozen: the others say who is silent, and go on', async () => {
      const primary = await network.primary()
      const others = othersOf(primary)
      network.process(primary).kill('SIGSTOP')
      const reason = new RegExp(`${primary} is connected, and has said nothing for \\d+ s$`)
      await seen(others, { condition: 'validator-silent', about: primary, reason })
      network.process(primary).kill('SIGCONT')
      await overFor(all, 'validator-silent', network)
      await network.ready()
    })

    it('two of four are frozen, and requests wait: the others have failed, and say why', async () => {
      const others = ['validator0', 'validator1']
      const frozen = othersOf(...others)
      for (const name of frozen) network.process(name).kill('SIGSTOP')
      const submitting = submit('waiting', 2)
      const few = /connected with \d validators.*; a quorum needs 2 of the others$/
      await seen(others, { condition: 'too-few-connected', reason: few })
      // Whom the client gave them to is for chance to say; the others get them from there.
      const wait = /requests wait, and nothing has been ordered for \d+ s/
      await seen(others, { condition: 'requests-wait', reason: wait })
      for (const name of frozen) network.process(name).kill('SIGCONT')
      expect((await submitting).status).to.equal(0)
      for (const name of all) await eventually(`${name} is well`, () => network.healthy(name))
      await network.ready()
    })

    it('a clock is off: it is named on both sides, with by how much', async () => {
      await network.kill('validator2')
      network.start('validator2', { env: { ...env, ...shiftedClock(120_000) } })
      const others = othersOf('validator2')
      const ahead = /the clock of validator2 is 1(19|2\d) s ahead of ours$/
      await seen(others, { condition: 'clock-off', about: 'validator2', reason: ahead })
      const behind = /the clock of validator0 is 1(19|2\d) s behind ours$/
      await seen(['validator2'], { condition: 'clock-off', about: 'validator0', reason: behind })
      const offset = 'heddle_clock_offset_seconds{validator="validator2"}'
      expect(await metricOf(network, 'validator0', offset)).to.be.within(110, 130)
      for (const name of all) expect(await network.healthy(name), name).to.equal(true)
      expect((await submit('off', 2)).status, 'within the time window').to.equal(0)
    })

    it('the settings of one differ: they are named on both sides, with both values', async () => {
      await network.kill('validator2')
      network.start('validator2', { env: { ...env, CORE_PBFT_GENERAL_K: '7' } })
      const others = othersOf('validator2')
      const there = /validator2 has pbft\.general\.k 7, here 10$/
      await seen(others, { condition: 'settings-differ', about: 'validator2', reason: there })
      const here = /validator0 has pbft\.general\.k 10, here 7$/
      await seen(['validator2'], {
        condition: 'settings-differ',
        about: 'validator0',
        reason: here,
      })
      await network.kill('validator2')
      network.start('validator2', { env })
      await overFor(others, 'settings-differ', network)
    })

    it('a validator is 60 blocks behind: it says so itself', async () => {
      await network.kill('validator2')
      expect((await submit('ahead', 120)).status).to.equal(0)
      // It hears of the blocks, and cannot fetch them.
      const config = network.config('validator2')
      const good = await readFile(config, 'utf8')
      await writeFile(config, good.replaceAll(/( {4}orderer: 127\.0\.0\.1):\d+/g, '$1:1'))
      network.start('validator2', { env })
      const reason = /\d+ batches behind the others: \d+ of \d+ are executed$/
      await seen(['validator2'], { condition: 'behind', reason })
      await network.kill('validator2')
      await writeFile(config, good)
      network.start('validator2', { env })
      await network.level()
      await overFor(['validator2'], 'behind', network)
    })

    it('two processes are one validator: all hear of it, both of them too', async () => {
      const second = sandbox.start(['peer', 'start', '--config', network.config('validator3')], {
        env: {
          ...env,
          CORE_PEER_FILESYSTEMPATH: sandbox.path('second'),
          CORE_PEER_LISTENADDRESS: '127.0.0.1:0',
          CORE_GENERAL_LISTENADDRESS: '127.0.0.1:0',
          CORE_OPERATIONS_LISTENADDRESS: '127.0.0.1:0',
        },
      })
      const reason = /two processes that speak as validator3$/
      await seen(all, { condition: 'same-identity', about: 'validator3', reason })
      await second.until(({ json }) => json.some((line) => line['condition'] === 'same-identity'))
      second.kill('SIGTERM')
      expect(await second.ended, second.stderr).to.equal(0)
    })
  })

  describe('the certificate of a validator ends', () => {
    const others = ['validator0', 'validator1', 'validator2']
    const seen = (names: readonly string[], what: Expected): Promise<void> =>
      seenBy(names, what, { network: endingNetwork, sandbox: ending })

    it('is named before, and at the end: the others lose it, and go on', async () => {
      const name = 'validator3'
      const said = () =>
        linesAbout(endingNetwork, name, 'certificate-ends-soon', 'enrollment').filter(
          ({ msg }) => msg === 'not well',
        )
      await eventually(`${name} has said that it ends soon`, () => said().length === 1)
      const remaining = 'heddle_certificate_remaining_seconds{certificate="enrollment"}'
      await eventually('the metric says so, too', async () => {
        return (await metricOf(endingNetwork, name, remaining)) < endsSoonMs / 1000
      })
      const ended = /the enrollment certificate of .*CN=validator3.* expired at /
      await seen([name], { condition: 'certificate-expired', about: 'enrollment', reason: ended })
      const reason = /validator3 has not been connected for \d+ s$/
      await seen(others, { condition: 'validator-down', about: name, reason })
      const submitted = await ending.run(['submit', '--dir', endingNetwork.dir], {
        input: recordLines('without', 3),
      })
      expect(submitted.status, submitted.stderr).to.equal(0)
      for (const each of others) expect(await endingNetwork.healthy(each), each).to.equal(true)
    })

    it('and is renewed for the same key: the same validator takes part again', async () => {
      const name = 'validator3'
      endingNetwork.process(name).kill('SIGTERM')
      expect(await endingNetwork.process(name).ended, endingNetwork.process(name).stderr).to.equal(
        0,
      )
      const { validators } = await generateMaterial(ending.path('net', 'crypto'), 4)
      const folder = join(validators[3]!.node.mspDir, 'signcerts')
      for (const file of await readdir(folder)) await rm(join(folder, file))
      await generateMaterial(ending.path('net', 'crypto'), 4)
      endingNetwork.start(name, { env: shifted })
      await endingNetwork.ready()
      // It is needed for a quorum now.
      await endingNetwork.kill('validator0')
      const submitted = await ending.run(['submit', '--dir', endingNetwork.dir], {
        input: recordLines('again', 3),
      })
      expect(submitted.status, submitted.stderr).to.equal(0)
      await endingNetwork.level(endingNetwork.names.slice(1))
      const { failed, degraded } = await healthOf(endingNetwork, name)
      expect(failed).to.deep.equal([])
      expect(degraded.map(({ condition }) => condition)).not.to.include('certificate-ends-soon')
    })
  })
})
