import { expect } from 'chai'
import { transactionCounts } from './chain.ts'
import { Sandbox } from './heddle.ts'
import { Load } from './load.ts'
import { type NetworkOptions, Validators } from './validators.ts'

/** How the network of a suite is made and started; by default there are four validators without anything. */
export interface NetworkSetup extends NetworkOptions {
  /** Further arguments, of what is made in the sandbox before. */
  readonly argsOf?: (sandbox: Sandbox) => Promise<readonly string[]>
  /** Of every validator. */
  readonly env?: NodeJS.ProcessEnv
  /** What happens before the validators are started. */
  readonly beforeStart?: (network: Validators) => Promise<void>
  /** Whether all are started: by default they are. */
  readonly starts?: boolean
  /** Whether a load goes through all of them from the beginning. */
  readonly underLoad?: boolean
}

/** The network of a suite, while its tests run. */
export class SuiteNetwork {
  readonly sandbox = new Sandbox()
  readonly #setup: NetworkSetup
  #network: Validators | undefined
  #load: Load | undefined

  constructor(setup: NetworkSetup) {
    this.#setup = setup
  }

  get network(): Validators {
    expect(this.#network, 'the network was made').not.to.equal(undefined)
    return this.#network!
  }

  get load(): Load {
    expect(this.#load, 'the load was begun').not.to.equal(undefined)
    return this.#load!
  }

  async open(): Promise<void> {
    const { argsOf, env, beforeStart, starts = true, underLoad, ...options } = this.#setup
    await this.sandbox.open()
    const args = await argsOf?.(this.sandbox)
    const made = args === undefined ? options : { ...options, args }
    const network = (this.#network = await Validators.make(this.sandbox, 'net', made))
    await beforeStart?.(network)
    if (starts) await network.startAll(network.names, { ...(env && { env }) })
    if (underLoad !== true) return
    this.#load = new Load(network.client, 'load', network.client.endpoints)
    await this.#load.start()
  }

  async close(): Promise<void> {
    try {
      await this.#load?.stop()
      await this.#network?.stop()
    } finally {
      await this.sandbox.close()
    }
  }

  /** Every acknowledged transaction is in the chain of each of them, and none is there twice. */
  async expectExactlyOnce(names = this.network.names): Promise<void> {
    const { network, load } = this
    for (const name of names) {
      const counts = await transactionCounts(network.client, network.described(name).orderer)
      const lost = load.acknowledged.filter(({ txId }) => !counts.has(txId))
      const twice = [...counts].filter(([, count]) => count > 1)
      expect(lost, `acknowledged and not in the chain of ${name}`).to.deep.equal([])
      expect(twice, `more than once in the chain of ${name}`).to.deep.equal([])
    }
  }

  /** All is level, and exactly once, while nothing is sent; then the load goes on. */
  async expectProof(): Promise<void> {
    const { network, load } = this
    await load.pause()
    await network.level()
    await this.expectExactlyOnce()
    await network.ready()
    load.resume()
  }
}

/** Makes the network of a suite before its tests, and ends it after them: to be called in `describe`. */
export function withNetwork(setup: NetworkSetup = {}): SuiteNetwork {
  const suite = new SuiteNetwork(setup)
  before(() => suite.open())
  after(() => suite.close())
  return suite
}
