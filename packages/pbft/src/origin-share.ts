import type { PoolEntry } from './request-pool.ts'

/** Requests, and their bytes. */
export interface Usage {
  readonly requests: number
  readonly bytes: number
}

/** Of who has nothing pending. */
export const nothing: Usage = { requests: 0, bytes: 0 }

/** What came from one replica, in order, and how much of it is each client's. */
export class OriginShare implements Usage {
  readonly entries = new Set<PoolEntry>()
  readonly #byClient = new Map<string, Usage>()
  #bytes = 0

  get requests(): number {
    return this.entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  ofClient(client: string): Usage {
    return this.#byClient.get(client) ?? nothing
  }

  add(entry: PoolEntry): void {
    this.entries.add(entry)
    this.#count(entry, 1)
  }

  remove(entry: PoolEntry): void {
    if (this.entries.delete(entry)) this.#count(entry, -1)
  }

  #count({ client, request }: PoolEntry, sign: 1 | -1): void {
    this.#bytes += sign * request.length
    const { requests, bytes } = this.ofClient(client)
    const usage = { requests: requests + sign, bytes: bytes + sign * request.length }
    if (usage.requests === 0) this.#byClient.delete(client)
    else this.#byClient.set(client, usage)
  }
}
