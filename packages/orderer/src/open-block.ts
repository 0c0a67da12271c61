import { blockHeaderBytes, type common } from '@heddle/proto'
import type { BlockSignature } from '@heddle/proto'

/** A block that was executed here and needs signatures. */
export interface BlockToSign {
  /** Its hashes are taken as they are. */
  readonly header: common.BlockHeader
  /** Slot 0's `Metadata.value`; the same bytes at every correct consenter. */
  readonly value: Uint8Array
}

/** What a block waits for. */
export interface UnsignedBlock {
  readonly number: bigint
  /** How long it has collected signatures, in milliseconds. */
  readonly waitingMs: number
  /** Consenters that signed it as it was executed here, in order; this one among them. */
  readonly signed: readonly number[]
  /**
   * Consenters whose own last signature for this number fits nothing that was executed here, in
   * order: they have another block or other results, or lie.
   */
  readonly differing: readonly number[]
  /** Those of them that say that theirs has the signatures of a quorum, in order. */
  readonly outvotedBy: readonly number[]
}

/** One block that collects signatures. */
export interface OpenBlock extends BlockToSign {
  readonly number: bigint
  readonly headerBytes: Uint8Array
  readonly accepted: Map<number, BlockSignature>
  /** See {@link UnsignedBlock}. */
  readonly differing: Set<number>
  readonly openedAt: number
  /** `sender:id` of the checks under way: one of each at a time, so that they are bounded. */
  readonly checking: Set<string>
  /** `sender:id` of consenters, and the last that was sent of those and did not verify. */
  readonly refused: Map<string, BlockSignature>
  own: BlockSignature | undefined
  /** Consenters that had it complete already, or say so. */
  readonly answeredBy: Set<number>
  sentAt: number
  readonly resolve: (signatures: BlockSignature[]) => void
  readonly reject: (reason: Error) => void
}

/** Opens the collection of a block; `settle` ends it. */
export function openBlock(
  { header, value }: BlockToSign,
  now: number,
  settle: Pick<OpenBlock, 'resolve' | 'reject'>,
): OpenBlock {
  return {
    number: header.number,
    header,
    headerBytes: blockHeaderBytes(header),
    value,
    accepted: new Map(),
    differing: new Set(),
    openedAt: now,
    checking: new Set(),
    refused: new Map(),
    own: undefined,
    answeredBy: new Set(),
    sentAt: now,
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

/** Where the collection of a block is. */
export function unsignedBlock(open: OpenBlock, now: number): UnsignedBlock {
  const { number, openedAt, accepted, differing, answeredBy } = open
  const sorted = (ids: Iterable<number>): number[] => [...ids].sort((a, b) => a - b)
  return {
    number,
    waitingMs: now - openedAt,
    signed: sorted(accepted.keys()),
    differing: sorted(differing),
    outvotedBy: sorted(answeredBy).filter((id) => differing.has(id)),
  }
}
