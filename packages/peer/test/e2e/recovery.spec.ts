import { expect } from 'chai'
import { open, readdir, rm } from 'node:fs/promises'
import { get } from 'node:http'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { once } from 'node:events'
import { transactionCounts } from '../support/chain.ts'
import { eventually } from '../support/eventually.ts'
import { Sandbox } from '../support/heddle.ts'
import { Load } from '../support/load.ts'
import { Validators } from '../support/validators.ts'
import type { IncomingMessage } from 'node:http'

/** A silent primary is replaced after that long: shorter than the default, so that tests are, too. */
const env = { CORE_PBFT_GENERAL_TIMEOUT_REQUEST: '2s', CORE_PBFT_GENERAL_TIMEOUT_VIEWCHANGE: '2s' }

/** Acknowledgements after which a network counts as working again: several blocks. */
const some = 300

async function makeNetwork(sandbox: Sandbox): Promise<Validators> {
  await sandbox.open()
  const network = await Validators.make(sandbox, 'net', { args: ['--batch-size', '100'] })
  await network.startAll(network.names, { env })
  return network
}

describe('several validators lost at once, under load', function () {
  this.timeout(180_000)
  const sandbox = new Sandbox()
  let network: Validators
  let load: Load
  before(async () => {
    network = await makeNetwork(sandbox)
    load = new Load(network.client, 'load', network.client.endpoints)
    await load.start()
    await load.more(some)
  })
  after(async () => {
    try {
      await load.stop()
      await network.stop()
    } finally {
      await sandbox.close()
    }
  })

  /** All is level, what was acknowledged is in every chain, and nothing is there twice. */
  async function expectProof(): Promise<void> {
    await load.pause()
    await network.level()
    for (const name of network.names) {
      const counts = await transactionCounts(network.client, network.described(name).orderer)
      const lost = load.acknowledged.filter(({ txId }) => !counts.has(txId))
      expect(lost, `acknowledged and not in the chain of ${name}`).to.deep.equal([])
      expect([...counts.values()].filter((count) => count > 1)).to.deep.equal([])
    }
    await network.ready()
    load.resume()
  }

  it('a paused one resumes in the instant in which the primary is killed: the load goes on', async () => {
    const primary = await network.primary()
    const paused = network.names.filter((name) => name !== primary).at(-1)!
    network.process(paused).kill('SIGSTOP')
    await load.more(some)
    network.process(paused).kill('SIGCONT')
    await network.kill(primary)
    await load.more(some)
    network.start(primary, { env })
    await load.more(some)
    await expectProof()
  })

  it('two primaries in a row are killed, each started again: the load goes on', async () => {
    for (const round of [1, 2]) {
      const primary = await network.primary()
      await network.kill(primary)
      await load.more(some)
      expect(await network.primary(), `round ${round}`).not.to.equal(primary)
      network.start(primary, { env })
      await eventually(
        `${primary} answers again`,
        async () => (await network.status(primary)).view >= 0n,
      )
    }
    await load.more(some)
    await expectProof()
  })

  it('all are killed, and started again: the load goes on', async () => {
    await Promise.all(network.names.map((name) => network.kill(name)))
    for (const name of network.names) network.start(name, { env })
    await load.more(some)
    await expectProof()
  })
})

describe('a validator whose journal was lost', function () {
  this.timeout(180_000)
  const sandbox = new Sandbox()
  let network: Validators
  let load: Load
  before(async () => {
    network = await makeNetwork(sandbox)
    load = new Load(network.client, 'load', network.client.endpoints)
    await load.start()
    await load.more(some)
    await load.pause()
  })
  after(async () => {
    try {
      await load.stop()
      await network.stop()
    } finally {
      await sandbox.close()
    }
  })

  const journalOf = (name: string): string => join(dirname(network.config(name)), 'data', 'journal')

  /** Whether `/healthz` says that it does not vote. */
  async function isSilent(name: string): Promise<boolean> {
    const url = `http://${network.described(name).operations}/healthz`
    const [response] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage]
    return (await text(response)).includes('does not vote')
  }

  const losses: Record<string, (dir: string) => Promise<void>> = {
    'deleted while it was stopped': (dir) => rm(dir, { recursive: true }),
    'changed in one bit': async (dir) => {
      const file = await open(join(dir, 'records.journal'), 'r+')
      const { size } = await file.stat()
      const byte = Buffer.alloc(1)
      const at = Math.floor(size / 2)
      await file.read(byte, 0, 1, at)
      byte[0]! ^= 1
      await file.write(byte, 0, 1, at)
      await file.close()
    },
  }

  for (const [what, lose] of Object.entries(losses))
    it(`${what} says that it does not vote, and does again when the others are far enough`, async () => {
      const primary = await network.primary()
      const name = network.names.filter((each) => each !== primary).at(-1)!
      await network.kill(name)
      expect(await readdir(journalOf(name))).to.include('records.journal')
      await lose(journalOf(name))
      network.start(name, { env })
      await network.ready()
      await eventually(`${name} says that it does not vote`, () => isSilent(name))
      load.resume()
      await eventually('it votes from the next view on', async () => {
        await load.more(some)
        const url = `http://${network.described(name).operations}/healthz`
        const [response] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage]
        return (await text(response)).includes('does not vote before view')
      })
      // The next view comes when the primary goes; it needs the one that forgot.
      await network.kill(primary)
      await load.more(some)
      await load.pause()
      network.start(primary, { env })
      await network.level()
      await eventually(`${name} votes`, () => network.healthy(name))
    })
})
