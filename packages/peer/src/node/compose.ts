import { createComm } from '@heddle/comm'
import { createIdentityMapper } from '@heddle/identity'
import { createMessageCryptoService, pkiIdOf } from '@heddle/msp'
import { BlockSignatureCollector, createOrdererServer } from '@heddle/orderer'
import { createReplica, largestFrameBytes } from '@heddle/pbft'
import { Engine } from '../engine/engine.ts'
import { EnvelopeChecker } from '../engine/envelope-checker.ts'
import { TransactionReader } from '../engine/transaction.ts'
import { OperationsServer } from '../operations/server.ts'
import { ClockWatch } from './clock-watch.ts'
import { OfferVerifier } from '../switch/offer.ts'
import { createBlockSource } from './block-source.ts'
import { validatorProxy } from './validator-proxy.ts'
import { certificateHolder } from './certificate-holder.ts'
import { certificatesCheck } from './certificates-check.ts'
import { PbftChain, chainStatuses } from './chain.ts'
import { Conditions } from './conditions.ts'
import { dissentCheck } from './dissent-check.ts'
import { MembersCheck } from './members-check.ts'
import { DivergenceWatch } from './divergence.ts'
import { ForkWatch } from './fork-watch.ts'
import { PeerNetwork } from './peer-network.ts'
import { ProcessWatch } from './process-watch.ts'
import { createQueryService } from './query-service.ts'
import { replicaCheck } from './replica-check.ts'
import { StandstillCheck } from './standstill-check.ts'
import { createRulesSwitcher } from './rules-switch.ts'
import { createSignatureArchive } from './signature-archive.ts'
import { createValidatorVerifier } from './validator-verifier.ts'
import { Watch } from './watch.ts'
import type { Comm } from '@heddle/comm'
import type { Mapper } from '@heddle/identity'
import type { Clock, Logger } from '@heddle/interface'
import type { MessageCrypto } from '@heddle/msp'
import type { OrdererServer } from '@heddle/orderer'
import type {
  Journal as ReplicaJournal,
  Network,
  Replica,
  ReplicaNotification,
  ReplicaOptions,
  StateMachine,
} from '@heddle/pbft'
import type { Config } from '../config/settings.ts'
import type { EngineDeps } from '../engine/engine.ts'
import type { Logging } from '../logging/logger.ts'
import type { PrometheusMetrics } from '../operations/metrics.ts'
import type { Version } from '../package-root.ts'
import type { Condition, ConditionSink } from './conditions.ts'
import type { OwnCertificate } from './certificates-check.ts'
import type { StateDiverged } from '../engine/state-diverged.ts'
import type { Material } from './material.ts'
import type { PeerAddress } from './peer-network.ts'
import type { RulesSwitcher } from '../switch/switcher.ts'
import type { Storage } from './storage.ts'

/** The first pause between two attempts to connect; it doubles up to the interval of the configuration. */
const firstRedialDelayMs = 100

/** Most bytes around a frame of the consensus in a gossip message. */
const wrappingBytes = 64 * 1024

/** Messages of one validator in a second: more than consensus and block signatures ever need. */
const maxFramesPerSecond = 10_000

/** What a validator is made of, apart from its disk. */
export interface CompositionDeps {
  readonly config: Config
  readonly material: Material
  readonly clock: Clock
  readonly logging: Logging
  readonly metrics: PrometheusMetrics
  readonly version: Version
  /** See `ReplicaOptions.acceptLoss`. */
  readonly acceptLostBlocks: boolean
}

/** The parts of a validator; nothing of it runs yet. */
export interface Composition {
  readonly engine: Engine
  readonly mapper: Mapper
  readonly comm: Comm
  readonly network: PeerNetwork
  readonly collector: BlockSignatureCollector
  readonly replica: Replica
  readonly rules: RulesSwitcher
  readonly server: OrdererServer
  readonly watch: Watch
  readonly clocks: ClockWatch
  readonly members: MembersCheck
  readonly forks: ForkWatch
  readonly divergence: DivergenceWatch
  readonly conditions: ConditionSink
  readonly operations: OperationsServer
}

/** Judges and signs: the members of all organisations of the channel may connect. */
function createCrypto({ msp, signer, channel }: Material): MessageCrypto {
  const readers = channel.rules.policy('/Channel/Readers')
  return createMessageCryptoService({
    localMsp: msp,
    signer,
    channelMsps: new Map([[channel.channelId, { msps: channel.rules.msps, readers }]]),
  })
}

function composeComm(deps: CompositionDeps, mapper: Mapper, logger: Logger): Comm {
  const { config, material, clock, metrics } = deps
  return createComm(
    { mapper, clock, metrics, logger, proxyFor: validatorProxy(config, logger.child('peer')) },
    {
      listen: config['peer.listenAddress'],
      tls: {
        certificate: material.tlsCertificate,
        key: material.tlsKey,
        roots: material.tlsRoots,
      },
      identity: material.signer.serialized,
      dialTimeoutMs: config['peer.gossip.dialTimeout'],
      connTimeoutMs: config['peer.gossip.connTimeout'],
      redialDelayMs: Math.min(firstRedialDelayMs, config['peer.gossip.reconnectInterval']),
      maxRedialDelayMs: config['peer.gossip.reconnectInterval'],
      sendBufferSize: config['peer.gossip.sendBuffSize'],
      recvBufferSize: config['peer.gossip.recvBuffSize'],
      maxMessageBytes: largestFrameBytes(replicaOptions(deps)) + wrappingBytes,
      maxFramesPerSecond,
    },
  )
}

/** The other validators: their addresses of the configuration, their identities of the genesis block. */
function otherValidators({ config, material }: CompositionDeps): PeerAddress[] {
  return config.validators.flatMap(({ id, gossip }) => {
    const consenter = material.channel.consenters[id]
    const pkiId = consenter && pkiIdOf(consenter.identity)
    if (id === material.replica || consenter === undefined || pkiId === undefined) return []
    const holder = certificateHolder(consenter.identity)
    const isRenewal = (identity: Uint8Array): boolean => certificateHolder(identity) === holder
    return [
      { replica: id, endpoint: gossip, pkiId, ...(holder === undefined ? {} : { isRenewal }) },
    ]
  })
}

function composeCollector(
  deps: CompositionDeps,
  network: PeerNetwork,
  storage: Storage,
): BlockSignatureCollector {
  const { channel, replica, signer } = deps.material
  const verifier = createValidatorVerifier(channel)
  return new BlockSignatureCollector(
    {
      network: network.blockSignatures,
      signer,
      verifier: {
        verify: (id, message, signature) => verifier.verify(id - 1, message, signature),
      },
      archive: createSignatureArchive(storage.ledger),
      clock: deps.clock,
      logger: deps.logging.logger.child('orderer.signatures'),
      metrics: deps.metrics,
    },
    {
      channelId: channel.channelId,
      self: replica + 1,
      consenters: channel.consenters.map(({ id }) => id),
      nextBlock: storage.ledger.height,
    },
  )
}

function replicaJournal({ journal, journalDamage: damage }: Storage): ReplicaJournal {
  return {
    append: (records) => journal.append(records),
    records: () => journal.records(),
    rewrite: (records) => journal.rewrite(records),
    damage,
  }
}

function composeReplica(
  deps: CompositionDeps,
  parts: { readonly network: Network; readonly engine: StateMachine; readonly storage: Storage },
  onEvent: (event: ReplicaNotification) => void,
): Replica {
  const { material, clock, metrics } = deps
  return createReplica(
    {
      network: parts.network,
      journal: replicaJournal(parts.storage),
      stateMachine: parts.engine,
      signer: material.signer,
      verifier: createValidatorVerifier(material.channel),
      clock,
      metrics,
      logger: deps.logging.logger.child('consensus.pbft'),
      onEvent,
    },
    replicaOptions(deps),
  )
}

function replicaOptions({ config, material, acceptLostBlocks }: CompositionDeps): ReplicaOptions {
  return {
    id: material.replica,
    acceptLoss: acceptLostBlocks,
    n: material.channel.consenters.length,
    batchSize: config['pbft.general.batchsize'],
    maxBatchBytes: config['pbft.general.maxBatchBytes'],
    batchTimeoutMs: config['pbft.general.timeout.batch'],
    checkpointPeriod: config['pbft.general.k'],
    logMultiplier: config['pbft.general.logmultiplier'],
    requestTimeoutMs: config['pbft.general.timeout.request'],
    viewChangeTimeoutMs: config['pbft.general.timeout.viewchange'],
    maxRequestBytes: config['general.maxEnvelopeBytes'],
  }
}

function composeServer(
  deps: CompositionDeps,
  parts: {
    readonly storage: Storage
    readonly replica: Replica
    readonly network: PeerNetwork
    readonly reader: TransactionReader
    readonly standstill: StandstillCheck
    readonly conditions: () => readonly Condition[]
    readonly rules: RulesSwitcher
  },
): OrdererServer {
  const { config, material, clock, metrics, logging, version } = deps
  const chain = new PbftChain({
    config: material.channel,
    ledger: parts.storage.ledger,
    replica: parts.replica,
    reader: parts.reader,
  })
  const query = createQueryService({
    ledger: parts.storage.ledger,
    replica: parts.replica,
    connected: () => parts.network.connected,
    version: version.Version,
    standstill: parts.standstill,
    conditions: parts.conditions,
    rules: () => parts.rules.status(),
  })
  return createOrdererServer(
    {
      chains: (channelId) => (channelId === chain.channelId ? chain : undefined),
      clock,
      metrics,
      logger: logging.logger.child('orderer.common'),
      services: [query],
    },
    {
      listen: config['general.listenAddress'],
      tls: {
        certificate: material.tlsCertificate,
        key: material.tlsKey,
        roots: material.tlsRoots,
      },
      timeWindowMs: config['general.authentication.timewindow'],
      maxEnvelopeBytes: config['general.maxEnvelopeBytes'],
      statuses: chainStatuses,
    },
  )
}

function composeOperations(
  deps: CompositionDeps,
  conditions: () => readonly Condition[],
): OperationsServer {
  const { config, logging } = deps
  return new OperationsServer(
    {
      clock: deps.clock,
      logging,
      metrics: deps.metrics,
      version: deps.version,
      logger: logging.logger.child('operations'),
      conditions,
    },
    { listen: config['operations.listenAddress'], tls: deps.material.operationsTls },
  )
}

function ownCertificates({ signer, tlsCertificate, operationsTls }: Material): OwnCertificate[] {
  return [
    { role: 'enrollment', certificate: signer.idBytes },
    { role: 'server TLS', certificate: tlsCertificate },
    ...(operationsTls === undefined
      ? []
      : [{ role: 'operations TLS' as const, certificate: operationsTls.certificate }]),
  ]
}

/** What looks whether this validator and the others are well, and whom it tells. */
interface Health {
  readonly watch: Watch
  readonly clocks: ClockWatch
  readonly members: MembersCheck
  readonly forks: ForkWatch
  readonly divergence: DivergenceWatch
  readonly standstill: StandstillCheck
  readonly conditions: ConditionSink
  /** What holds at this moment. */
  readonly current: () => readonly Condition[]
}

function composeHealth(
  deps: CompositionDeps,
  parts: {
    readonly storage: Storage
    readonly network: PeerNetwork
    readonly collector: BlockSignatureCollector
    readonly replica: Replica
    readonly onDiverged: (reason: StateDiverged) => void
  },
): Health {
  const { clock, metrics, material } = deps
  const { network, replica, collector } = parts
  const conditions = new Conditions({
    ...{ clock, metrics },
    logger: deps.logging.logger.child('peer.conditions'),
  })
  const { ledger } = parts.storage
  const standstill = new StandstillCheck({
    ...{ replica, collector, ledger, clock, conditions, metrics },
  })
  const processes = new ProcessWatch({ replica: material.replica, conditions })
  const clocks = new ClockWatch({
    ...{ clock, conditions, metrics, processes },
    tell: network.tellTime,
  })
  const others = otherValidators(deps).map((each) => each.replica)
  const connected = (): readonly number[] => network.connectedReplicas
  const members = new MembersCheck({ others, connected, clock, conditions })
  const certificates = ownCertificates(material)
  const n = material.channel.consenters.length
  const forks = new ForkWatch({
    ...{ ledger, n, clock, conditions, tell: network.tellBlock },
    verifier: createValidatorVerifier(material.channel),
    logger: deps.logging.logger.child('ledger.forks'),
  })
  const divergence = new DivergenceWatch({
    ...{ clock, collector, n, onDiverged: parts.onDiverged },
    isForked: () => forks.isForked,
    rebuiltFor: parts.storage.rebuiltFor,
    logger: deps.logging.logger.child('ledger.engine'),
  })
  const watch = new Watch({
    clock,
    checks: [
      replicaCheck({ replica, conditions }),
      () => members.look(),
      () => standstill.look(),
      dissentCheck({ collector, others, conditions }),
      () => divergence.look(),
      () => clocks.look(),
      certificatesCheck({ certificates, clock, conditions, metrics }),
      () => conditions.settle(),
    ],
  })
  const current = (): readonly Condition[] => {
    watch.look()
    return conditions.current
  }
  return { watch, clocks, members, forks, divergence, standstill, conditions, current }
}

/** What a composition tells. */
export interface CompositionEvents {
  /** What the consensus does. */
  readonly onEvent: (event: ReplicaNotification) => void
  /** See `EngineDeps`. */
  readonly onUnknownRules: (reason: Error) => void
  /** See `DivergenceWatch`. */
  readonly onDiverged: (reason: StateDiverged) => void
}

function composeEngine(
  deps: CompositionDeps,
  storage: Storage,
  parts: Pick<EngineDeps, 'reader' | 'offers' | 'collector' | 'onUnknownRules' | 'onDiverged'>,
): Engine {
  const { config, material, clock, metrics, logging } = deps
  const { reader } = parts
  return new Engine({
    ...parts,
    ledger: storage.ledger,
    checker: new EnvelopeChecker(
      { ...material.channel, reader, clock },
      {
        maxEnvelopeBytes: config['general.maxEnvelopeBytes'],
        timeWindowMs: config['general.authentication.timewindow'],
      },
    ),
    source: createBlockSource(deps),
    logger: logging.logger.child('ledger.engine'),
    metrics,
  })
}

/**
 * Puts the parts of a validator together. This module alone names the concrete classes of all
 * packages; nothing is started here.
 */
export function compose(
  deps: CompositionDeps,
  storage: Storage,
  { onEvent, onUnknownRules, onDiverged }: CompositionEvents,
): Composition {
  const { material, clock, metrics } = deps
  const { logger } = deps.logging
  const crypto = createCrypto(material)
  const mapper = createIdentityMapper(
    { crypto, advisor: crypto, clock, metrics, logger: logger.child('gossip.identity') },
    { selfIdentity: material.signer.serialized },
  )
  const comm = composeComm(deps, mapper, logger)
  const network = new PeerNetwork({
    comm,
    channelId: material.channel.channelId,
    peers: otherValidators(deps),
    clock,
    logger: logger.child('gossip.validators'),
    metrics,
  })
  const collector = composeCollector(deps, network, storage)
  const reader = new TransactionReader()
  const offers = new OfferVerifier(material.channel)
  const engine = composeEngine(deps, storage, {
    ...{ reader, offers, collector, onUnknownRules },
    onDiverged: (reason) => health.divergence.found(reason),
  })
  const replica = composeReplica(deps, { network: network.consensus, engine, storage }, (event) => {
    if (event.type === 'flooding') network.bar(event.from, `too much: ${event.what}`)
    onEvent(event)
  })
  const health = composeHealth(deps, { storage, network, collector, replica, onDiverged })
  const rules = createRulesSwitcher(deps, { storage, network, replica, offers })
  const { watch, clocks, members, forks, divergence, standstill, conditions, current } = health
  return {
    engine,
    mapper,
    comm,
    network,
    collector,
    replica,
    watch,
    clocks,
    members,
    forks,
    divergence,
    conditions,
    rules,
    server: composeServer(deps, {
      ...{ storage, replica, network, reader, rules },
      ...{ standstill, conditions: current },
    }),
    operations: composeOperations(deps, current),
  }
}
