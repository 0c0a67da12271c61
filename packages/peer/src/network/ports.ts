import { createServer } from 'node:net'
import { PeerError, messageOf, systemCode } from '../errors.ts'
import { addressToText } from '../config/setting.ts'
import type { Address } from '../config/setting.ts'

/** Whether an error, or what caused it, says that the address is in use: gRPC tells it in words. */
function saysBusy(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return error.message.includes('EADDRINUSE') || saysBusy(error.cause)
}

/**
 * What to say when a port cannot be listened on.
 * @param setting - what a person can change to choose another port
 */
export function listenError(address: Address, setting: string, cause: unknown): PeerError {
  const where = addressToText(address)
  if (systemCode(cause) === 'EADDRINUSE' || saysBusy(cause)) {
    return new PeerError('PEER_PORT_BUSY', `another process listens on ${where}`, {
      cure: `stop it, or choose another port with ${setting}`,
      cause,
    })
  }
  return new PeerError('PEER_INVALID_CONFIG', `cannot listen on ${where}: ${messageOf(cause)}`, {
    cure: `check ${setting}`,
    cause,
  })
}

/** Whether nobody listens on a loopback port. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => resolve(true))
    })
  })
}

/** Below the range from which systems give ports to outgoing connections. */
const lowest = 15_000
const highest = 31_999
const attempts = 2000

/**
 * Finds free loopback ports in a range that outgoing connections do not use, so that they stay
 * free until a validator listens on them.
 *
 * @param random - 0 ≤ x < 1
 * @throws {PeerError} PEER_PORT_BUSY when there are not enough
 */
export async function freePorts(count: number, random: () => number): Promise<number[]> {
  const found = new Set<number>()
  for (let attempt = 0; found.size < count && attempt < attempts; attempt++) {
    const port = lowest + Math.floor(random() * (highest - lowest + 1))
    if (!found.has(port) && (await isFree(port))) found.add(port)
  }
  if (found.size < count) {
    throw new PeerError('PEER_PORT_BUSY', `no ${count} free ports from ${lowest} to ${highest}`, {
      cure: 'choose ports with --base-port',
    })
  }
  return [...found]
}

/**
 * The ports from `base` on.
 * @throws {PeerError} PEER_PORT_BUSY naming the first that is taken
 */
export async function fixedPorts(base: number, count: number): Promise<number[]> {
  const ports = Array.from({ length: count }, (_, index) => base + index)
  for (const port of ports) {
    if (await isFree(port)) continue
    throw new PeerError('PEER_PORT_BUSY', `another process listens on 127.0.0.1:${port}`, {
      cure: `stop it, or choose another --base-port (${count} ports are needed)`,
    })
  }
  return ports
}
