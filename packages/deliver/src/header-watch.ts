import { pause } from '@heddle/events'
import type { Clock, Logger } from '@heddle/interface'
import type { Position } from './block-check.ts'
import type { BlockStreamContext } from './block-stream.ts'
import type { EndpointSet } from './endpoint-set.ts'
import type { BlockError } from './errors.ts'
import { HeaderStream, WholeBlocksError } from './header-stream.ts'
import type { Endpoint } from './ports.ts'

/** What a {@link HeaderWatch} goes by. */
export interface WatchContext extends BlockStreamContext {
  readonly clock: Clock
  readonly endpoints: EndpointSet
  readonly logger: Logger | undefined
  /** How many endpoints are watched at a time. */
  readonly maxHeaderStreams: number
  /** How often it is looked what they have. */
  readonly lookMs: number
}

/** Where delivery is. */
export interface Delivery {
  /** Undefined before it began. */
  position: Position | undefined
  /** Who is asked for blocks. */
  source: Endpoint | undefined
}

/**
 * Watches what others than the source have, by their signed headers: a block that they prove to have
 * and the source does not give is held back, or the source is slow.
 *
 * At most `maxHeaderStreams` streams of headers, one new stream each per look, one signature check each
 * per look. A stream that ended makes room for an endpoint that was not watched before it again.
 */
export class HeaderWatch {
  readonly #context: WatchContext
  readonly #delivery: Delivery
  readonly #streams = new Map<string, HeaderStream>()
  /** Addresses of those that cannot give headers alone. */
  readonly #unfit = new Set<string>()
  /** Addresses in the order in which they were watched last. */
  #watched: string[] = []
  /** Whether others were ahead at the last look. */
  #wasBehind = false
  /** Called when others turn out to be ahead. */
  onBehind: () => void = () => undefined

  constructor(context: WatchContext, delivery: Delivery) {
    this.#context = context
    this.#delivery = delivery
  }

  /**
   * Whether others prove to have a block that was not delivered: one where a quorum signs each block,
   * otherwise f + 1 of the endpoints, f of which may lie.
   */
  isBehind(): boolean {
    const { position } = this.#delivery
    if (position === undefined) return false
    const { size } = this.#context.endpoints
    const needed = position.config.bft ? 1 : Math.floor((size - 1) / 3) + 1
    return [...this.#streams.values()].filter(({ isAhead }) => isAhead).length >= needed
  }

  /** Watches until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, lookMs } = this.#context
    const reading = new Set<Promise<void>>()
    while (!signal.aborted) {
      for (const stream of this.#opened()) {
        const read = this.#read(stream, signal).finally(() => reading.delete(read))
        reading.add(read)
      }
      await pause(clock, lookMs, signal)
      await this.#look(signal)
    }
    await Promise.all(reading)
  }

  /** Streams for the room there is, to those that were watched longest ago. */
  #opened(): HeaderStream[] {
    const { endpoints, maxHeaderStreams } = this.#context
    const { position, source } = this.#delivery
    if (position === undefined) return []
    const age = (address: string): number => this.#watched.indexOf(address)
    const chosen = endpoints
      .others(source)
      .filter(({ address }) => !this.#streams.has(address) && !this.#unfit.has(address))
      .sort((a, b) => age(a.address) - age(b.address))
      .slice(0, Math.max(maxHeaderStreams - this.#streams.size, 0))
    return chosen.map((endpoint) => {
      const { address } = endpoint
      const at = (): Position => this.#delivery.position ?? position
      const stream = new HeaderStream(endpoint, this.#context, at)
      this.#streams.set(address, stream)
      this.#watched = [...this.#watched.filter((other) => other !== address), address]
      return stream
    })
  }

  async #read(stream: HeaderStream, signal: AbortSignal): Promise<void> {
    const { address } = stream.endpoint
    try {
      await stream.read(this.#context.lookMs, signal)
    } catch (error) {
      if (error instanceof WholeBlocksError) this.#unfit.add(address)
      if (!signal.aborted)
        this.#context.logger?.debug('headers ended', { endpoint: address }, error)
    } finally {
      this.#streams.delete(address)
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    await Promise.all([...this.#streams.values()].map((stream) => this.#lookAt(stream)))
    const isBehind = this.isBehind()
    if (isBehind && !this.#wasBehind) this.onBehind()
    this.#wasBehind = isBehind
  }

  async #lookAt(stream: HeaderStream): Promise<void> {
    const { endpoints, logger, lookMs } = this.#context
    try {
      await stream.look(lookMs)
    } catch (error) {
      const { endpoint } = stream
      const { code } = error as BlockError
      logger?.warn('endpoint is suspected', { endpoint: endpoint.address, code }, error)
      endpoints.lied(endpoint)
      stream.close()
    }
  }
}
