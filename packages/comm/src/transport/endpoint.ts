import { isIP } from 'node:net'
import { CommError } from '../errors.ts'

/** Host and port of an endpoint. */
export interface Endpoint {
  /** DNS name or IP address, without brackets. */
  readonly host: string
  readonly port: number
  readonly isIp: boolean
}

const pattern = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):(\d{1,5})$/

/**
 * Takes `host:port` apart. Endpoints come from other nodes, so nothing but names and addresses may
 * reach the resolver (grpc-js would also take `unix:` paths).
 * @throws {CommError} COMM_INVALID_ENDPOINT
 */
export function parseEndpoint(endpoint: string): Endpoint {
  const [, ip6, name, digits] = pattern.exec(endpoint) ?? []
  const host = ip6 ?? name
  const port = Number(digits)
  if (host === undefined || port < 1 || port > 65_535 || (ip6 !== undefined && isIP(ip6) !== 6)) {
    const shown = JSON.stringify(endpoint.slice(0, 100))
    throw new CommError('COMM_INVALID_ENDPOINT', `not an endpoint (host:port): ${shown}`)
  }
  return { host, port, isIp: isIP(host) !== 0 }
}

/** The text form; IPv6 addresses in brackets. */
export function formatEndpoint(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}
