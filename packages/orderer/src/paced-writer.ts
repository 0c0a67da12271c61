import type { ServerDuplexStream } from '@grpc/grpc-js'

/** Bytes that may wait in one stream before the next answer is made; a longer one waits alone. */
export const maxPacedBytes = 1024 * 1024

type Call = Pick<ServerDuplexStream<Buffer, Buffer>, 'write'>

/**
 * Writes answers only as fast as the client reads. A call of grpc-js says that it is full when 16
 * messages wait in it, however long they are; this counts bytes.
 */
export class PacedWriter {
  readonly #call: Call
  #waiting = 0
  #wake: () => void = () => undefined

  constructor(call: Call) {
    this.#call = call
  }

  /** Writes `bytes`. @returns whether the next may follow at once; if not, wait for {@link PacedWriter.room} */
  write(bytes: Buffer): boolean {
    this.#waiting += bytes.length
    this.#call.write(bytes, () => {
      this.#waiting -= bytes.length
      if (this.#hasRoom) this.#wake()
    })
    return this.#hasRoom
  }

  /** Resolves when there is room for the next, or `signal` aborts. */
  async room(signal: AbortSignal): Promise<void> {
    if (this.#hasRoom || signal.aborted) return
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        signal.removeEventListener('abort', settle)
        resolve()
      }
      this.#wake = settle
      signal.addEventListener('abort', settle, { once: true })
    })
  }

  get #hasRoom(): boolean {
    return this.#waiting < maxPacedBytes
  }
}
