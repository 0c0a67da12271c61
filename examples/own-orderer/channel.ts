import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createGenesisBlock } from '@heddle/channel'
import type { ApplicationOrganization } from '@heddle/channel'
import { generateOrganization, loadMsp, loadSigningIdentity } from '@heddle/msp'
import type { SigningIdentity } from '@heddle/msp'
import { common, encode } from '@heddle/proto'

/** An organisation of one member, with its certificates. */
export interface Organization {
  /** As the genesis block names it. */
  readonly group: ApplicationOrganization
  readonly signer: SigningIdentity
  /** PEM. */
  readonly tls: { readonly certificate: string; readonly key: string; readonly root: string }
}

/** Makes its certificates in `dir`, in the layout of Fabric's tools. */
export async function createOrganization(
  dir: string,
  name: string,
  role: 'orderer' | 'client',
): Promise<Organization> {
  const mspId = `${name}MSP`
  const domain = `${name.toLowerCase()}.example.com`
  const nodes = [{ name: role, role }]
  const made = await generateOrganization({ mspId, domain, dir: join(dir, domain), nodes })
  const { mspDir, tls } = made.nodes[0]!
  const [certificate, key, root] = await Promise.all(
    [tls.certificate, tls.key, tls.roots].map((path) => readFile(path, 'utf8')),
  )
  return {
    group: { name, mspId, msp: (await loadMsp(made.mspDir, mspId)).toConfig() },
    signer: await loadSigningIdentity(mspDir, mspId),
    tls: { certificate: certificate!, key: key!, root: root! },
  }
}

/** Block 0, encoded: who orders, who uses the channel, and whose signature a block needs. */
export function genesisBlock(
  channelId: string,
  operator: Organization,
  users: readonly Organization[],
): Uint8Array {
  const { mspId, idBytes } = operator.signer
  const block = createGenesisBlock({
    channelId,
    timestamp: new Date(),
    nonce: randomBytes(24),
    ordererOrgs: [{ ...operator.group, endpoints: ['localhost:7050'] }],
    applicationOrgs: users.map(({ group }) => group),
    consenters: [{ id: 1, mspId, identity: idBytes }],
    batchSize: { maxMessageCount: 100, absoluteMaxBytes: 1 << 20, preferredMaxBytes: 1 << 20 },
    batchTimeout: '1s',
    consensusMetadata: new Uint8Array(),
  })
  return encode(common.BlockSchema, block)
}
