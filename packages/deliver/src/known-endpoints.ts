import type { ChannelConfig } from '@heddle/channel'
import type { Logger } from '@heddle/interface'
import { endpointsOf } from './config-endpoints.ts'
import type { EndpointSet } from './endpoint-set.ts'
import type { Endpoint } from './ports.ts'

/** Where an endpoint that the configuration names is reached from here. */
export interface AddressOverride {
  /** The address as the configuration has it. */
  readonly from: string
  /** `host:port` to ask instead. */
  readonly to: string
  /** PEM: the authorities that vouch for it. Default: those of its organisation. */
  readonly roots?: readonly (string | Buffer)[]
  /** The name that its certificate must carry, if it is not the host of `to`. */
  readonly serverName?: string
}

/** See `PullOptions`. */
export interface KnownEndpointsOptions {
  readonly onlyGiven: boolean
  readonly addressOverrides: readonly AddressOverride[]
}

/** Endpoints that one line names at most. */
const maxEndpointsSaid = 10

/** Keeps an {@link EndpointSet} level with the endpoints that the configuration in force names. */
export class KnownEndpoints {
  readonly #set: EndpointSet
  readonly #options: KnownEndpointsOptions
  readonly #logger: Logger | undefined
  #config: ChannelConfig | undefined
  /** What was said of the endpoints of that configuration. */
  #unusable: readonly string[] = []

  constructor(set: EndpointSet, options: KnownEndpointsOptions, logger: Logger | undefined) {
    this.#set = set
    this.#options = options
    this.#logger = logger
  }

  /** `config` is in force: whom it names is asked. */
  follow(config: ChannelConfig): void {
    if (this.#options.onlyGiven || config === this.#config) return
    const { endpoints, unusableEndpoints } = endpointsOf(config)
    this.#sayUnusable(config.blockNumber, unusableEndpoints)
    this.#config = config
    this.#set.update(endpoints.map((endpoint) => this.#overridden(endpoint)))
  }

  #overridden(endpoint: Endpoint): Endpoint {
    const override = this.#options.addressOverrides.find(({ from }) => from === endpoint.address)
    if (override === undefined) return endpoint
    const { to, roots = endpoint.roots, serverName } = override
    return { address: to, roots, ...(serverName !== undefined && { serverName }) }
  }

  /** Says which endpoints the configuration of `block` names in vain, unless the one before did as well. */
  #sayUnusable(block: bigint, unusable: readonly string[]): void {
    const known = new Set(this.#unusable)
    this.#unusable = unusable
    const found = unusable.filter((said) => !known.has(said))
    if (found.length === 0) return
    this.#logger?.warn('endpoints in the configuration of the channel cannot be used', {
      block,
      count: found.length,
      endpoints: found.slice(0, maxEndpointsSaid).join('; '),
    })
  }
}
