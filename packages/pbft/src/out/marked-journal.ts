import { randomBytes } from 'node:crypto'
import { create, encode, pbft } from '@heddle/proto'
import type { JournalRecord } from '../core/protocol.ts'
import { decodeAs } from '../wire/codec.ts'
import { MalformedError } from '../errors.ts'
import type { Journal } from '../ports.ts'
import { decodeRecord } from '../wire/record-codec.ts'

const identityBytes = 16
/** Bytes of a mark: the identity of the journal, and how many records it had got, u64. */
export const markBytes = identityBytes + 8

/** Where a journal stands. */
interface Position {
  readonly identity: Buffer
  /** Records that it ever got, those that a rewrite left out included. */
  records: bigint
}

/**
 * The journal of a replica with an identity and a count of its records, in a record of its own at the
 * beginning. A mark of both, kept with the state that was executed, tells later whether the journal is
 * still the one with which the state was reached, and all there.
 */
export class MarkedJournal {
  readonly #journal: Journal
  #position: Position = { identity: randomBytes(identityBytes), records: 0n }
  /** Whether its first record says which it is. Not in a new journal, nor in one of before. */
  #hasHead = false
  #isEmpty = true
  /** Whether less is there than a rewrite left. */
  #isCut = false

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /**
   * The records of the protocol. Once, before anything else.
   *
   * @throws {MalformedError} PBFT_MALFORMED; whatever the journal rejects with
   */
  async records(): Promise<JournalRecord[]> {
    const all = await this.#journal.records()
    const head = all[0] && headIn(all[0])
    const encoded = head === undefined ? all : all.slice(1)
    const count = BigInt(encoded.length)
    this.#isEmpty = all.length === 0
    if (head === undefined) this.#position.records = count
    else {
      const { identity, appended, kept } = head
      this.#position = { identity: Buffer.from(identity), records: appended + count - kept }
      this.#hasHead = true
      this.#isCut = count < kept
    }
    return encoded.map(decodeRecord)
  }

  /** Whether it has to be written anew before it can be told from others. */
  get needsHead(): boolean {
    return !this.#hasHead
  }

  /** Whether nothing of it would be there after a restart. */
  get isLost(): boolean {
    return this.#journal.isLost === true
  }

  /** For the state that is executed next: what is durable now must be there whenever that is. */
  mark(): Uint8Array | undefined {
    if (!this.#hasHead) return undefined
    const mark = Buffer.alloc(markBytes)
    this.#position.identity.copy(mark)
    mark.writeBigUInt64BE(this.#position.records, identityBytes)
    return mark
  }

  /**
   * Why this cannot be all that the replica ever wrote, which has executed something if `hasExecuted`,
   * and kept `mark` with it; undefined when it can.
   */
  whyIncomplete(mark: Uint8Array | undefined, hasExecuted: boolean): string | undefined {
    const { identity, records } = this.#position
    const { damage } = this.#journal
    if (damage !== undefined) return damage
    if (this.#isCut) return 'the journal lacks records that a rewrite kept'
    // What executed before there were marks has records of it.
    if (mark === undefined) return this.#isEmpty && hasExecuted ? 'the journal is empty' : undefined
    const bytes = Buffer.from(mark)
    if (bytes.length !== markBytes) return 'the mark of the journal is none'
    if (!this.#hasHead || !bytes.subarray(0, identityBytes).equals(identity))
      return 'the journal is not the one with which the state was reached'
    const needed = bytes.readBigUInt64BE(identityBytes)
    if (records >= needed) return undefined
    return `the journal ends after record ${records}, the state was reached with ${needed}`
  }

  async append(records: readonly Uint8Array[]): Promise<void> {
    await this.#journal.append(records)
    this.#position.records += BigInt(records.length)
  }

  async rewrite(records: readonly Uint8Array[]): Promise<void> {
    const { identity, records: appended } = this.#position
    const head = { identity, appended, kept: BigInt(records.length) }
    await this.#journal.rewrite([encodeHead(head), ...records])
    this.#hasHead = true
  }
}

type Head = Pick<pbft.JournalHead, 'identity' | 'appended' | 'kept'>

function encodeHead(head: Head): Uint8Array {
  const value = create(pbft.JournalHeadSchema, head)
  return encode(pbft.RecordSchema, create(pbft.RecordSchema, { entry: { case: 'head', value } }))
}

function headIn(record: Uint8Array): Head | undefined {
  const { entry } = decodeAs(pbft.RecordSchema, record)
  if (entry.case !== 'head') return undefined
  if (entry.value.identity.length !== identityBytes)
    throw new MalformedError('a journal with an identity of another length')
  return entry.value
}
