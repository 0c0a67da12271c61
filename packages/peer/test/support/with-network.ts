import { expect } from 'chai'
import { transactionCounts } from './chain.ts'
import { Sandbox } from './heddle.ts'
import { Load } from './load.ts'
import { Validators } from './validators.ts'

/** Four validators started by hand, and a load through all of them. */
export class UnderLoad {
  readonly #sandbox = new Sandbox()
  readonly #env: NodeJS.ProcessEnv
  #network: Validators | undefined
  #load: Load | undefined

  /** @param env - of every validator */
  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env
  }

  async open(): Promise<{ readonly network: Validators; readonly load: Load }> {
    await this.#sandbox.open()
    const args = ['--batch-size', '100']
    const network = (this.#network = await Validators.make(this.#sandbox, 'net', { args }))
    await network.startAll(network.names, { env: this.#env })
    const load = (this.#load = new Load(network.client, 'load', network.client.endpoints))
    await load.start()
    return { network, load }
  }

  async close(): Promise<void> {
    try {
      await this.#load?.stop()
      await this.#network?.stop()
    } finally {
      await this.#sandbox.close()
    }
  }

  /** Every acknowledged transaction is in the chain of each of them, and none is there twice. */
  async expectExactlyOnce(names: readonly string[]): Promise<void> {
    const network = this.#network!
    for (const name of names) {
      const counts = await transactionCounts(network.client, network.described(name).orderer)
      const lost = this.#load!.acknowledged.filter(({ txId }) => !counts.has(txId))
      const twice = [...counts].filter(([, count]) => count > 1)
      expect(lost, `acknowledged and not in the chain of ${name}`).to.deep.equal([])
      expect(twice, `more than once in the chain of ${name}`).to.deep.equal([])
    }
  }

  /** All is level, and exactly once, while nothing is sent; then the load goes on. */
  async expectProof(): Promise<void> {
    const network = this.#network!
    await this.#load!.pause()
    await network.level()
    await this.expectExactlyOnce(network.names)
    await network.ready()
    this.#load!.resume()
  }
}
