import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** A TCP connection between two nodes that can be pulled out of the wall. */
export class Proxy {
  readonly endpoint: string
  readonly #close: () => void
  readonly #pairs: readonly (readonly [Socket, Socket])[]

  private constructor(
    endpoint: string,
    pairs: readonly (readonly [Socket, Socket])[],
    close: () => void,
  ) {
    this.endpoint = endpoint
    this.#pairs = pairs
    this.#close = close
  }

  /** @param target - `host:port` of the node behind it */
  static async to(target: string): Promise<Proxy> {
    const pairs: [Socket, Socket][] = []
    const [host, port] = target.split(':') as [string, string]
    // Half open: who has vanished does not answer the end of a connection either.
    const server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect(Number(port), host)
      pairs.push([near, far])
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.setNoDelay()
        from.on('error', () => undefined)
        from.pipe(to)
        from.on('close', () => to.destroy())
      }
    })
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
    const endpoint = `localhost:${(server.address() as AddressInfo).port}`
    return new Proxy(endpoint, pairs, () => {
      server.close()
      for (const socket of pairs.flat()) socket.destroy()
    })
  }

  /** TCP connections that were made through it. */
  get connections(): number {
    return this.#pairs.length
  }

  /** From now on nothing comes through, and no end hears of the other's end. */
  vanish(): void {
    for (const [near, far] of this.#pairs) {
      for (const socket of [near, far]) {
        socket.unpipe()
        socket.removeAllListeners('close')
        // Read, so that its end is noticed; and thrown away.
        socket.resume()
      }
    }
  }

  /** Whether who dialled has cut its sockets: ask again and again, it sends a byte each time. */
  get abandoned(): boolean {
    for (const [near] of this.#pairs) near.write('x')
    return this.#pairs.every(([near]) => near.destroyed)
  }

  close(): void {
    this.#close()
  }
}
