import type { Socket } from 'node:net'

/** How many connections each client certificate has, or those of each organisation together. */
export class ConnectionShares {
  readonly #most: number
  readonly #connections = new Map<string, number>()

  /** @param most - connections of one of them, 1 or more */
  constructor(most: number) {
    this.#most = most
  }

  /**
   * Counts `socket` until it closes.
   * @param key - whose it is
   * @returns false, and nothing is counted, when there are as many as may be
   */
  take(key: string, socket: Socket): boolean {
    const connections = this.#connections.get(key) ?? 0
    if (connections >= this.#most) return false
    this.#connections.set(key, connections + 1)
    socket.once('close', () => this.#release(key))
    return true
  }

  #release(key: string): void {
    const left = (this.#connections.get(key) ?? 1) - 1
    if (left > 0) this.#connections.set(key, left)
    else this.#connections.delete(key)
  }
}
