import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { blockHeaderBytes, common, decode, gossip, msp } from '@heddle/proto'
import { serializeIdentity } from '../../src/identity.ts'
import type { SignedData } from '../../src/signed-data.ts'

export const releases = ['raft-v2.5.16', 'bft-v3.1.5'] as const
export type Release = (typeof releases)[number]

const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url))

export function fixture(release: Release, ...path: readonly string[]): string {
  return join(fixtures, release, ...path)
}

/** An organisation's folder as cryptogen made it. */
export const organizations = {
  OrdererMSP: ['crypto', 'ordererOrganizations', 'orderer.example.com'],
  Org1MSP: ['crypto', 'peerOrganizations', 'org1.example.com'],
} as const

export interface Member {
  readonly mspId: keyof typeof organizations
  readonly name: string
  readonly role: 'peer' | 'orderer' | 'admin' | 'client'
  readonly mspDir: string
  readonly pem: Buffer
}

function roleOf(folder: string, name: string): Member['role'] {
  if (folder === 'peers') return 'peer'
  if (folder === 'orderers') return 'orderer'
  return name.startsWith('Admin@') ? 'admin' : 'client'
}

/** Every node and user of a recorded network. */
export function members(release: Release): Member[] {
  return (['OrdererMSP', 'Org1MSP'] as const).flatMap((mspId) => {
    const dir = fixture(release, ...organizations[mspId])
    const folders = readdirSync(dir).filter((one) => ['peers', 'orderers', 'users'].includes(one))
    return folders.flatMap((folder) =>
      readdirSync(join(dir, folder)).map((name) => {
        const mspDir = join(dir, folder, name, 'msp')
        const signcerts = join(mspDir, 'signcerts')
        const [file = ''] = readdirSync(signcerts)
        const pem = readFileSync(join(signcerts, file))
        return { mspId, name, role: roleOf(folder, name), mspDir, pem }
      }),
    )
  })
}

export function block(release: Release, number: string): common.Block {
  return decode(common.BlockSchema, readFileSync(fixture(release, 'orderer', `${number}.block`)))
}

/** `Config.channel_group` of a config block. */
export function channelGroup(configBlock: common.Block): common.ConfigGroup {
  const envelope = decode(common.EnvelopeSchema, configBlock.data!.data[0]!)
  const payload = decode(common.PayloadSchema, envelope.payload)
  return decode(common.ConfigEnvelopeSchema, payload.data).config!.channelGroup!
}

/** Consenters of a BFT channel: identities by their ids, from `Orderers` of a config block. */
export function consenters(group: common.ConfigGroup): Map<number, Uint8Array> {
  const value = group.groups['Orderer']!.values['Orderers']
  if (value === undefined) return new Map()
  const { consenterMapping } = decode(common.OrderersSchema, value.value)
  return new Map(
    consenterMapping.map((one) => [one.id, serializeIdentity(one.mspId, one.identity)]),
  )
}

/** Who claims to have signed a block: in the CFT form or the BFT form. */
export function blockSignatures(one: common.Block, ids: Map<number, Uint8Array>): SignedData[] {
  const header = blockHeaderBytes(one.header!)
  const metadata = decode(common.MetadataSchema, one.metadata!.metadata[0]!)
  return metadata.signatures.map(({ signatureHeader, identifierHeader, signature }) => {
    if (signatureHeader.length > 0) {
      const { creator } = decode(common.SignatureHeaderSchema, signatureHeader)
      const data = Buffer.concat([metadata.value, signatureHeader, header])
      return { identity: creator, data, signature }
    }
    const { identifier } = decode(common.IdentifierHeaderSchema, identifierHeader)
    const data = Buffer.concat([metadata.value, identifierHeader, header])
    return { identity: ids.get(identifier)!, data, signature }
  })
}

/** Connection messages of a recorded gossip talk: who is presented, and the signature. */
export function handshakes(release: Release): (SignedData & { readonly pkiId: Uint8Array })[] {
  const { frames } = JSON.parse(readFileSync(fixture(release, 'gossip.json'), 'utf8')) as {
    frames: { kind: string; hex: string }[]
  }
  return frames
    .filter(({ kind }) => kind.startsWith('CONN'))
    .map(({ hex }) => {
      const { payload, signature } = decode(gossip.EnvelopeSchema, Buffer.from(hex, 'hex'))
      const { content } = decode(gossip.GossipMessageSchema, payload)
      if (content.case !== 'conn') throw new TypeError('not a connection message')
      const { identity, pkiId } = content.value
      return { identity, pkiId, data: payload, signature }
    })
}

/** The FabricMSPConfig of an organisation's group. */
export function mspConfigOf(group: common.ConfigGroup): msp.MSPConfig {
  return decode(msp.MSPConfigSchema, group.values['MSP']!.value)
}
