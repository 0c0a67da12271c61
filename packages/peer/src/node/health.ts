import { certificatesCheck } from './certificates-check.ts'
import { ClockWatch, windowMs } from './clock-watch.ts'
import { Conditions } from './conditions.ts'
import { DiskCheck } from './disk-check.ts'
import { dissentCheck } from './dissent-check.ts'
import { DivergenceWatch } from './divergence.ts'
import { ForkWatch } from './fork-watch.ts'
import { MembersCheck } from './members-check.ts'
import { ProcessWatch } from './process-watch.ts'
import { replicaCheck } from './replica-check.ts'
import { setBackCheck } from './set-back-check.ts'
import { SettingsWatch } from './settings-watch.ts'
import { StartCheck } from './start-check.ts'
import { StandstillCheck } from './standstill-check.ts'
import { createValidatorVerifier } from './validator-verifier.ts'
import { Watch } from './watch.ts'
import type { BlockSignatureCollector } from '@heddle/orderer'
import type { Replica } from '@heddle/pbft'
import type { common } from '@heddle/proto'
import type { StateDiverged } from '../engine/state-diverged.ts'
import type { OwnCertificate } from './certificates-check.ts'
import type { CompositionDeps } from './composition-deps.ts'
import type { Condition, ConditionSink } from './conditions.ts'
import type { Material } from './material.ts'
import type { PeerNetwork } from './peer-network.ts'
import type { Storage } from './storage.ts'

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
export interface Health {
  readonly watch: Watch
  readonly clocks: ClockWatch
  readonly members: MembersCheck
  readonly forks: ForkWatch
  readonly divergence: DivergenceWatch
  readonly standstill: StandstillCheck
  /** Takes note of a block that was fetched from another validator. */
  readonly taken: (block: common.Block) => void
  readonly conditions: ConditionSink
  /** What holds at this moment. */
  readonly current: () => readonly Condition[]
}

/** What a validator is looked at by. */
interface Parts {
  readonly storage: Storage
  readonly network: PeerNetwork
  /** Numbers of the other validators, from 0 on. */
  readonly others: readonly number[]
  readonly collector: BlockSignatureCollector
  readonly replica: Replica
  readonly onDiverged: (reason: StateDiverged) => void
}

/** Puts together what looks at the parts of a validator; nothing is started here. */
export function composeHealth(deps: CompositionDeps, parts: Parts): Health {
  const { clock, metrics, material } = deps
  const { network, others, replica, collector } = parts
  const conditions = new Conditions({
    ...{ clock, metrics },
    logger: deps.logging.logger.child('peer.conditions'),
  })
  const { ledger } = parts.storage
  const standstill = new StandstillCheck({
    ...{ replica, collector, ledger, clock, conditions, metrics },
  })
  const processes = new ProcessWatch({ replica: material.replica, conditions })
  const settings = new SettingsWatch({ config: deps.config, conditions, lastsMs: windowMs })
  const clocks = new ClockWatch({
    ...{ clock, conditions, metrics, processes, settings },
    tell: network.tellTime,
  })
  const connected = (): readonly number[] => network.connectedReplicas
  const start = new StartCheck({ replica, others, connected, clock, conditions })
  const isStarting = (): boolean => start.isStarting
  const members = new MembersCheck({ others, connected, isStarting, clock, conditions })
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
  const disk = new DiskCheck({ storage: parts.storage, clock, conditions, metrics })
  const watch = new Watch(clock, [
    () => start.look(),
    replicaCheck({ replica, isStarting, conditions, clock }),
    () => members.look(),
    () => standstill.look(),
    dissentCheck({ collector, others, conditions }),
    () => divergence.look(),
    () => clocks.look(),
    () => disk.look(),
    certificatesCheck({ certificates, clock, conditions, metrics }),
    () => conditions.settle(),
  ])
  const taken = setBackCheck({ self: material.replica, replica, conditions })
  const current = (): readonly Condition[] => {
    watch.look()
    return conditions.current
  }
  return { watch, clocks, members, forks, divergence, standstill, taken, conditions, current }
}
