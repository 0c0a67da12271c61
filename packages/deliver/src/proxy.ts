import { BlockList, type Socket, isIP } from 'node:net'
import type { Logger } from '@heddle/interface'
import { assertAddress, splitAddress } from './address.ts'
import { DeliverError } from './errors.ts'

/** Variables that name a proxy, in the order in which gRPC looks; in lower or upper case. */
const proxyVariables = ['grpc_proxy', 'https_proxy', 'http_proxy']
/** Variables that exempt hosts from it, likewise. */
const exemptingVariables = ['no_grpc_proxy', 'no_proxy']

/** Longest answer of a proxy to CONNECT, in bytes. */
export const maxProxyAnswerBytes = 16_384

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')
// Whoever connects to "any address" reaches itself.
loopback.addAddress('0.0.0.0')
loopback.addAddress('::', 'ipv6')

/** An HTTP proxy, and how a connection is made through it. */
export interface HttpProxy {
  /** `host:port` of the proxy. */
  readonly address: string
  /** The variable that names it, such as `https_proxy`. */
  readonly variable: string
  /**
   * Asks the proxy, over `socket`, for a tunnel to `address` (CONNECT, RFC 9110 §9.3.6). What the
   * socket carries afterwards is the tunnel's.
   *
   * @throws {DeliverError} DELIVER_UNREACHABLE, with what the proxy said; DELIVER_INVALID_OPTIONS when
   *   `address` is not `host:port`
   */
  open(socket: Socket, address: string): Promise<void>
}

/** Which proxy leads to `host:port`; none means: connect directly. */
export type ProxyChoice = (address: string) => HttpProxy | undefined

/**
 * The proxy that the environment names for `address`: the first of `grpc_proxy`, `https_proxy` and
 * `http_proxy` that is set. None for loopback, and for the hosts that `no_grpc_proxy` or else
 * `no_proxy` lists, separated by commas: `example.com` (and what ends in `.example.com`),
 * `.example.com`, `10.1.2.3`, `10.0.0.0/8`, each with `:port` or without, or `*`. Upper-case names count
 * as well.
 *
 * @param address - `host:port`
 * @throws {DeliverError} DELIVER_INVALID_OPTIONS when the variable is not the URL of an HTTP proxy
 */
export function proxyFor(
  address: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): HttpProxy | undefined {
  const named = firstSet(environment, proxyVariables)
  const { host, port } = partsOf(address)
  if (named === undefined || isLoopback(host)) return undefined
  const exempting = firstSet(environment, exemptingVariables)?.value ?? ''
  const entries = exempting.split(/[\s,]+/).filter((entry) => entry !== '')
  if (entries.some((entry) => covers(entry, host, port))) return undefined
  return proxyIn(named.value, named.variable)
}

/** Whether `host` is this machine by name or by address. */
function isLoopback(host: string): boolean {
  if (isIP(host) !== 0) return loopback.check(host, familyOf(host))
  return /^(?:.*\.)?localhost$/.test(host)
}

/**
 * `choose`, which says once for each address that a connection to it goes through a proxy.
 */
export function announced(choose: ProxyChoice, logger: Logger | undefined): ProxyChoice {
  const told = new Set<string>()
  return (address) => {
    const proxy = choose(address)
    if (proxy && !told.has(address)) {
      told.add(address)
      const { address: through, variable } = proxy
      logger?.info('endpoint is reached through a proxy', { endpoint: address, through, variable })
    }
    return proxy
  }
}

function firstSet(
  environment: Readonly<Record<string, string | undefined>>,
  variables: readonly string[],
): { readonly variable: string; readonly value: string } | undefined {
  for (const variable of variables.flatMap((name) => [name, name.toUpperCase()])) {
    const value = environment[variable]?.trim() ?? ''
    if (value !== '') return { variable, value }
  }
  return undefined
}

/** Whether an entry of `no_proxy` is for this host and port. */
function covers(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true
  const name = partsOf(entry)
  if (name.port !== '' && name.port !== port) return false
  const [, net, prefix] = /^(.+)\/(\d+)$/.exec(name.host) ?? []
  if (net !== undefined) return isInside(host, net, Number(prefix))
  if (isIP(host) !== 0) return isInside(host, name.host)
  const domain = name.host.replace(/^\*?\./, '')
  const isDomainOnly = domain.length < name.host.length
  return host.endsWith(`.${domain}`) || (!isDomainOnly && host === domain)
}

/** Host and port, the host in one spelling: lower case, no final dot, no zone of an IPv6 address. */
function partsOf(address: string): { readonly host: string; readonly port: string } {
  const { host, port } = splitAddress(address)
  return { host: host.toLowerCase().replace(/\.$|%.*$/, ''), port }
}

/** Whether an address is in a net, however both are spelled; without a prefix, whether they are one. */
function isInside(host: string, net: string, prefix?: number): boolean {
  const bits = isIP(net) === 6 ? 128 : 32
  const length = prefix ?? bits
  if (isIP(host) === 0 || isIP(net) === 0 || length > bits) return false
  const subnet = new BlockList()
  subnet.addSubnet(net, length, familyOf(net))
  return subnet.check(host, familyOf(host))
}

function familyOf(ip: string): 'ipv4' | 'ipv6' {
  return isIP(ip) === 6 ? 'ipv6' : 'ipv4'
}

function proxyIn(value: string, variable: string): HttpProxy {
  const named = parseProxy(value)
  if (named === undefined) {
    // The value may hold a password, so it is not repeated.
    throw new DeliverError(
      'DELIVER_INVALID_OPTIONS',
      `the environment variable ${variable} is not the URL of an HTTP proxy: give http://host:port, or list the endpoint's host in no_proxy`,
    )
  }
  const { address, authorization } = named
  const open = async (socket: Socket, target: string): Promise<void> => {
    assertAddress(target)
    await connect(socket, `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${authorization}\r\n`)
  }
  return { address, variable, open }
}

/** A proxy's address, and the header with the login that the URL holds, if it holds one. */
function parseProxy(
  value: string,
): { readonly address: string; readonly authorization: string } | undefined {
  try {
    const url = new URL(value.includes('://') ? value : `http://${value}`)
    if (url.protocol !== 'http:') return undefined
    const login = [url.username, url.password].map(decodeURIComponent).join(':')
    const basic = `Proxy-Authorization: Basic ${Buffer.from(login).toString('base64')}\r\n`
    const address = `${url.hostname}:${url.port === '' ? '80' : url.port}`
    return { address, authorization: login === ':' ? '' : basic }
  } catch {
    return undefined
  }
}

/** Sends the request for a tunnel and reads up to the end of the answer's head. */
async function connect(socket: Socket, request: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let head = Buffer.alloc(0)
    const fail = (why: string): void => {
      settle()
      reject(new DeliverError('DELIVER_UNREACHABLE', `the proxy ${why}`))
    }
    const broken = (error: Error): void => fail(`failed: ${error.message}`)
    const closed = (): void => fail('hung up')
    const read = (): void => {
      const bytes = socket.read() as Buffer | null
      if (bytes === null) return
      head = Buffer.concat([head, bytes])
      const end = head.indexOf('\r\n\r\n')
      if (end < 0 && head.length <= maxProxyAnswerBytes) return
      const status = /^HTTP\/1\.[01] (\d{3}[^\r\n]{0,100})/.exec(head.toString('latin1'))?.[1]
      if (end < 0 || status === undefined) fail('does not speak HTTP')
      else if (!status.startsWith('2')) fail(`answered ${status.trim()}`)
      else {
        settle()
        if (head.length > end + 4) socket.unshift(head.subarray(end + 4))
        resolve()
      }
    }
    const settle = (): void => {
      socket.off('readable', read).off('error', broken).off('close', closed).off('end', closed)
    }
    socket.on('readable', read).on('error', broken).on('close', closed).on('end', closed)
    socket.write(request)
  })
}
