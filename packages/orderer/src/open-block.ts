import { blockHeaderBytes, type common } from '@heddle/proto'
import type { BlockSignature } from './ports.ts'

/** A block that was executed here and needs signatures. */
export interface BlockToSign {
  /** Its hashes are taken as they are. */
  readonly header: common.BlockHeader
  /** Slot 0's `Metadata.value`; the same bytes at every correct consenter. */
  readonly value: Uint8Array
}

/** One block that collects signatures. */
export interface OpenBlock extends BlockToSign {
  readonly number: bigint
  readonly headerBytes: Uint8Array
  readonly accepted: Map<number, BlockSignature>
  /** `sender:id` of the checks under way: one of each at a time, so that they are bounded. */
  readonly checking: Set<string>
  own: BlockSignature | undefined
  sentAt: number
  readonly resolve: (signatures: BlockSignature[]) => void
  readonly reject: (reason: Error) => void
}

/** Opens the collection of a block; `settle` ends it. */
export function openBlock(
  { header, value }: BlockToSign,
  sentAt: number,
  settle: Pick<OpenBlock, 'resolve' | 'reject'>,
): OpenBlock {
  return {
    number: header.number,
    header,
    headerBytes: blockHeaderBytes(header),
    value,
    accepted: new Map(),
    checking: new Set(),
    own: undefined,
    sentAt,
    ...settle,
  }
}

/** The own signature and as many others as the quorum needs, ordered by consenter. */
export function quorumOf(
  accepted: ReadonlyMap<number, BlockSignature>,
  quorum: number,
  self: number,
): BlockSignature[] {
  const others = [...accepted].filter(([id]) => id !== self).slice(0, quorum - 1)
  const own = [...accepted].filter(([id]) => id === self)
  return [...own, ...others].sort(([a], [b]) => a - b).map(([, signature]) => signature)
}
