import {
  blockHeaderBytes,
  blockHeaderHash,
  blockSignaturePreimage,
  common,
  create,
  decode,
  encode,
  heddle,
} from '@heddle/proto'
import type { Verifier } from '@heddle/pbft'

/** A block as validators signed it. */
export interface SignedBlock {
  readonly number: bigint
  /** Hash of its header, hexadecimal. */
  readonly hash: string
  /** What was signed with the header: it covers the results. */
  readonly value: Uint8Array
  /** Numbers, from 0 on, of the validators that signed it; not verified. */
  readonly signers: readonly number[]
}

/** Two blocks of one number, each signed by a quorum: more validators lied, or forgot, than a network stands. */
export interface Fork {
  readonly number: bigint
  readonly own: SignedBlock
  readonly other: SignedBlock
}

/** What tells `block` from others of its number; undefined when it has no header. */
export function signedHeaderOf(block: common.Block): heddle.SignedHeader | undefined {
  const { header, metadata } = block
  if (header === undefined) return undefined
  return create(heddle.SignedHeaderSchema, {
    header: encode(common.BlockHeaderSchema, header),
    signatures: metadata?.metadata[common.BlockMetadataIndex.SIGNATURES] ?? new Uint8Array(),
  })
}

/** Reads it; nothing is verified. @throws ProtoMalformedError */
export function readSignedHeader({ header, signatures }: heddle.SignedHeader): SignedBlock {
  const read = decode(common.BlockHeaderSchema, header)
  const metadata = decode(common.MetadataSchema, signatures)
  return {
    number: read.number,
    hash: Buffer.from(blockHeaderHash(read)).toString('hex'),
    value: metadata.value,
    signers: metadata.signatures.map((each) => consenterOf(each) - 1).sort((a, b) => a - b),
  }
}

/** The fork that they are, if both are what they say; undefined when they are one block, or of two numbers. */
export function forkOf(own: SignedBlock, other: SignedBlock): Fork | undefined {
  const { number } = own
  if (number !== other.number) return undefined
  if (own.hash === other.hash && Buffer.compare(own.value, other.value) === 0) return undefined
  return { number, own, other }
}

/**
 * Which of `n` validators, from 0 on, signed it: others that it names did not. Never rejects: what is
 * malformed nobody signed.
 */
export async function signersOf(
  { header, signatures }: heddle.SignedHeader,
  n: number,
  verifier: Verifier,
): Promise<number[]> {
  try {
    const read = decode(common.BlockHeaderSchema, header)
    const metadata = decode(common.MetadataSchema, signatures)
    if (metadata.signatures.length > n) return []
    const valid = new Set<number>()
    for (const each of metadata.signatures) {
      const { identifierHeader, signature } = each
      const preimage = blockSignaturePreimage(
        metadata.value,
        identifierHeader,
        blockHeaderBytes(read),
      )
      const replica = consenterOf(each) - 1
      if (await verifier.verify(replica, preimage, signature)) valid.add(replica)
    }
    return [...valid].sort((a, b) => a - b)
  } catch {
    return []
  }
}

function consenterOf({ identifierHeader }: common.MetadataSignature): number {
  return decode(common.IdentifierHeaderSchema, identifierHeader).identifier
}
