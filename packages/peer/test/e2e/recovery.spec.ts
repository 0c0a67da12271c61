import { expect } from 'chai'
import { open, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { eventually } from '../support/eventually.ts'
import { withNetwork } from '../support/with-network.ts'
import type { Load } from '../support/load.ts'
import type { Validators } from '../support/validators.ts'

/** A silent primary is replaced after that long: shorter than the default, so that tests are, too. */
const env = { CORE_PBFT_GENERAL_TIMEOUT_REQUEST: '2s', CORE_PBFT_GENERAL_TIMEOUT_VIEWCHANGE: '2s' }

/** Acknowledgements after which a network counts as working again: several blocks. */
const some = 150

describe('several validators lost at once, under load', function () {
  this.timeout(180_000)
  const suite = withNetwork({ batchSize: 100, env, underLoad: true })
  let network: Validators
  let load: Load
  before(async () => {
    ;({ network, load } = suite)
    await load.more(some)
  })

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
    await suite.expectProof()
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
    await suite.expectProof()
  })

  it('all are killed, and started again: the load goes on', async () => {
    await Promise.all(network.names.map((name) => network.kill(name)))
    for (const name of network.names) network.start(name, { env })
    await load.more(some)
    await suite.expectProof()
  })
})

describe('a validator whose journal was lost', function () {
  this.timeout(180_000)
  const suite = withNetwork({ batchSize: 100, env, underLoad: true })
  let network: Validators
  let load: Load
  before(async () => {
    ;({ network, load } = suite)
    await load.more(some)
    await load.pause()
  })

  const journalOf = (name: string): string => join(dirname(network.config(name)), 'data', 'journal')

  /** Whether `/healthz` says so. */
  const says = async (name: string, what: string): Promise<boolean> =>
    (await network.operations(name, '/healthz')).body.includes(what)

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
      await eventually(`${name} says that it does not vote`, () => says(name, 'does not vote'))
      load.resume()
      await eventually(`${name} votes again by itself`, async () => {
        await load.more(some)
        return network.healthy(name)
      })
      // Without another one the others need the one that forgot.
      const victim = network.names.find((each) => each !== name)!
      await network.kill(victim)
      await load.more(some)
      await load.pause()
      network.start(victim, { env })
      await network.level()
      await network.ready()
      await eventually(`${name} is well`, () => network.healthy(name))
    })
})
