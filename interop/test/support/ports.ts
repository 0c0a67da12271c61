import { createServer } from 'node:net'

/** Below the range from which systems give ports to outgoing connections. */
const lowest = 20_000
const count = 12_000

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => resolve(true))
    })
  })
}

/** Free loopback ports, for programs that cannot choose their own and tell. */
export async function freePorts(wanted: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < wanted) {
    const port = lowest + Math.floor(Math.random() * count)
    if (!ports.has(port) && (await isFree(port))) ports.add(port)
  }
  return [...ports]
}
