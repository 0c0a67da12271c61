import { Budget, Holds } from '@heddle/events'
import { common, decode } from '@heddle/proto'
import type { Clock } from '@heddle/interface'
import type { Ledger } from '@heddle/ledger'

/** Bytes of stored blocks that are read for the clients of one organisation in a second, and at once. */
export const readLimits = {
  bytes: { perSecond: 16 * 1024 * 1024, burst: 64 * 1024 * 1024 },
} as const

/** Blocks that are kept, for who asks for several of their transactions: those that were asked for last. */
export const keptBlocks = 4

/** Organisations that are remembered: of more, those that came last. */
const maxOrganizations = 1000

interface Reader {
  readonly budget: Budget<keyof typeof readLimits>
  /** Resolves when the last read that was asked for is over. */
  last: Promise<unknown>
}

type Envelopes = readonly Uint8Array[]

/** Reads whole blocks for clients: for those of one organisation one after the other, and no more than {@link readLimits}. */
export class StoredEnvelopes {
  readonly #ledger: Pick<Ledger, 'block'>
  readonly #clock: Clock
  readonly #holds: Holds
  readonly #readers = new Map<string, Reader>()
  readonly #kept = new Map<bigint, Envelopes>()

  constructor(ledger: Pick<Ledger, 'block'>, clock: Clock) {
    this.#ledger = ledger
    this.#clock = clock
    this.#holds = new Holds(clock)
  }

  /** Of block `number`, when the turn of the organisation's client has come. Rejects as the ledger, or when it has left. */
  of(number: bigint, organization: string, signal?: AbortSignal): Promise<Envelopes> {
    const reader = this.#readerOf(organization)
    const mine = reader.last.then(() => {
      signal?.throwIfAborted()
      return this.#kept.get(number) ?? this.#read(number, reader)
    })
    reader.last = mine.catch(() => undefined)
    return mine
  }

  /** Nobody waits any more. */
  close(): void {
    this.#holds.release()
  }

  async #read(number: bigint, { budget }: Reader): Promise<Envelopes> {
    const { holdMs } = budget.settle() ?? {}
    if (holdMs !== undefined) await this.#holds.hold(holdMs)
    const bytes = await this.#ledger.block(number)
    if (bytes === undefined) return []
    budget.spend('bytes', bytes.length)
    const envelopes = decode(common.BlockSchema, bytes).data?.data ?? []
    this.#kept.set(number, envelopes)
    const [oldest = number] = this.#kept.keys()
    if (this.#kept.size > keptBlocks) this.#kept.delete(oldest)
    return envelopes
  }

  #readerOf(organization: string): Reader {
    const known = this.#readers.get(organization)
    const reader = known ?? {
      budget: new Budget(this.#clock, { limits: readLimits, maxHeldMs: Infinity }),
      last: Promise.resolve(),
    }
    this.#readers.delete(organization)
    this.#readers.set(organization, reader)
    const [oldest = organization] = this.#readers.keys()
    if (this.#readers.size > maxOrganizations) this.#readers.delete(oldest)
    return reader
  }
}
