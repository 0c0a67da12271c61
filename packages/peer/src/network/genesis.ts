import { randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { createGenesisBlock } from '@heddle/channel'
import { loadMsp, loadSigningIdentity } from '@heddle/msp'
import { common, encode } from '@heddle/proto'
import { systemCode } from '../errors.ts'
import { encodeGenesisState } from '../node/genesis-state.ts'
import { newestRules } from '../rules/known-rules.ts'
import { naming } from '../system-error.ts'
import type { Clock } from '@heddle/interface'
import type { Address } from '../config/setting.ts'
import type { Member, NetworkMaterial } from './crypto.ts'

/** What a channel begins with. */
export interface GenesisSpec {
  readonly channelId: string
  readonly material: NetworkMaterial
  /** Where each validator serves clients. */
  readonly orderers: readonly Address[]
  readonly accounts: ReadonlyMap<string, bigint>
  readonly batchSize: number
  readonly clock: Clock
}

async function consenterOf({ organization, node }: Member, id: number, address: Address) {
  const identity = await loadSigningIdentity(node.mspDir, organization.mspId)
  const certificate = await readFile(node.tls.certificate)
  return {
    id: id + 1,
    host: address.host,
    port: address.port,
    mspId: organization.mspId,
    identity: identity.idBytes,
    clientTlsCert: certificate,
    serverTlsCert: certificate,
  }
}

async function groupOf({ organization: { mspId, mspDir } }: Member) {
  return { name: mspId, mspId, msp: (await loadMsp(mspDir, mspId)).toConfig() }
}

async function makeGenesis(spec: GenesisSpec): Promise<Uint8Array> {
  const { channelId, material, orderers, accounts, batchSize, clock } = spec
  const members = material.validators.map((member, id) => {
    const address = orderers[id] ?? { host: '127.0.0.1', port: 0 }
    return { member, id, address }
  })
  const block = createGenesisBlock({
    channelId,
    timestamp: new Date(clock.wallTime()),
    nonce: randomBytes(24),
    ordererOrgs: await Promise.all(
      members.map(async ({ member, address }) => ({
        ...(await groupOf(member)),
        endpoints: [`${address.host}:${address.port}`],
      })),
    ),
    applicationOrgs: [await groupOf(material.client)],
    consenters: await Promise.all(
      members.map(({ member, id, address }) => consenterOf(member, id, address)),
    ),
    batchSize: {
      maxMessageCount: batchSize,
      absoluteMaxBytes: 10 * 1024 * 1024,
      preferredMaxBytes: 2 * 1024 * 1024,
    },
    batchTimeout: '2s',
    consensusMetadata: encodeGenesisState({ accounts, rules: newestRules }),
  })
  return encode(common.BlockSchema, block)
}

/** The genesis block in `path`; made and written when it is not there. */
export async function ensureGenesis(path: string, spec: GenesisSpec): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
  const bytes = await makeGenesis(spec)
  await naming(path, writeFile(`${path}.new`, bytes))
  await rename(`${path}.new`, path)
  return bytes
}
