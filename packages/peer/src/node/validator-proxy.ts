import { proxyFor } from '@heddle/deliver'
import type { ProxyChoice } from '@heddle/deliver'
import type { Logger } from '@heddle/interface'
import type { Config } from '../config/settings.ts'

/**
 * Which proxy leads to another validator: none, unless `peer.proxy` asks for the environment's.
 *
 * @param logger - told which addresses are reached through one
 * @throws {DeliverError} DELIVER_INVALID_OPTIONS when it asks for one that cannot be used
 */
export function validatorProxy(config: Config, logger?: Logger): ProxyChoice {
  if (config['peer.proxy'] !== 'environment') return () => undefined
  for (const endpoint of config.validators.flatMap(({ gossip, orderer }) => [gossip, orderer])) {
    const proxy = proxyFor(endpoint)
    if (proxy === undefined) continue
    const { address: through, variable } = proxy
    logger?.info('validator is reached through a proxy', { endpoint, through, variable })
  }
  return (address) => proxyFor(address)
}
