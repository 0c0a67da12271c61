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

/** Listens for a moment. @returns why that cannot be done; undefined when it can */
export async function listenRefusal({ host, port }: Address): Promise<Error | undefined> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', resolve)
    server.listen({ port, host, exclusive: true }, () => {
      server.close(() => resolve(undefined))
    })
  })
}

/** Whether nobody listens on a loopback port. */
export async function isFree(port: number): Promise<boolean> {
  return (await listenRefusal({ host: '127.0.0.1', port })) === undefined
}

/** Below the range from which systems give ports to outgoing connections. */
export const lowestPort = 15_000
export const highestPort = 31_999

/**
 * Finds neighbouring free loopback ports in a range that outgoing connections do not use. Until somebody
 * listens on them they look free to others as well: so every process begins to look somewhere else.
 *
 * @param count - 1 or more
 * @param process - number of the process
 * @param free - whether a port is free
 * @throws {PeerError} PEER_PORT_BUSY when there are not enough side by side
 */
export async function freePorts(
  count: number,
  process: number,
  free: (port: number) => Promise<boolean> = isFree,
): Promise<number[]> {
  const groups = Math.floor((highestPort - lowestPort + 1) / count)
  for (let group = 0; group < groups; group++) {
    const base = lowestPort + ((process + group) % groups) * count
    const ports = Array.from({ length: count }, (_, index) => base + index)
    const areFree = await Promise.all(ports.map(free))
    if (areFree.every(Boolean)) return ports
  }
  throw new PeerError(
    'PEER_PORT_BUSY',
    `no ${count} free ports side by side from ${lowestPort} to ${highestPort}`,
    { cure: 'choose ports with --base-port' },
  )
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
