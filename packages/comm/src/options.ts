import { unknownOption } from '@heddle/interface'
import { readTls } from '@heddle/msp'
import type { CheckedServerTls } from '@heddle/msp'
import { CommError, reasonOf } from './errors.ts'
import type { CommOptions, CommTlsOptions } from './types.ts'

/** {@link CommOptions} with every default filled in. */
export type ResolvedCommOptions = Required<Omit<CommOptions, 'tls'>> & {
  readonly tls: ResolvedTls
}

/** TLS material that was read and matched: what this node presents when it is dialled, and when it dials. */
export interface ResolvedTls {
  readonly server: CheckedServerTls
  readonly client: CheckedServerTls
}

const defaults = {
  dialTimeoutMs: 3000,
  connTimeoutMs: 2000,
  setupTimeoutMs: 10_000,
  redialDelayMs: 100,
  maxRedialDelayMs: 5000,
  recvBufferSize: 20,
  sendBufferSize: 20,
  maxMessageBytes: 100 * 1024 * 1024,
  maxWaitingBytes: 100 * 1024 * 1024,
  maxConnections: 1000,
  maxPendingConnections: 256,
  pingAfterMs: 10_000,
  pingTimeoutMs: 10_000,
  maxRefusalLinesPerMinute: 100,
  maxConnectionsPerCertificate: 16,
  maxFramesPerSecond: 100_000,
  maxHeldMs: 5_000,
  barMs: 60_000,
}

const known = Object.keys({
  ...{ listen: true, tls: true, identity: true },
  ...defaults,
} satisfies Record<keyof CommOptions, unknown>)

const knownOfTls = Object.keys({
  ...{ certificate: true, key: true, roots: true, clientCertificate: true, clientKey: true },
} satisfies Record<keyof CommTlsOptions, true>)

// Timers of more than 2^31-1 ms would fire at once; nothing here is larger in earnest.
const largest = 2 ** 31 - 1

/**
 * Fills in the defaults and checks names, ranges and PEM texts.
 * @throws {CommError} COMM_INVALID_OPTIONS
 */
export function resolveCommOptions(options: CommOptions): ResolvedCommOptions {
  refuseUnknown(options)
  const resolved: Record<string, unknown> = { ...defaults }
  for (const name of Object.keys(defaults) as (keyof typeof defaults)[]) {
    const value = options[name] ?? defaults[name]
    const least = name === 'redialDelayMs' ? 0 : 1
    if (!Number.isInteger(value) || value < least || value > largest) {
      throw invalid(`${name} must be an integer from ${least} to ${largest}, not ${value}`)
    }
    resolved[name] = value
  }
  const numbers = resolved as typeof defaults
  const { host, port } = options.listen
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw invalid(`listen.port must be an integer from 0 to 65535, not ${port}`)
  }
  return Object.freeze({
    ...numbers,
    maxRedialDelayMs: longestRedialDelay(options, numbers.redialDelayMs),
    listen: Object.freeze({ host, port }),
    tls: resolveTls(options.tls),
    identity: Uint8Array.prototype.slice.call(options.identity),
  })
}

function refuseUnknown(options: CommOptions): void {
  const unknown =
    unknownOption(options, known) ??
    unknownOption(options.listen, ['host', 'port'], 'listen') ??
    unknownOption(options.tls, knownOfTls, 'tls')
  if (unknown !== undefined) throw invalid(unknown)
}

function longestRedialDelay({ maxRedialDelayMs: most }: CommOptions, least: number): number {
  if (most === undefined) return Math.max(least, defaults.maxRedialDelayMs)
  if (most >= least) return most
  throw invalid(`maxRedialDelayMs must be at least redialDelayMs, ${least}, not ${most}`)
}

function resolveTls(tls: CommOptions['tls']): ResolvedTls {
  const { certificate, key, roots, clientCertificate, clientKey } = tls
  if ((clientCertificate === undefined) !== (clientKey === undefined)) {
    throw invalid('tls.clientCertificate and tls.clientKey must be given together')
  }
  if (roots.length === 0) throw invalid('tls.roots is empty: give the CA certificates of the peers')
  const names = { certificate: 'tls.certificate', key: 'tls.key', roots: 'tls.roots' }
  const clientNames = { ...names, certificate: 'tls.clientCertificate', key: 'tls.clientKey' }
  try {
    const server = readTls({ certificate, key, roots }, names)
    if (clientCertificate === undefined || clientKey === undefined)
      return { server, client: server }
    const pair = { certificate: clientCertificate, key: clientKey }
    return { server, client: readTls({ ...pair, roots }, clientNames) }
  } catch (error) {
    throw invalid(reasonOf(error))
  }
}

function invalid(message: string): CommError {
  return new CommError('COMM_INVALID_OPTIONS', message)
}
