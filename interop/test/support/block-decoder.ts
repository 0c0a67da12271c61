import * as fabricCommon from 'fabric-common'
import type { common } from '@hyperledger/fabric-protos'

/** A transaction as `BlockDecoder` shows it, as far as the tests look. */
export interface DecodedTransaction {
  readonly payload: {
    readonly header: {
      readonly channel_header: {
        readonly typeString: string
        readonly channel_id: string
        readonly tx_id: string
      }
      readonly signature_header: { readonly creator: { readonly mspid: string } }
    }
    readonly data: { readonly config?: { readonly channel_group: { readonly groups: object } } }
  }
}

/** A block as `BlockDecoder` shows it, as far as the tests look. */
export interface DecodedBlock {
  readonly data: { readonly data: readonly DecodedTransaction[] }
}

/** The package's types leave its decoder out. */
const { BlockDecoder } = fabricCommon as unknown as {
  readonly BlockDecoder: { decode(block: Buffer): DecodedBlock }
}

/** What fabric-common makes of a block. */
export function decodeBlock(block: common.Block): DecodedBlock {
  return BlockDecoder.decode(Buffer.from(block.serializeBinary()))
}
