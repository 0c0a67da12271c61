import { VirtualClock } from '@heddle/events/testing'
import { OfferVerifier } from '../../src/switch/offer.ts'
import { judgeSwitch } from '../../src/switch/switch.ts'
import { RulesSwitcher } from '../../src/switch/switcher.ts'
import { createMetrics } from '../../src/operations/metrics.ts'
import { channelId, testChannel, testMembers } from './channel.ts'
import { RecordingLogger } from './recording-logger.ts'
import type { SwitchPlace } from '../../src/switch/switch.ts'

/** Numbers from 0 up to but not including 1, the same for the same seed. */
export function numbersOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** What became of an ordered switch: the number of the rules that it brought, or its fault. */
export interface OrderedSwitch {
  readonly by: number
  readonly block: bigint
  readonly verdict: number | string
}

/** How a network of switchers behaves. */
export interface RulesNetworkInit {
  readonly seed?: number
  /** Part of the offers that are lost. */
  readonly loss?: number
  /** Blocks without a switch in a second. */
  readonly blocksPerSecond?: number
  /** What becomes of an offer of a validator on its way to another; undefined: it is lost. */
  readonly change?: (from: number, to: number, offer: Uint8Array) => Uint8Array | undefined
}

/**
 * Switchers of four validators, in virtual time, over a network and a consensus in memory: it puts
 * each ordered switch into the next block, which all execute at once.
 */
export class RulesNetwork {
  readonly clock = new VirtualClock()
  readonly ordered: OrderedSwitch[] = []
  readonly loggers = [0, 1, 2, 3].map(() => new RecordingLogger())
  /** Inputs of all switches that were submitted. */
  readonly inputs: Uint8Array[] = []
  primary = 0
  activeView = true
  /** Called for each submitted switch; false: it is never ordered. */
  orders: (by: number) => boolean = () => true
  /** Called for each switch that is ordered: until when it is held up. */
  held: (by: number) => Promise<void> | undefined = () => undefined
  place: SwitchPlace = { rules: 1, since: 0n, block: 1n }
  readonly #verifier: OfferVerifier
  readonly #init: RulesNetworkInit
  readonly #random: () => number
  readonly #switchers = new Map<number, RulesSwitcher>()
  readonly #signers

  private constructor(
    init: RulesNetworkInit,
    parts: {
      readonly verifier: OfferVerifier
      readonly signers: Awaited<ReturnType<typeof testMembers>>['validators']
    },
  ) {
    this.#init = init
    this.#random = numbersOf(init.seed ?? 1)
    this.#verifier = parts.verifier
    this.#signers = parts.signers
  }

  static async make(init: RulesNetworkInit = {}): Promise<RulesNetwork> {
    const { validators } = await testMembers()
    const verifier = new OfferVerifier((await testChannel(4)).config)
    const network = new RulesNetwork(init, { verifier, signers: validators })
    network.#grow()
    return network
  }

  /** The switcher of a validator that runs. */
  switcher(replica: number): RulesSwitcher {
    return this.#switchers.get(replica)!
  }

  /** Starts a validator, or starts it again, with a number to offer. */
  async start(replica: number, offered: number): Promise<void> {
    await this.stop(replica)
    const switcher = new RulesSwitcher(
      {
        signer: this.#signers[replica]!,
        verifier: this.#verifier,
        broadcast: (offer) => this.#broadcast(replica, offer),
        place: () => this.place,
        consensus: () => ({ primary: this.primary, activeView: this.activeView }),
        submit: (input) => this.submit(replica, input),
        clock: this.clock,
        logger: this.loggers[replica]!,
        metrics: createMetrics(),
      },
      { channelId, replica, offered },
    )
    this.#switchers.set(replica, switcher)
    await switcher.start()
  }

  async startAll(offered: number): Promise<void> {
    for (let replica = 0; replica < 4; replica++) await this.start(replica, offered)
  }

  async stop(replica: number): Promise<void> {
    await this.#switchers.get(replica)?.stop()
    this.#switchers.delete(replica)
  }

  async stopAll(): Promise<void> {
    for (const replica of [...this.#switchers.keys()]) await this.stop(replica)
  }

  /** Has a switch ordered, after up to half a second. */
  async submit(by: number, input: Uint8Array): Promise<void> {
    this.inputs.push(input)
    if (!this.orders(by)) return new Promise(() => undefined)
    await this.held(by)
    await new Promise<void>((resolve) => {
      this.clock.schedule(500 * this.#random(), resolve)
    })
    const { block } = this.place
    const verdict = judgeSwitch(input, this.place, this.#verifier)
    this.ordered.push({ by, block, verdict })
    this.place =
      typeof verdict === 'number'
        ? { rules: verdict, since: block + 1n, block: block + 1n }
        : { ...this.place, block: block + 1n }
  }

  #broadcast(from: number, offer: Uint8Array): void {
    const { loss = 0, change } = this.#init
    for (const to of [0, 1, 2, 3]) {
      if (to === from || this.#random() < loss) continue
      const bytes = change === undefined ? offer : change(from, to, offer)
      if (bytes === undefined) continue
      this.clock.schedule(100 * this.#random(), () => this.receive(from, to, bytes))
    }
  }

  /** Hands a message over as PeerNetwork does: one that is refused is lost. */
  receive(from: number, to: number, bytes: Uint8Array): void {
    try {
      this.#switchers.get(to)?.receive(from, bytes)
    } catch {
      // counted there
    }
  }

  #grow(): void {
    const perSecond = this.#init.blocksPerSecond ?? 0
    if (perSecond === 0) return
    this.clock.schedule(1000 / perSecond, () => {
      this.place = { ...this.place, block: this.place.block + 1n }
      this.#grow()
    })
  }
}
