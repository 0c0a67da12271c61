import { expect } from 'chai'
import { transactionCounts } from '../support/chain.ts'
import { Sandbox } from '../support/heddle.ts'
import { Load } from '../support/load.ts'
import { Validators } from '../support/validators.ts'

/** A silent primary is replaced after that long: shorter than the default, so that tests are, too. */
const env = { CORE_PBFT_GENERAL_TIMEOUT_REQUEST: '2s', CORE_PBFT_GENERAL_TIMEOUT_VIEWCHANGE: '2s' }

/** Acknowledgements after which a network counts as working again: several blocks. */
const some = 300

/** After that long a client gives a silent stream up: nobody may have to wait for that. */
const answerTimeoutMs = 30_000

describe('a primary that is frozen under load', function () {
  this.timeout(180_000)
  const sandbox = new Sandbox()
  let network: Validators
  let load: Load
  before(async () => {
    await sandbox.open()
    network = await Validators.make(sandbox, 'net', { args: ['--batch-size', '100'] })
    await network.startAll(network.names, { env })
  })
  after(async () => {
    try {
      await load.stop()
      await network.stop()
    } finally {
      await sandbox.close()
    }
  })

  it('stops nobody, though clients speak to it alone', async () => {
    const primary = await network.primary()
    const { orderer } = network.described(primary)
    const only = network.client.endpoints.filter(({ address }) => address === orderer)
    load = new Load(network.client, 'load', only)
    await load.start()
    await load.more(some)
    network.process(primary).kill('SIGSTOP')
    const frozenAt = performance.now()
    await load.more(some)
    const back = load.acknowledged.filter(({ atMs }) => atMs > frozenAt)
    const others = back.filter(({ address }) => address !== orderer)
    // Not one that the frozen one had answered before, and whose answer came late.
    const waited = others[0]!.atMs - frozenAt
    expect(waited, 'milliseconds').to.be.lessThan(answerTimeoutMs)
    const rest = network.names.filter((name) => name !== primary)
    const statuses = await Promise.all(rest.map((name) => network.status(name)))
    for (const status of statuses) expect(network.names[status.primary]).not.to.equal(primary)
    network.process(primary).kill('SIGCONT')
  })

  it('loses nothing, executes nothing twice, and catches up when it goes on', async () => {
    await load.pause()
    await network.level()
    expect(load.acknowledged).to.have.length(load.sent)
    for (const name of network.names) {
      const counts = await transactionCounts(network.client, network.described(name).orderer)
      expect(counts.size, `all that was sent is in the chain of ${name}`).to.equal(load.sent)
      expect([...counts.values()].filter((count) => count > 1)).to.deep.equal([])
    }
  })
})
