import { X509Certificate, createHash, verify } from 'node:crypto'
import { common } from '@hyperledger/fabric-protos'

// Fabric's rules for the hash and the signatures of a block, written down once more with nothing
// of Heddle: node:crypto, and Fabric's own generated messages.

function der(tag: number, content: Uint8Array): Buffer {
  if (content.length > 127) throw new Error('a header is shorter than that')
  return Buffer.concat([Uint8Array.of(tag, content.length), content])
}

function derInteger(value: number): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 1 ? `0${hex}` : hex, 'hex')
  const negative = (bytes[0] ?? 0) > 127
  return der(0x02, negative ? Buffer.concat([Uint8Array.of(0), bytes]) : bytes)
}

/** What is hashed and signed of a header: SEQUENCE { number, previous hash, data hash }. */
export function headerBytes(header: common.BlockHeader): Buffer {
  const parts = [
    derInteger(header.getNumber()),
    der(0x04, header.getPreviousHash_asU8()),
    der(0x04, header.getDataHash_asU8()),
  ]
  return der(0x30, Buffer.concat(parts))
}

/** SHA-256 of the header, in hexadecimal. */
export function headerHash(header: common.BlockHeader): string {
  return createHash('sha256').update(headerBytes(header)).digest('hex')
}

/** SHA-256 over all transactions, in hexadecimal. */
export function dataHash(block: common.Block): string {
  const hash = createHash('sha256')
  for (const envelope of block.getData()?.getDataList_asU8() ?? []) hash.update(envelope)
  return hash.digest('hex')
}

/** The certificates of the consenters in a configuration block, by consenter id. */
export function consentersOf(genesis: common.Block): Map<number, X509Certificate> {
  const [envelope = new Uint8Array()] = genesis.getData()?.getDataList_asU8() ?? []
  const payload = common.Envelope.deserializeBinary(envelope).getPayload_asU8()
  const data = common.Payload.deserializeBinary(payload).getData_asU8()
  const root = common.ConfigEnvelope.deserializeBinary(data).getConfig()?.getChannelGroup()
  const value = root?.getGroupsMap().get('Orderer')?.getValuesMap().get('Orderers')
  const orderers = common.Orderers.deserializeBinary(value?.getValue_asU8() ?? new Uint8Array())
  return new Map(
    orderers
      .getConsenterMappingList()
      .map((each) => [each.getId(), new X509Certificate(each.getIdentity_asU8())]),
  )
}

/** Ids of the consenters whose signature of the block is good. A bad one throws. */
export function signersOf(
  block: common.Block,
  consenters: ReadonlyMap<number, X509Certificate>,
): Set<number> {
  const header = block.getHeader()
  const [slot = new Uint8Array()] = block.getMetadata()?.getMetadataList_asU8() ?? []
  const metadata = common.Metadata.deserializeBinary(slot)
  const signers = new Set<number>()
  for (const each of metadata.getSignaturesList()) {
    const identifier = each.getIdentifierHeader_asU8()
    const id = common.IdentifierHeader.deserializeBinary(identifier).getIdentifier()
    const key = consenters.get(id)?.publicKey
    const signed = Buffer.concat([
      metadata.getValue_asU8(),
      identifier,
      header === undefined ? Buffer.alloc(0) : headerBytes(header),
    ])
    if (key === undefined || !verify('sha256', signed, key, each.getSignature_asU8())) {
      throw new Error(`signature of consenter ${id} is bad`)
    }
    signers.add(id)
  }
  return signers
}
