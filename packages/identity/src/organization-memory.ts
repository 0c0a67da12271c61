/**
 * The organisations of identities that have gone, so many of them; the one that went first is
 * forgotten first. By it a peer is known again that comes back with a renewed certificate.
 */
export class OrganizationMemory {
  readonly #capacity: number
  readonly #organizations = new Map<string, Uint8Array>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** The organisation of the identity with this PKI-ID in hex. */
  get(key: string): Uint8Array | undefined {
    return this.#organizations.get(key)
  }

  remember(key: string, organization: Uint8Array): void {
    this.#organizations.delete(key)
    for (const oldest of this.#organizations.keys()) {
      if (this.#organizations.size < this.#capacity) break
      this.#organizations.delete(oldest)
    }
    this.#organizations.set(key, organization)
  }
}
