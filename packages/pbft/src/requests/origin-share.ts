import type { PoolEntry } from './request-pool.ts'

/** Requests, and their bytes. */
export interface Usage {
  readonly requests: number
  readonly bytes: number
}

const nothing: Usage = { requests: 0, bytes: 0 }

/** How much of something is whose. */
export class Usages {
  readonly #byClient = new Map<string, Usage>()

  of(client: string): Usage {
    return this.#byClient.get(client) ?? nothing
  }

  add(client: string, { length }: Uint8Array): void {
    const { requests, bytes } = this.of(client)
    this.#byClient.set(client, { requests: requests + 1, bytes: bytes + length })
  }

  remove(client: string, { length }: Uint8Array): void {
    const { requests, bytes } = this.of(client)
    if (requests <= 1) this.#byClient.delete(client)
    else this.#byClient.set(client, { requests: requests - 1, bytes: bytes - length })
  }
}

/** What came from one replica, in order, and how much of it is each client's. */
export class OriginShare implements Usage {
  readonly entries = new Set<PoolEntry>()
  readonly clients = new Usages()
  #bytes = 0

  get requests(): number {
    return this.entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  add(entry: PoolEntry): void {
    this.entries.add(entry)
    this.#bytes += entry.request.length
    this.clients.add(entry.client, entry.request)
  }

  remove(entry: PoolEntry): void {
    if (!this.entries.delete(entry)) return
    this.#bytes -= entry.request.length
    this.clients.remove(entry.client, entry.request)
  }
}
