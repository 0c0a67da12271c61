import { common, decode } from '@heddle/proto'
import type { Ledger } from '@heddle/ledger'
import type { SignatureArchive, StoredBlock } from '@heddle/orderer'

/** Number of metadata slot SIGNATURES. */
const signaturesSlotIndex: number = common.BlockMetadataIndex.SIGNATURES

/** What was signed as the blocks of a ledger, and the signatures that are stored with them. */
export function createSignatureArchive(ledger: Ledger): SignatureArchive {
  return {
    async block(number): Promise<StoredBlock | undefined> {
      const bytes = number === 0n ? undefined : await ledger.block(number)
      if (bytes === undefined) return undefined
      const { header, metadata } = decode(common.BlockSchema, bytes)
      const slot = metadata?.metadata[signaturesSlotIndex]
      if (header === undefined || slot === undefined) return undefined
      const { value, signatures } = decode(common.MetadataSchema, slot)
      return {
        storedBytes: bytes.length,
        header,
        value,
        signatures: signatures.map(({ identifierHeader, signature }) => ({
          identifierHeader,
          signature,
        })),
      }
    },
  }
}
