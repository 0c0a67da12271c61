import { isIP } from 'node:net'
import { DeliverError } from './errors.ts'

/** Characters of an address that cannot be used that messages show at most. */
export const maxShownAddress = 100

/** The host (without brackets) and port in `host:port`; an empty port when there is none. */
export function splitAddress(address: string): { readonly host: string; readonly port: string } {
  if (isIP(address) === 6) return { host: address, port: '' }
  const [, host = address, port = ''] = /^(.*?)(?::(\d+))?$/s.exec(address) ?? []
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port }
}

const form =
  /^(?:\[([0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9._-]{1,32})?)\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})$/

/**
 * Whether it is `host:port`: a DNS name or an IP address (IPv6 in brackets), and a port from 1 to
 * 65,535. Nothing else may reach a resolver, or a proxy's request.
 */
export function isAddress(address: string): boolean {
  const [matched, ip6, port] = form.exec(address) ?? []
  if (matched === undefined || (ip6 !== undefined && isIP(ip6) !== 6)) return false
  return Number(port) >= 1 && Number(port) <= 65_535
}

/** An address of any form, for people: cut off, without control characters. */
export function shownAddress(address: string): string {
  const rest = address.length > maxShownAddress ? '…' : ''
  return JSON.stringify(address.slice(0, maxShownAddress) + rest)
}

/** @throws {DeliverError} DELIVER_INVALID_OPTIONS when {@link isAddress} is false */
export function assertAddress(address: string): void {
  if (isAddress(address)) return
  const message = `not an endpoint's address: ${shownAddress(address)}: give host:port`
  throw new DeliverError('DELIVER_INVALID_OPTIONS', message)
}

/** The IP address in `host:port`; undefined when the host is a name. */
export function ipIn(address: string): string | undefined {
  const { host } = splitAddress(address)
  return isIP(host) === 0 ? undefined : host
}
