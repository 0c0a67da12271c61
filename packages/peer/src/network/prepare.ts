import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { stringify } from 'yaml'
import { PeerError } from '../errors.ts'
import { filesNeeded, requireOpenFiles } from '../open-files.ts'
import { naming } from '../system-error.ts'
import { generateMaterial } from './crypto.ts'
import { findDescriptor, writeDescriptor } from './descriptor.ts'
import { ensureGenesis } from './genesis.ts'
import { fixedPorts, freePorts, isFree } from './ports.ts'
import type { NetworkDescriptor, ValidatorDescriptor } from '@heddle/client'
import type { Clock } from '@heddle/interface'
import type { NetworkMaterial } from './crypto.ts'

/** What a network on this machine is to be. */
export interface NetworkSpec {
  readonly dir: string
  /** 3f + 1 or more. Undefined: as many as the network in `dir` has, or 4. */
  readonly validators: number | undefined
  readonly basePort: number | undefined
  readonly accounts: ReadonlyMap<string, bigint>
  readonly batchSize: number
  readonly batchTimeoutMs: number
  readonly loggingSpec: string
  /** Passed on to `heddle peer start`: see there. */
  readonly acceptLostBlocks?: boolean
}

/** Name of the channel. */
export const channelId = 'heddle'

/** Where a validator keeps its data, in its own folder. */
export const dataFolder = 'data'

/** Fewest validators: f = 1. */
export const minValidators = 4
const defaultValidators = 4

/** Listeners of one validator: gossip, orderer, operations. */
const portsEach = 3

async function choosePorts(
  spec: NetworkSpec,
  count: number,
  existing: NetworkDescriptor | undefined,
): Promise<number[]> {
  if (spec.basePort !== undefined) return fixedPorts(spec.basePort, count)
  const before = (existing?.validators ?? []).flatMap(({ gossip, orderer, operations }) =>
    [gossip, orderer, operations].map((address) => Number(address.split(':').at(-1))),
  )
  if (before.length === count) {
    const free = await Promise.all(before.map((port) => isFree(port)))
    if (free.every(Boolean)) return before
  }
  return freePorts(count, process.pid)
}

function describeNetwork(
  dir: string,
  material: NetworkMaterial,
  ports: readonly number[],
): NetworkDescriptor {
  const inside = (path: string): string => relative(dir, path)
  const { client } = material
  return {
    channelId,
    genesis: 'genesis.block',
    validators: material.validators.map(({ organization, node }, id): ValidatorDescriptor => {
      const [gossip, orderer, operations] = ports.slice(id * portsEach)
      const folder = join('validators', node.name)
      return {
        id,
        name: node.name,
        mspId: organization.mspId,
        gossip: `127.0.0.1:${gossip}`,
        orderer: `127.0.0.1:${orderer}`,
        operations: `127.0.0.1:${operations}`,
        config: join(folder, 'peer.yaml'),
        log: join(folder, 'log.json'),
        tlsRoots: inside(node.tls.roots),
      }
    }),
    client: {
      mspId: client.organization.mspId,
      msp: inside(client.node.mspDir),
      tlsCertificate: inside(client.node.tls.certificate),
      tlsKey: inside(client.node.tls.key),
    },
  }
}

/** The configuration file of one validator: only what differs from the defaults. */
function configOf(
  spec: NetworkSpec,
  descriptor: NetworkDescriptor,
  material: NetworkMaterial,
  id: number,
): string {
  const own = descriptor.validators[id]
  const member = material.validators[id]
  if (own === undefined || member === undefined)
    throw new PeerError('PEER_INVALID_OPTION', 'no such validator')
  const folder = join(spec.dir, 'validators', own.name)
  const from = (path: string): string => relative(folder, path)
  const { tls, mspDir } = member.node
  const config = {
    peer: {
      id: own.name,
      localMspId: own.mspId,
      mspConfigPath: from(mspDir),
      fileSystemPath: dataFolder,
      listenAddress: own.gossip,
      tls: { cert: { file: from(tls.certificate) }, key: { file: from(tls.key) } },
    },
    general: {
      listenAddress: own.orderer,
      genesisFile: from(join(spec.dir, descriptor.genesis)),
    },
    operations: { listenAddress: own.operations },
    pbft: {
      general: { batchsize: spec.batchSize, timeout: { batch: `${spec.batchTimeoutMs}ms` } },
    },
    logging: { spec: spec.loggingSpec },
    validators: descriptor.validators.map((each) => ({
      id: each.id,
      gossip: each.gossip,
      orderer: each.orderer,
    })),
  }
  return `# Written by \`heddle network up\` at each start. CORE_... variables override it.\n${stringify(config)}`
}

function countValidators(spec: NetworkSpec, existing: NetworkDescriptor | undefined): number {
  const before = existing?.validators.length
  const count = spec.validators ?? before ?? defaultValidators
  if (before === undefined || before === count) return count
  throw new PeerError(
    'PEER_INVALID_OPTION',
    `the network in ${spec.dir} has ${before} validators, not ${count}`,
    { cure: 'leave --validators out to go on with it, or choose another --dir' },
  )
}

/**
 * Makes, or finds again, everything that a network on this machine needs: certificates, genesis
 * block, ports, configuration files, network.json. Starts nothing.
 *
 * @throws {PeerError} PEER_INVALID_OPTION, PEER_PORT_BUSY, PEER_WRONG_CERTIFICATE
 */
export async function prepareNetwork(spec: NetworkSpec, clock: Clock): Promise<NetworkDescriptor> {
  const existing = await findDescriptor(spec.dir)
  const count = countValidators(spec, existing)
  requireOpenFiles(filesNeeded(count), `a network of ${count} validators`)
  const ports = await choosePorts(spec, count * portsEach, existing)
  const material = await generateMaterial(join(spec.dir, 'crypto'), count)
  const descriptor = describeNetwork(spec.dir, material, ports)
  await ensureGenesis(join(spec.dir, descriptor.genesis), {
    channelId,
    material,
    orderers: descriptor.validators.map(({ orderer }) => ({
      host: '127.0.0.1',
      port: Number(orderer.split(':').at(-1)),
    })),
    accounts: spec.accounts,
    batchSize: spec.batchSize,
    clock,
  })
  for (const { id, config } of descriptor.validators) {
    const path = join(spec.dir, config)
    await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
    await naming(path, writeFile(path, configOf(spec, descriptor, material, id)))
  }
  await writeDescriptor(spec.dir, descriptor)
  return descriptor
}
