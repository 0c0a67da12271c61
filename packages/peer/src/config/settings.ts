import { knownRules } from '../rules/known-rules.ts'
import {
  address,
  duration,
  fileList,
  flag,
  integer,
  oneOf,
  optionalFile,
  text,
  validatorList,
} from './setting.ts'
import type { Setting } from './setting.ts'

const loopback = (port: number) => ({ host: '127.0.0.1', port })
const day = 24 * 3_600_000
/** The largest of `@heddle/pbft`. */
const maxBatchBytes = 48 * 1024 * 1024

/**
 * Every key of the configuration file. Names follow Fabric's core.yaml and orderer.yaml (v3.0) and
 * v0.6's pbft config.yaml where they have one. `a.b.c` is overridden by `CORE_A_B_C`.
 */
export const settings = {
  'peer.id': text('Name of this validator, for logs.'),
  'peer.localMspId': text('Its MSP.'),
  'peer.mspConfigPath': text('Folder with its MSP: signcerts, keystore, cacerts, config.yaml.'),
  'peer.fileSystemPath': text('Folder of the ledger, the state and the journal.'),
  'peer.listenAddress': address('Where other validators connect.', loopback(7051)),
  'peer.tls.cert.file': text('TLS certificate, PEM.'),
  'peer.tls.key.file': text('Key of the TLS certificate, PEM.'),
  'peer.tls.serverhostoverride': text('Name in the TLS certificates of the others.', 'localhost'),
  'peer.proxy': oneOf(
    'Whether other validators are reached through the proxy of the environment.',
    ['none', 'environment'],
  ),
  'peer.gossip.dialTimeout': duration('Longest wait to reach another validator.', {
    minMs: 10,
    maxMs: 60_000,
    fallbackMs: 3000,
  }),
  'peer.gossip.connTimeout': duration('Longest wait for the handshake.', {
    minMs: 10,
    maxMs: 60_000,
    fallbackMs: 2000,
  }),
  'peer.gossip.reconnectInterval': duration('Longest pause between two attempts to connect.', {
    minMs: 10,
    maxMs: 600_000,
    fallbackMs: 2000,
  }),
  'peer.gossip.sendBuffSize': integer('Messages waiting for one validator.', {
    min: 1,
    max: 10_000,
    fallback: 200,
  }),
  'peer.gossip.recvBuffSize': integer('Messages received and not yet handled.', {
    min: 1,
    max: 10_000,
    fallback: 200,
  }),
  'general.listenAddress': address(
    'Where clients connect: Broadcast, Deliver, Query.',
    loopback(7050),
  ),
  'general.authentication.timewindow': duration('Largest age of a request of a client.', {
    minMs: 1000,
    maxMs: day,
    fallbackMs: 15 * 60_000,
  }),
  'general.maxEnvelopeBytes': integer('Largest transaction.', {
    min: 1024,
    max: maxBatchBytes,
    fallback: 1024 * 1024,
  }),
  'general.genesisFile': text('Genesis block of the channel.'),
  'ledger.rules': oneOf(
    'Number of the rules that it offers the other validators.',
    [...knownRules].reverse(),
  ),
  'operations.listenAddress': address(
    'HTTP: /healthz, /metrics, /version, /logspec.',
    loopback(9443),
  ),
  'operations.allowUnencrypted': flag('Listen beyond loopback without TLS.'),
  'operations.tls.enabled': flag('HTTPS. /metrics and /logspec then need a client certificate.'),
  'operations.tls.cert.file': optionalFile('TLS certificate, PEM.'),
  'operations.tls.key.file': optionalFile('Key of the TLS certificate, PEM.'),
  'operations.tls.clientAuthRequired': flag('A client certificate for /healthz and /version, too.'),
  'operations.tls.clientRootCAs.files': fileList('Authorities of client certificates, PEM.'),
  'pbft.general.batchsize': integer('Most transactions in a block.', {
    min: 1,
    max: 10_000,
    fallback: 500,
  }),
  'pbft.general.maxBatchBytes': integer('Most bytes of transactions in a block.', {
    min: 1024,
    max: maxBatchBytes,
    fallback: 8 * 1024 * 1024,
  }),
  'pbft.general.preferredBatchBytes': integer('Bytes at which a primary cuts a block.', {
    min: 1024,
    max: maxBatchBytes,
    fallback: 2 * 1024 * 1024,
  }),
  'pbft.general.k': integer('Sequence numbers between two checkpoints.', {
    min: 1,
    max: 1000,
    fallback: 10,
  }),
  'pbft.general.logmultiplier': integer('Log size in checkpoint periods.', {
    min: 2,
    max: 100,
    fallback: 4,
  }),
  'pbft.general.timeout.batch': duration('Longest wait for a batch to fill.', {
    minMs: 1,
    maxMs: 10_000,
    fallbackMs: 50,
  }),
  'pbft.general.timeout.request': duration(
    'Longest wait for a request to be executed, then a new view.',
    {
      minMs: 100,
      maxMs: 600_000,
      fallbackMs: 5000,
    },
  ),
  'pbft.general.timeout.viewchange': duration(
    'Longest wait for a view change, doubled each time.',
    {
      minMs: 100,
      maxMs: 600_000,
      fallbackMs: 5000,
    },
  ),
  'logging.spec': text('Levels, as FABRIC_LOGGING_SPEC: logger=level:level.', 'info'),
  validators: validatorList('All validators: id, gossip and orderer address.'),
} satisfies Record<string, Setting<unknown>>

/** The name of a setting: its path in the file. */
export type SettingKey = keyof typeof settings

/** A configuration: each key with its value, checked. */
export type Config = {
  readonly [Key in SettingKey]: (typeof settings)[Key] extends Setting<infer Value> ? Value : never
}
