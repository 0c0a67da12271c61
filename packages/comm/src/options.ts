import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { CommError, reasonOf } from './errors.ts'
import type { CommOptions } from './types.ts'

/** {@link CommOptions} with every default filled in. */
export type ResolvedCommOptions = Required<Omit<CommOptions, 'tls'>> & {
  readonly tls: Required<CommOptions['tls']>
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
}

// Timers of more than 2^31-1 ms would fire at once; nothing here is larger in earnest.
const largest = 2 ** 31 - 1

/**
 * Fills in the defaults and checks ranges and PEM texts.
 * @throws {CommError} COMM_INVALID_OPTIONS
 */
export function resolveCommOptions(options: CommOptions): ResolvedCommOptions {
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

function longestRedialDelay({ maxRedialDelayMs: most }: CommOptions, least: number): number {
  if (most === undefined) return Math.max(least, defaults.maxRedialDelayMs)
  if (most >= least) return most
  throw invalid(`maxRedialDelayMs must be at least redialDelayMs, ${least}, not ${most}`)
}

function resolveTls(tls: CommOptions['tls']): ResolvedCommOptions['tls'] {
  if ((tls.clientCertificate === undefined) !== (tls.clientKey === undefined)) {
    throw invalid('tls.clientCertificate and tls.clientKey must be given together')
  }
  if (tls.roots.length === 0) throw invalid('tls.roots must hold the CA certificate of some peer')
  const resolved = {
    certificate: tls.certificate,
    key: tls.key,
    roots: [...tls.roots],
    clientCertificate: tls.clientCertificate ?? tls.certificate,
    clientKey: tls.clientKey ?? tls.key,
  }
  checkPair('tls.certificate and tls.key', resolved.certificate, resolved.key)
  checkPair(
    'tls.clientCertificate and tls.clientKey',
    resolved.clientCertificate,
    resolved.clientKey,
  )
  for (const root of resolved.roots) parseCertificate('tls.roots', root)
  return Object.freeze(resolved)
}

function checkPair(what: string, cert: string, key: string): void {
  parseCertificate(what, cert)
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    throw invalid(`${what} do not belong together: ${reasonOf(error)}`, error)
  }
}

function parseCertificate(what: string, pem: string): void {
  try {
    new X509Certificate(pem)
  } catch (error) {
    throw invalid(`${what}: not a certificate in PEM form: ${reasonOf(error)}`, error)
  }
}

function invalid(message: string, cause?: unknown): CommError {
  return new CommError('COMM_INVALID_OPTIONS', message, cause === undefined ? {} : { cause })
}
