import type { Batch } from '../core/messages.ts'
import { toHex } from '../wire/codec.ts'
import type { StateMachine } from '../ports.ts'

interface Execution {
  readonly sequence: bigint
  readonly batch: Batch
  digest: string | undefined
}

/** What {@link Executions} tells: ends in order of sequence, whatever order they came in. */
export interface ExecutionObserver {
  executed(sequence: bigint, digest: string, batch: Batch): void
  failed(sequence: bigint, error: unknown): void
}

/** Hands batches to the state machine, several at once, and reports their ends in order. */
export class Executions {
  readonly #stateMachine: StateMachine
  readonly #observer: ExecutionObserver
  readonly #running: Execution[] = []
  #idle: (() => void)[] = []

  constructor(stateMachine: StateMachine, observer: ExecutionObserver) {
    this.#stateMachine = stateMachine
    this.#observer = observer
  }

  async run(sequence: bigint, batch: Batch, mark?: Uint8Array): Promise<void> {
    const execution: Execution = { sequence, batch, digest: undefined }
    this.#running.push(execution)
    try {
      const { requests } = batch
      execution.digest = toHex(await this.#stateMachine.execute(sequence, requests, mark))
    } catch (error) {
      this.#running.length = 0
      this.#wake()
      this.#observer.failed(sequence, error)
      return
    }
    this.#report()
  }

  /** Resolves when none is running. */
  async idle(): Promise<void> {
    if (this.#running.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #report(): void {
    for (let head = this.#running[0]; head?.digest !== undefined; head = this.#running[0]) {
      this.#running.shift()
      this.#observer.executed(head.sequence, head.digest, head.batch)
    }
    if (this.#running.length === 0) this.#wake()
  }

  #wake(): void {
    const waiting = this.#idle
    this.#idle = []
    for (const resolve of waiting) resolve()
  }
}
