import { isIP } from 'node:net'
import { address, addressToText } from './setting.ts'
import type { Address } from './setting.ts'
import type { Config, SettingKey } from './settings.ts'

/** Two settings that do not go together. */
export interface Contradiction {
  /** The one to look at first. */
  readonly key: SettingKey
  readonly what: string
  readonly cure: string
}

/** Keys of the addresses where a validator listens. */
export const listenKeys = [
  'peer.listenAddress',
  'general.listenAddress',
  'operations.listenAddress',
] as const satisfies readonly SettingKey[]

/** Hosts that stand for all addresses of a machine. */
const allHosts = ['0.0.0.0', '::']

/** The first two settings that contradict each other, each being good by itself; undefined: none do. */
export function contradictionIn(config: Config): Contradiction | undefined {
  return batchBelowEnvelope(config) ?? batchTimeoutTooLong(config) ?? sameListenAddress(config)
}

function batchBelowEnvelope(config: Config): Contradiction | undefined {
  const batch = config['pbft.general.maxBatchBytes']
  const envelope = config['general.maxEnvelopeBytes']
  if (batch >= envelope) return undefined
  return {
    key: 'pbft.general.maxBatchBytes',
    what: `${batch} is less than general.maxEnvelopeBytes, ${envelope}: the largest transaction would not fit into a block`,
    cure: 'set both to the same values on all validators, the first no less than the second',
  }
}

function batchTimeoutTooLong(config: Config): Contradiction | undefined {
  const batch = config['pbft.general.timeout.batch']
  const request = config['pbft.general.timeout.request']
  if (batch < request) return undefined
  return {
    key: 'pbft.general.timeout.batch',
    what: `${batch}ms must be less than pbft.general.timeout.request, ${request}ms: the others would replace every primary`,
    cure: 'make pbft.general.timeout.request several times as long',
  }
}

function sameListenAddress(config: Config): Contradiction | undefined {
  for (const [index, key] of listenKeys.entries()) {
    const earlier = listenKeys.slice(0, index).find((each) => overlap(config[each], config[key]))
    if (earlier === undefined) continue
    return {
      key,
      what: `${addressToText(config[key])} is taken by ${earlier}, ${addressToText(config[earlier])}`,
      cure: 'give each of peer, general and operations.listenAddress a port of its own',
    }
  }
  return undefined
}

/** Whether the two cannot be listened at together. Port 0 is another one each time. */
function overlap(a: Address, b: Address): boolean {
  if (a.port !== b.port || a.port === 0) return false
  return a.host === b.host || allHosts.includes(a.host) || allHosts.includes(b.host)
}

/** An address where this validator listens, and another one that the others are told. */
export interface Elsewhere {
  readonly key: SettingKey
  readonly listens: string
  /** Of the entry of this validator in `validators`. */
  readonly told: string
}

/**
 * Where the entry of this validator in its own `validators` differs from where it listens: on purpose, when
 * ports are forwarded, or by mistake. Names of hosts are not compared: several may stand for one.
 */
export function elsewhereIn(config: Config, replica: number): Elsewhere[] {
  const own = config.validators.find(({ id }) => id === replica)
  if (own === undefined) return []
  const pairs = [
    ['peer.listenAddress', own.gossip],
    ['general.listenAddress', own.orderer],
  ] as const
  return pairs.flatMap(([key, told]) => {
    const listens = config[key]
    const { host, port } = anyAddress.parse(told)
    const isSame = listens.port === port && mayBeSameHost(listens.host, host)
    return listens.port === 0 || isSame ? [] : [{ key, listens: addressToText(listens), told }]
  })
}

const anyAddress = address('')

function mayBeSameHost(listens: string, told: string): boolean {
  const areAddresses = isIP(listens) !== 0 && isIP(told) !== 0
  return listens === told || allHosts.includes(listens) || !areAddresses
}
