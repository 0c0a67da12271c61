import { createHash, hash } from 'node:crypto'
import { CodedError } from '@heddle/interface'
import type { AbortOptions } from '@heddle/interface'
import type { StateMachine, StatePoint, TransferTarget } from '@heddle/pbft'

/** A guest wants a seat. Who is ordered first has it: that is what the replicas agree on. */
export interface Booking {
  readonly seat: string
  readonly guest: string
}

/** A batch as it was ordered, in a form that survives JSON. */
export interface OrderedBatch {
  readonly sequence: string
  /** Requests in base64. */
  readonly requests: readonly string[]
}

/** Where batches are kept: a journal of `@heddle/ledger`, or `MemoryJournal` of `@heddle/pbft/testing`. */
export interface BatchLog {
  append(records: readonly Uint8Array[]): Promise<void>
}

/** Asks another replica for the batches from sequence number `from` to `to`. It may lie. */
export type FetchBatches = (
  replica: number,
  range: { readonly from: bigint; readonly to: bigint },
  signal: AbortSignal | undefined,
) => Promise<readonly OrderedBatch[]>

export const encodeBooking = (booking: Booking): Buffer => Buffer.from(JSON.stringify(booking))

/**
 * The theatre's own state machine. Its state is a function of the batches in their order, so they
 * are all it stores; a chain of hashes over them is the digest that the replicas compare.
 */
export class Bookings implements StateMachine {
  readonly #log: BatchLog
  readonly #fetch: FetchBatches
  readonly #guests = new Map<string, string>()
  readonly #executed = new Set<string>()
  /** What was executed, and what is being written: it is not executed again. */
  readonly #ordered = new Set<string>()
  readonly #history: OrderedBatch[] = []
  #durable: StatePoint = { sequence: 0n, digest: new Uint8Array(32) }
  /** After the batches that are still being written: several may be under way. */
  #tip = this.#durable

  /** @param records - what `log` holds already, from an earlier life */
  constructor(log: BatchLog, fetch: FetchBatches, records: readonly Uint8Array[]) {
    this.#log = log
    this.#fetch = fetch
    for (const record of records) this.#take(JSON.parse(text(record)) as OrderedBatch)
    this.#tip = this.#durable
  }

  /** Who has each seat. */
  get guests(): ReadonlyMap<string, string> {
    return this.#guests
  }

  /** The batches from one sequence number to another, for a replica that fell behind. */
  batches(from: bigint, to: bigint): readonly OrderedBatch[] {
    return this.#history.slice(Number(from) - 1, Number(to))
  }

  /** Whoever wants to know who may book checks the client's signature here, with `@heddle/msp`. */
  check(request: Uint8Array): Promise<string> {
    return bookingIn(request) === undefined
      ? Promise.reject(new CodedError('BOOKINGS_MALFORMED', 'a booking names a seat and a guest'))
      : Promise.resolve(idOf(request))
  }

  isExecuted(id: string): boolean {
    return this.#executed.has(id)
  }

  lastExecuted(): StatePoint {
    return this.#durable
  }

  async execute(sequence: bigint, requests: readonly Uint8Array[]): Promise<Uint8Array> {
    const batch = { sequence: sequence.toString(), requests: this.#new(requests) }
    const { digest } = (this.#tip = pointAfter(this.#tip, batch))
    await this.#log.append([Buffer.from(JSON.stringify(batch))]) // in order, durable, then it counts
    this.#take(batch)
    return digest
  }

  /** Whoever sends the batches need not be trusted: a quorum signed for the digest they lead to. */
  async transfer(target: TransferTarget, { signal }: AbortOptions): Promise<StatePoint> {
    const range = { from: this.#durable.sequence + 1n, to: target.sequence }
    for (const replica of target.replicas) {
      const batches = await this.#fetch(replica, range, signal).catch(() => [])
      if (!this.#leadTo(target, batches)) continue
      await this.#log.append(batches.map((batch) => Buffer.from(JSON.stringify(batch))))
      for (const batch of batches) this.#take(batch)
      return (this.#tip = this.#durable)
    }
    throw new CodedError('BOOKINGS_NO_SOURCE', `nobody gave the batches to ${target.sequence}`)
  }

  /** Those that were not ordered before, in base64: a client may send a booking to several replicas. */
  #new(requests: readonly Uint8Array[]): string[] {
    const fresh: string[] = []
    for (const request of requests) {
      const id = idOf(request)
      if (this.#ordered.has(id)) continue
      this.#ordered.add(id)
      fresh.push(Buffer.from(request).toString('base64'))
    }
    return fresh
  }

  #leadTo({ sequence, digest }: StatePoint, batches: readonly OrderedBatch[]): boolean {
    try {
      const point = batches.reduce(pointAfter, this.#durable)
      return point.sequence === sequence && Buffer.compare(point.digest, digest) === 0
    } catch {
      return false // these are no batches
    }
  }

  #take(batch: OrderedBatch): void {
    for (const request of batch.requests.map((base64) => Buffer.from(base64, 'base64'))) {
      const booking = bookingIn(request)
      const id = idOf(request)
      this.#executed.add(id)
      this.#ordered.add(id)
      if (booking !== undefined && !this.#guests.has(booking.seat))
        this.#guests.set(booking.seat, booking.guest)
    }
    this.#history.push(batch)
    this.#durable = pointAfter(this.#durable, batch)
  }
}

/** The same bytes are the same booking, however often they come. */
const idOf = (request: Uint8Array): string => hash('sha256', request, 'hex')

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

function bookingIn(request: Uint8Array): Booking | undefined {
  try {
    const { seat, guest } = JSON.parse(text(request)) as Record<string, unknown>
    return typeof seat === 'string' && typeof guest === 'string' ? { seat, guest } : undefined
  } catch {
    return undefined
  }
}

/** Batches that do not follow one another lead to a digest that nobody signed. */
function pointAfter({ digest }: StatePoint, { sequence, requests }: OrderedBatch): StatePoint {
  const hasher = createHash('sha256')
    .update(digest)
    .update(`${sequence} ${requests.join(' ')}`)
  return { sequence: BigInt(sequence), digest: hasher.digest() }
}
