import { checkSuccessor, decodeBlockRecord, headerOf } from './blocks/block-record.ts'
import { corrupt } from './errors.ts'
import type { LedgerError } from './errors.ts'
import type { LastBlock } from './file-ledger.ts'
import type { BlockIndex } from './index/block-index.ts'
import type { LedgerHeader } from './ports.ts'
import type { ScannedRecord } from './records/record-scan.ts'

/** The index says that a block is elsewhere: somebody put other files in the place of its own. */
export class OtherPlace extends Error {
  readonly block: bigint

  constructor(block: bigint) {
    super(`block ${block.toString()} is elsewhere`)
    this.block = block
  }
}

/** Checks the blocks that are read on opening, and indexes those that are not indexed yet. */
export class Recovery {
  readonly #index: BlockIndex
  #last: LastBlock | undefined
  /** Blocks that were not in the index. */
  indexed = 0

  constructor(index: BlockIndex) {
    this.#index = index
  }

  get last(): LastBlock | undefined {
    return this.#last
  }

  /** Where the scan begins: with `tail`, at the last block of the index. */
  start(verify: 'all' | 'tail'): { readonly from?: NonNullable<ReturnType<BlockIndex['block']>> } {
    if (verify === 'all' || this.#index.height === 0n) return {}
    const from = this.#index.block(this.#index.height - 1n)
    return from === undefined ? {} : { from }
  }

  visit(record: ScannedRecord): void {
    const content = decodeBlockRecord(record.body)
    if (content === undefined) throw this.#corrupt(record, undefined)
    let header: LedgerHeader
    try {
      header = headerOf(content.block)
      // Nothing is known of what comes before the first one that is read.
      if (this.#last !== undefined || record.sequence === 0n)
        checkSuccessor(header, this.#last?.header)
    } catch (error) {
      throw this.#corrupt(record, error)
    }
    // The record's bytes are others' after this call.
    this.#last = { header, note: content.note && Uint8Array.from(content.note) }
    const { sequence, offset, length } = record
    if (sequence < this.#index.height) {
      const known = this.#index.block(sequence)
      if (known?.offset !== offset || known.length !== length) throw new OtherPlace(sequence)
      return
    }
    this.#index.add({ sequence, offset, length }, Buffer.from(content.txIds))
    this.indexed += 1
    this.#index.flushSome()
    this.#index.checkRoom()
  }

  #corrupt(record: ScannedRecord, cause: unknown): LedgerError {
    const { sequence: block, offset, path: file } = record
    const reason = cause instanceof Error ? cause.message : 'its record has another form'
    const what = `block ${block.toString()} in ${file} at offset ${offset} does not fit: ${reason}`
    return corrupt(what, { file, offset, block, cause })
  }
}
