import { createHash } from 'node:crypto'
import type { StateMachine, StatePoint } from '@heddle/pbft'

/** Keeps a chained digest and the ids; checks nothing, so that what is measured is the agreement. */
export class DigestMachine implements StateMachine {
  readonly #executed = new Set<string>()
  #last: StatePoint = { sequence: 0n, digest: new Uint8Array(32) }

  check(request: Uint8Array): Promise<string> {
    return Promise.resolve(Buffer.from(request.buffer, request.byteOffset, 16).toString('hex'))
  }

  isExecuted(id: string): boolean {
    return this.#executed.has(id)
  }

  execute(sequence: bigint, requests: readonly Uint8Array[]): Promise<Uint8Array> {
    const digest = createHash('sha256').update(this.#last.digest)
    for (const request of requests) {
      const id = Buffer.from(request.buffer, request.byteOffset, 16).toString('hex')
      this.#executed.add(id)
      digest.update(id)
    }
    this.#last = { sequence, digest: digest.digest() }
    return Promise.resolve(this.#last.digest)
  }

  lastExecuted(): StatePoint {
    return this.#last
  }

  transfer(): Promise<StatePoint> {
    return Promise.reject(new Error('no replica falls behind here'))
  }
}
