import type { Received, common } from '@heddle/proto'
import { BlockError } from '../errors.ts'
import type { BlockSink, LedgerInfo } from '../ports.ts'

/** A ledger in memory: a {@link LedgerInfo} and a {@link BlockSink} in one. */
export class MemoryStore implements LedgerInfo, BlockSink {
  readonly #blocks: Uint8Array[]

  /** @param blocks - encoded blocks that are there already: block 0 and so on */
  constructor(blocks: readonly Uint8Array[] = []) {
    this.#blocks = [...blocks]
  }

  height(): bigint {
    return BigInt(this.#blocks.length)
  }

  block(number: bigint): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#blocks[Number(number)])
  }

  put({ message, bytes }: Received<common.Block>): Promise<void> {
    const number = message.header?.number
    if (number !== this.height()) {
      const text = `block ${String(number)} where ${String(this.height())} is next`
      return Promise.reject(new BlockError('DELIVER_BLOCK_NUMBER', text))
    }
    this.#blocks.push(Uint8Array.prototype.slice.call(bytes))
    return Promise.resolve()
  }
}
