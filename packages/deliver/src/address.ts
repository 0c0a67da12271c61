import { isIP } from 'node:net'

/** The host (without brackets) and port in `host:port`; an empty port when there is none. */
export function splitAddress(address: string): { readonly host: string; readonly port: string } {
  if (isIP(address) === 6) return { host: address, port: '' }
  const [, host = address, port = ''] = /^(.*?)(?::(\d+))?$/s.exec(address) ?? []
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port }
}

/** The IP address in `host:port`; undefined when the host is a name. */
export function ipIn(address: string): string | undefined {
  const { host } = splitAddress(address)
  return isIP(host) === 0 ? undefined : host
}
