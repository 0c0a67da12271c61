import type { Socket } from 'node:net'

/** How many connections each client certificate has, by its fingerprint. */
export class CertificateShares {
  readonly #most: number
  readonly #connections = new Map<string, number>()

  /** @param most - connections of one certificate, 1 or more */
  constructor(most: number) {
    this.#most = most
  }

  /**
   * Counts `socket` until it closes.
   * @returns false, and nothing is counted, when its certificate has as many as it may
   */
  take(fingerprint: string, socket: Socket): boolean {
    const connections = this.#connections.get(fingerprint) ?? 0
    if (connections >= this.#most) return false
    this.#connections.set(fingerprint, connections + 1)
    socket.once('close', () => this.#release(fingerprint))
    return true
  }

  #release(fingerprint: string): void {
    const left = (this.#connections.get(fingerprint) ?? 1) - 1
    if (left > 0) this.#connections.set(fingerprint, left)
    else this.#connections.delete(fingerprint)
  }
}
