import { common, decode } from '@heddle/proto'
import type { Ledger } from '@heddle/ledger'
import type { BlockSignature, SignatureArchive } from '@heddle/orderer'

/** Number of metadata slot SIGNATURES. */
const signaturesSlotIndex: number = common.BlockMetadataIndex.SIGNATURES

/** The signatures stored with blocks, to help a validator that lacks some. */
export function createSignatureArchive(ledger: Ledger): SignatureArchive {
  return {
    async signatures(number): Promise<readonly BlockSignature[] | undefined> {
      const bytes = number === 0n ? undefined : await ledger.block(number)
      if (bytes === undefined) return undefined
      const slot = decode(common.BlockSchema, bytes).metadata?.metadata[signaturesSlotIndex]
      if (slot === undefined) return undefined
      return decode(common.MetadataSchema, slot).signatures.map(
        ({ identifierHeader, signature }) => ({ identifierHeader, signature }),
      )
    },
  }
}
