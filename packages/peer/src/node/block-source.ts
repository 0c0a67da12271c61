import { blockCheck } from '@heddle/client'
import { pullBlocks } from '@heddle/deliver'
import { tlsAuthoritiesOf } from './material.ts'
import { validatorProxy } from './validator-proxy.ts'
import type { Endpoint } from '@heddle/deliver'
import type { Clock } from '@heddle/interface'
import type { BlockSource } from '../engine/engine.ts'
import type { Config } from '../config/settings.ts'
import type { Logging } from '../logging/logger.ts'
import type { Material } from './material.ts'

/** What {@link createBlockSource} takes. */
export interface BlockSourceDeps {
  readonly config: Config
  readonly material: Material
  readonly clock: Clock
  readonly logging: Logging
}

/** How long a validator may take for its next block before another is asked. */
const stallTimeoutMs = 5000

/** How long a validator may give less than half of what another would before that one is asked. */
const blockCensorshipTimeoutMs = 2000

/** Failures in a row after which a state transfer gives up; the consensus begins another. */
const maxFailures = 6

/** Pulls blocks from the Deliver services of other validators, each verified with its signatures. */
export function createBlockSource({
  config,
  material,
  clock,
  logging,
}: BlockSourceDeps): BlockSource {
  const { channel, signer, tlsCertificate, tlsKey } = material
  const endpointOf = (replica: number): Endpoint[] => {
    const addresses = config.validators[replica]
    const mspId = channel.consenters[replica]?.mspId
    if (replica === material.replica || addresses === undefined || mspId === undefined) return []
    return [
      {
        address: addresses.orderer,
        roots: tlsAuthoritiesOf(channel, mspId),
        serverName: config['peer.tls.serverhostoverride'],
      },
    ]
  }
  return {
    pull: (from, replicas, { signal }) =>
      pullBlocks(
        {
          signer,
          clock,
          logger: logging.logger.child('deliverclient'),
          proxyFor: validatorProxy(config),
          checkBlock: blockCheck(material.genesis),
        },
        {
          ...(signal && { signal }),
          channelId: channel.channelId,
          configBlock: material.genesis,
          endpoints: replicas.flatMap(endpointOf),
          onlyGiven: true,
          tls: { certificate: tlsCertificate, key: tlsKey },
          from,
          stallTimeoutMs,
          blockCensorshipTimeoutMs,
          maxFailures,
          maxBackOffMs: 1000,
        },
      ),
  }
}
