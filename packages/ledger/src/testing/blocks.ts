import { createHash } from 'node:crypto'
import { blockDataHash, blockHeaderHash, common, create, encode } from '@heddle/proto'
import type { BlockRecord, LedgerHeader } from '../ports.ts'

/** What a test block holds. */
export interface TestBlockOptions {
  /** Transactions in it; default 2. */
  readonly transactions?: number
  /** Bytes of each; default 64. */
  readonly bytes?: number
  /** Makes the content of one chain differ from another's; default empty. */
  readonly salt?: string
}

/** A well-formed block behind `previous` (absent: block 0), with ids like Fabric's. Same input, same block. */
export function makeTestBlock(
  previous: Pick<LedgerHeader, 'number' | 'hash'> | undefined,
  options: TestBlockOptions = {},
): BlockRecord & { readonly header: Pick<LedgerHeader, 'number' | 'hash'> } {
  const { transactions = 2, bytes = 64, salt = '' } = options
  const number = previous === undefined ? 0n : previous.number + 1n
  const data: Uint8Array[] = []
  const txIds: string[] = []
  for (let index = 0; index < transactions; index += 1) {
    const digest = createHash('sha256').update(`${salt}/${number.toString()}/${index}`).digest()
    txIds.push(digest.toString('hex'))
    data.push(Buffer.alloc(bytes, digest))
  }
  const header = create(common.BlockHeaderSchema, {
    number,
    previousHash: previous === undefined ? new Uint8Array() : previous.hash,
    dataHash: blockDataHash(data),
  })
  const block = encode(common.BlockSchema, create(common.BlockSchema, { header, data: { data } }))
  return { block, txIds, header: { number, hash: blockHeaderHash(header) } }
}

/** Blocks 0 to `count` − 1 of a chain. */
export function makeTestChain(count: number, options: TestBlockOptions = {}): BlockRecord[] {
  const chain: BlockRecord[] = []
  let previous: Pick<LedgerHeader, 'number' | 'hash'> | undefined
  for (let number = 0; number < count; number += 1) {
    const { header, block, txIds } = makeTestBlock(previous, options)
    chain.push({ block, txIds })
    previous = header
  }
  return chain
}
