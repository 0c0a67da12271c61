import { proxyFor } from '@heddle/deliver'
import { findings, ok, warn } from './finding.ts'
import type { Config } from '../config/settings.ts'
import type { Finding, Subject } from './finding.ts'

/**
 * Which proxy of the environment leads to the validators: clients go through it, validators if
 * `peer.proxy` says so.
 */
export function proxyFindings(
  config: Config,
  environment: NodeJS.ProcessEnv,
): Promise<readonly Finding[]> {
  const subject: Subject = { check: 'proxy' }
  const isWanted = config['peer.proxy'] === 'environment'
  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a finding
  return findings(subject, async () => {
    const ways = config.validators.flatMap(({ orderer }) => {
      const proxy = proxyFor(orderer, environment)
      return proxy === undefined ? [] : [{ orderer, ...proxy }]
    })
    const [first] = ways
    if (first === undefined) {
      if (!isWanted)
        return [ok(subject, 'the environment names no proxy that leads to a validator')]
      const what = 'peer.proxy is environment, which names no proxy that leads to a validator'
      return [warn(subject, what, 'set https_proxy for the validator, or peer.proxy to none')]
    }
    const to = ways.map(({ orderer }) => orderer).join(', ')
    const way = `through ${first.address} (${first.variable}) to ${to}`
    if (!isWanted) return [ok(subject, `clients go ${way}; validators go directly`)]
    const what = `clients and validators go ${way}; doctor itself asks directly, which may fail`
    return [warn(subject, what, 'see `heddle network status`, or the metrics of the validator')]
  })
}
