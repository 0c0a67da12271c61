import { randomBytes } from 'node:crypto'
import { blockHeaderBytes, blockSignaturePreimage, common, create, encode } from '@heddle/proto'
import type { BlockSignature } from '@heddle/proto'
import type { BlockToSign } from './open-block.ts'
import type { BlockSigner } from './ports.ts'

/** As long as Fabric's nonces. */
const nonceBytes = 24

/**
 * Signs a block as a consenter of a BFT channel: what `blockMetadata` of @heddle/proto puts beside the value.
 *
 * @param consenter - its id in the channel's `consenter_mapping`: a uint32, from 1 on in Fabric
 * @param signer - has the key of the identity that the mapping gives to `consenter`
 * @returns a signature with a new nonce; rejects with what the signer rejects with
 * @throws {ProtoInvalidMessageError} (rejects) when `consenter` is not a uint32
 * @see fabric v3.0.0 protoutil/blockutils.go (BlockSignatureVerifier), common/common.proto
 * (IdentifierHeader)
 */
export async function signBlock(
  block: BlockToSign,
  consenter: number,
  signer: BlockSigner,
): Promise<BlockSignature> {
  const header = { identifier: consenter, nonce: randomBytes(nonceBytes) }
  const identifierHeader = encode(
    common.IdentifierHeaderSchema,
    create(common.IdentifierHeaderSchema, header),
  )
  const { value } = block
  const message = blockSignaturePreimage(value, identifierHeader, blockHeaderBytes(block.header))
  return { identifierHeader, signature: await signer.sign(message) }
}
