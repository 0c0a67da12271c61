import { CodedError } from '@heddle/interface'
import type { Network } from '../ports.ts'

/** The destination is not connected. */
export class UnreachableError extends CodedError<'TEST_UNREACHABLE'> {
  constructor(to: number) {
    super('TEST_UNREACHABLE', `replica ${to} is not connected`)
  }
}

type Receive = (from: number, bytes: Uint8Array) => void

/** Replicas in one process, connected without faults: messages arrive soon, in order. */
export class MemoryNetwork {
  readonly #receivers = new Map<number, Receive>()

  /** Where messages to `id` go, until `disconnect`. */
  connect(id: number, receive: Receive): void {
    this.#receivers.set(id, receive)
  }

  disconnect(id: number): void {
    this.#receivers.delete(id)
  }

  /** The port for replica `from`. */
  port(from: number): Network {
    return {
      send: (to, bytes) =>
        this.#receivers.has(to)
          ? new Promise((resolve) => {
              setImmediate(() => {
                this.#receivers.get(to)?.(from, bytes)
                resolve()
              })
            })
          : Promise.reject(new UnreachableError(to)),
    }
  }
}
