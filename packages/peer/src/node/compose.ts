import { createComm } from '@heddle/comm'
import { createIdentityMapper } from '@heddle/identity'
import { createMessageCryptoService, pkiIdOf } from '@heddle/msp'
import { BlockSignatureCollector, createOrdererServer } from '@heddle/orderer'
import { createReplica, largestFrameBytes } from '@heddle/pbft'
import { Engine } from '../engine/engine.ts'
import { EnvelopeChecker } from '../engine/envelope-checker.ts'
import { TransactionReader } from '../engine/transaction.ts'
import { OperationsServer } from '../operations/server.ts'
import { OfferVerifier } from '../switch/offer.ts'
import { createBlockSource } from './block-source.ts'
import { validatorProxy } from './validator-proxy.ts'
import { certificateHolder } from './certificate-holder.ts'
import { PbftChain, chainStatuses } from './chain.ts'
import { composeHealth } from './health.ts'
import { PeerNetwork } from './peer-network.ts'
import { createQueryService } from './query-service.ts'
import { replicaOptions } from './replica-options.ts'
import { createRulesSwitcher } from './rules-switch.ts'
import { createSignatureArchive } from './signature-archive.ts'
import { createValidatorVerifier } from './validator-verifier.ts'
import type { Comm } from '@heddle/comm'
import type { Mapper } from '@heddle/identity'
import type { Logger } from '@heddle/interface'
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
import type { EngineDeps } from '../engine/engine.ts'
import type { CompositionDeps } from './composition-deps.ts'
import type { Condition } from './conditions.ts'
import type { Health } from './health.ts'
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

/** The parts of a validator; nothing of it runs yet. */
export interface Composition extends Health {
  readonly engine: Engine
  readonly mapper: Mapper
  readonly comm: Comm
  readonly network: PeerNetwork
  readonly collector: BlockSignatureCollector
  readonly replica: Replica
  readonly rules: RulesSwitcher
  readonly server: OrdererServer
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
      maxMessageBytes: largestFrameBytes(optionsOf(deps)) + wrappingBytes,
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
    get isLost() {
      return journal.isLost
    },
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
    optionsOf(deps),
  )
}

function optionsOf({ config, material, acceptLostBlocks }: CompositionDeps): ReplicaOptions {
  return replicaOptions(config, {
    id: material.replica,
    acceptLoss: acceptLostBlocks,
    n: material.channel.consenters.length,
  })
}

function composeServer(
  deps: CompositionDeps,
  parts: {
    readonly storage: Storage
    readonly replica: Replica
    readonly network: PeerNetwork
    readonly reader: TransactionReader
    readonly standstill: Health['standstill']
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
    clock,
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
      services: [{ ...query, readersOf: chain.channelId }],
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
  parts: Pick<
    EngineDeps,
    'reader' | 'offers' | 'collector' | 'onUnknownRules' | 'onDiverged' | 'onTaken'
  >,
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
  const peers = otherValidators(deps)
  const network = new PeerNetwork({
    comm,
    channelId: material.channel.channelId,
    peers,
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
    onTaken: (block) => health.taken(block),
  })
  const replica = composeReplica(deps, { network: network.consensus, engine, storage }, (event) => {
    if (event.type === 'flooding') network.bar(event.from, `too much: ${event.what}`)
    onEvent(event)
  })
  const others = peers.map((each) => each.replica)
  const health = composeHealth(deps, {
    ...{ storage, network, others, collector, replica, onDiverged },
  })
  const rules = createRulesSwitcher(deps, { storage, network, replica, offers })
  const { standstill, current } = health
  return {
    engine,
    mapper,
    comm,
    network,
    collector,
    replica,
    rules,
    ...health,
    server: composeServer(deps, {
      ...{ storage, replica, network, reader, rules },
      ...{ standstill, conditions: current },
    }),
    operations: composeOperations(deps, current),
  }
}
