import { unknownOption } from '@heddle/interface'
import { ListenerError } from './errors.ts'

/**
 * What the port does about the certificate of a client. `required`: none is refused, as is a wrong one.
 * `optional`: a wrong one is. `unchecked`: neither.
 */
export type ClientCertificate = 'required' | 'optional' | 'unchecked'

/** TLS material of a port, PEM texts that were read and matched: see `readTls` of `@heddle/msp`. */
export interface PortTls {
  /** The own certificate, leaf first, then those of intermediate authorities. */
  readonly certificate: string
  /** Its private key. */
  readonly key: string
  /** Authorities of the clients. */
  readonly roots: readonly string[]
}

/** Settings of a {@link GrpcPort}: integers, 1 or more. */
export interface GrpcPortOptions {
  /** Port 0: a free one. */
  readonly listen: { readonly host: string; readonly port: number }
  readonly tls: PortTls
  /** Default `required`. */
  readonly clientCertificate?: ClientCertificate
  /** How long a connection may take until it is settled, in milliseconds. Default 10000. */
  readonly setupTimeoutMs?: number
  /** Connections that are not settled, at most; the oldest gives way. Default 256. */
  readonly maxPendingConnections?: number
  /** Connections that one client certificate may have. Default 16. */
  readonly maxConnectionsPerCertificate?: number
  /** Connections that all clients of one authority in `tls.roots` may have. Default 256. */
  readonly maxConnectionsPerOrganization?: number
  /**
   * When a connection is settled. `HTTP/2` (default): when HTTP/2 has begun over it. `never`: not by
   * itself, but when {@link GrpcPort.settle} is called.
   */
  readonly settled?: 'HTTP/2' | 'never'
}

const defaults = {
  clientCertificate: 'required',
  setupTimeoutMs: 10_000,
  maxPendingConnections: 256,
  maxConnectionsPerCertificate: 16,
  maxConnectionsPerOrganization: 256,
  settled: 'HTTP/2',
} as const

const known = Object.keys({
  ...{ listen: true, tls: true },
  ...defaults,
} satisfies Record<keyof GrpcPortOptions, unknown>)

/**
 * Fills in the defaults and checks names and ranges.
 * @throws {ListenerError} LISTENER_INVALID_OPTIONS
 */
export function resolvePortOptions(options: GrpcPortOptions): Required<GrpcPortOptions> {
  const unknown =
    unknownOption(options, known) ?? unknownOption(options.listen, ['host', 'port'], 'listen')
  if (unknown !== undefined) throw invalid(unknown)
  const resolved = { ...defaults, ...options }
  const { setupTimeoutMs, maxPendingConnections } = resolved
  const { maxConnectionsPerCertificate, maxConnectionsPerOrganization } = resolved
  assertAtLeastOne({ setupTimeoutMs, maxPendingConnections })
  assertAtLeastOne({ maxConnectionsPerCertificate, maxConnectionsPerOrganization })
  const { listen, tls, clientCertificate } = resolved
  if (!Number.isInteger(listen.port) || listen.port < 0 || listen.port > 65_535)
    throw invalid(`listen.port must be an integer from 0 to 65535, not ${listen.port}`)
  assertOneOf('clientCertificate', clientCertificate, ['required', 'optional', 'unchecked'])
  assertOneOf('settled', resolved.settled, ['HTTP/2', 'never'])
  if (clientCertificate === 'required' && tls.roots.length === 0)
    throw invalid(
      'tls.roots is empty: no client could connect; name the authorities of the clients',
    )
  return Object.freeze(resolved)
}

/** @throws {ListenerError} LISTENER_INVALID_OPTIONS unless each is an integer, 1 or more */
export function assertAtLeastOne(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values))
    if (!Number.isSafeInteger(value) || value < 1)
      throw invalid(`${name} must be an integer, 1 or more, not ${value}`)
}

function assertOneOf(name: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value))
    throw invalid(`${name} must be one of ${choices.join(', ')}, not ${value}`)
}

function invalid(message: string): ListenerError {
  return new ListenerError('LISTENER_INVALID_OPTIONS', message)
}
