import type { Address } from '../config/setting.ts'

/** Why a request is not answered: the status, a stable code and a sentence for people. */
export interface Denial {
  readonly status: 401 | 403 | 421
  readonly code:
    'HOST_NOT_SERVED' | 'ORIGIN_NOT_ALLOWED' | 'CLIENT_CERTIFICATE_NEEDED' | 'LOOPBACK_ONLY'
  readonly reason: string
}

/** What a request says of itself, and what its connection has proved. */
export interface Claims {
  /** `PUT /logspec`. */
  readonly route: string
  readonly host: string | undefined
  readonly origin: string | undefined
  /** The address that it came to, and the one that it came from. */
  readonly localAddress: string
  readonly remoteAddress: string
  readonly hasClientCertificate: boolean
}

/** Whom a server answers. */
export interface AccessRules {
  readonly listen: Address
  readonly tls: boolean
  /** Whether the server's TLS certificate is for this name. */
  readonly isCertified: (name: string) => boolean
}

/** Fabric asks for a client certificate here whenever TLS is on (v3.1, core/operations/system.go). */
const certified = /^[A-Z]+ \/(logspec|metrics)$/

/**
 * Whether an IP address or a name is that of this machine to itself: 127.0.0.0/8, ::1, `localhost`.
 * Other names that lead there do not count: that may change.
 */
export function isLoopback(host: string): boolean {
  const name = plain(host)
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name)
}

/**
 * Why a request gets no answer; undefined when it does.
 *
 * A browser sends any page's requests to loopback, under the page's own name once that leads there
 * (DNS rebinding): so `Host` and `Origin` must be names of this server. Who sends neither is not a browser.
 */
export function denialOf(claims: Claims, rules: AccessRules): Denial | undefined {
  return denialOfNames(claims, rules) ?? denialOfRights(claims, rules)
}

function denialOfNames(claims: Claims, rules: AccessRules): Denial | undefined {
  const isServed = (name: string | undefined): boolean =>
    name !== undefined && serves(name, claims, rules)
  const { host, origin } = claims
  if (host !== undefined && host !== '' && !isServed(nameOf(host))) {
    const cure = 'ask by address, or listen on that name, or have it in the TLS certificate'
    const reason = `Host ${shown(host)} is not a name of this server: ${cure}`
    return { status: 421, code: 'HOST_NOT_SERVED', reason }
  }
  if (origin !== undefined && !isServed(nameOf(/^https?:\/\/(.*)$/.exec(origin)?.[1] ?? ''))) {
    const reason = `requests from pages of ${shown(origin)} are refused`
    return { status: 403, code: 'ORIGIN_NOT_ALLOWED', reason }
  }
  return undefined
}

function denialOfRights(claims: Claims, rules: AccessRules): Denial | undefined {
  const { route, hasClientCertificate, remoteAddress } = claims
  if (rules.tls && certified.test(route) && !hasClientCertificate) {
    const reason = `${route} needs a client certificate of operations.tls.clientRootCAs`
    return { status: 401, code: 'CLIENT_CERTIFICATE_NEEDED', reason }
  }
  if (!rules.tls && route === 'PUT /logspec' && !isLoopback(remoteAddress)) {
    const reason = 'without TLS, the levels can be changed from this machine only'
    return { status: 403, code: 'LOOPBACK_ONLY', reason }
  }
  return undefined
}

function serves(
  name: string,
  { localAddress }: Claims,
  { listen, isCertified }: AccessRules,
): boolean {
  // An address is never the name of a page that is somewhere else.
  return (
    isLoopback(name) ||
    name === plain(listen.host) ||
    name === plain(localAddress) ||
    isCertified(name)
  )
}

/** The name or address in `name[:port]`; undefined when it is no such thing. */
function nameOf(authority: string): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[^\s:/@[\]]+)(?::\d{1,5})?$/i.exec(authority)
  return match?.[1] === undefined ? undefined : plain(match[1])
}

/** Without brackets, final dot and the prefix of IPv4 addresses in IPv6; in lower case. */
function plain(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .replace(/^::ffff:(?=\d+\.)/, '')
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 100))
}
