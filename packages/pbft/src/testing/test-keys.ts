import { createHmac } from 'node:crypto'
import type { Signer, Verifier } from '../ports.ts'

/** Signatures for tests: deterministic and fast. Whoever has this can sign for everybody. */
export class TestKeys implements Verifier {
  signer(replica: number): Signer {
    return { sign: (bytes) => this.#sign(replica, bytes) }
  }

  verify(replica: number, bytes: Uint8Array, signature: Uint8Array): boolean {
    return Buffer.compare(this.#sign(replica, bytes), signature) === 0
  }

  #sign(replica: number, bytes: Uint8Array): Buffer {
    return createHmac('sha256', `key of replica ${replica}`).update(bytes).digest()
  }
}
