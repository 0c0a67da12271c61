import { proxyFor } from '@heddle/deliver'
import type { ProxyChoice } from '@heddle/deliver'
import type { Config } from '../config/settings.ts'

/**
 * Which proxy leads to another validator: none, unless `peer.proxy` asks for the environment's.
 *
 * @throws {DeliverError} DELIVER_INVALID_OPTIONS when it asks for one that cannot be used
 */
export function validatorProxy(config: Config): ProxyChoice {
  if (config['peer.proxy'] !== 'environment') return () => undefined
  for (const { gossip, orderer } of config.validators)
    [gossip, orderer].forEach((to) => proxyFor(to))
  return (address) => proxyFor(address)
}
