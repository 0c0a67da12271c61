import { expect } from 'chai'
import { transactionCounts } from '../support/chain.ts'
import { Load } from '../support/load.ts'
import { withNetwork } from '../support/with-network.ts'
import type { Acknowledged } from '../support/load.ts'
import type { Validators } from '../support/validators.ts'

/** A silent primary is replaced after that long: shorter than the default, so that tests are, too. */
const env = { CORE_PBFT_GENERAL_TIMEOUT_REQUEST: '2s', CORE_PBFT_GENERAL_TIMEOUT_VIEWCHANGE: '2s' }

/** Acknowledgements after which a network counts as working again: several blocks. */
const some = 150

/** A client gives no silent stream up while the tests run: nobody may have to wait for that. */
const answerTimeoutMs = 3_600_000

describe('a primary that is frozen under load', function () {
  this.timeout(180_000)
  let network: Validators
  let load: Load
  // Before the network, which ends after it.
  after(() => load.stop())
  const suite = withNetwork({ batchSize: 100, env })
  before(() => {
    ;({ network } = suite)
  })

  it('stops nobody, though clients speak to it alone', async () => {
    const primary = await network.primary()
    const { orderer } = network.described(primary)
    const only = network.client.endpoints.filter(({ address }) => address === orderer)
    load = new Load(network.client, 'load', only, { answerTimeoutMs })
    await load.start()
    await load.more(some)
    network.process(primary).kill('SIGSTOP')
    const before = load.acknowledged.length
    // The frozen one had answered some before, whose answers come late.
    const isByAnother = ({ address }: Acknowledged): boolean => address !== orderer
    do await load.more(some)
    while (!load.acknowledged.slice(before).some(isByAnother))
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
