import { type CheckedServerTls, readTls } from '@heddle/msp'
import type { common } from '@heddle/proto'
import { OrdererError } from './errors.ts'
import { assertAtLeastOne, refuseUnknown } from './options.ts'

/** Certificates of a server. */
export interface ServerTls {
  /** PEM: the server's certificate, then those of intermediate authorities. */
  readonly certificate: string | Buffer
  /** PEM: the private key. */
  readonly key: string | Buffer
  /** PEM: the authorities whose clients are let in. */
  readonly roots: readonly (string | Buffer)[]
  /**
   * Whether a client needs a certificate. Default true; then a Deliver request must also carry the
   * certificate's hash (`tls_cert_hash`), as with Fabric.
   */
  readonly requireClientCertificate?: boolean
}

/**
 * Settings of an {@link OrdererServer}. An organisation is whoever has certificates that end at the same of the
 * authorities in `tls.roots`; its default is at least as much as one client may have. Of what is counted
 * by the second it may have twice as much at once.
 */
export interface OrdererServerOptions {
  /** Where to listen; port 0 takes a free one, see `OrdererServer.address`. */
  readonly listen: { readonly host: string; readonly port: number }
  readonly tls: ServerTls
  /** How far a Deliver request's timestamp may be off. Default 15 minutes, as with Fabric. */
  readonly timeWindowMs?: number
  /** Longest envelope that Broadcast takes: above it 413. Default 10 MiB. */
  readonly maxEnvelopeBytes?: number
  /** Longest gRPC message, either way. Default 100 MiB, as with Fabric. */
  readonly maxMessageBytes?: number
  /** How many envelopes of one stream are under way at a time. Default 2,000. */
  readonly broadcastWindow?: number
  /** How many bytes of them; the envelope that exceeds it is still taken. Default 16 MiB. */
  readonly broadcastWindowBytes?: number
  /** How many envelopes of all streams of a client certificate. Default 4,000. */
  readonly broadcastWindowPerClient?: number
  /** How many bytes of them; the envelope that exceeds it is still taken. Default 32 MiB. */
  readonly broadcastWindowBytesPerClient?: number
  /** How many envelopes of all clients of an organisation. Default 16,000. */
  readonly broadcastWindowPerOrganization?: number
  /** How many bytes of them; the envelope that exceeds it is still taken. Default 64 MiB. */
  readonly broadcastWindowBytesPerOrganization?: number
  /**
   * Envelopes of a client certificate that may be refused in a second, and five times as many at once;
   * beyond, nothing more of it is read for a while. Default 100.
   */
  readonly maxRefusalsPerSecondPerClient?: number
  /** The same of all clients of an organisation. Default 200. */
  readonly maxRefusalsPerSecondPerOrganization?: number
  /** How many streams and calls one connection may have open. Default 1,000. */
  readonly maxConcurrentStreams?: number
  /**
   * Bytes of blocks that are read for Deliver for a client certificate in a second, and five times as many at
   * once, whether they are sent whole or not; beyond, its streams wait. So does what other services stream.
   * Each request, block and message counts 32 KiB more. Default 128 MiB: some 4,000 short blocks.
   */
  readonly maxBlockBytesPerSecondPerClient?: number
  /** The same of all clients of an organisation, and twice as many at once. Default 128 MiB. */
  readonly maxBlockBytesPerSecondPerOrganization?: number
  /** Calls of any kind that a client certificate may have at a time. Default 256. */
  readonly maxCallsPerClient?: number
  /** The same of all clients of an organisation. Default 1,024. */
  readonly maxCallsPerOrganization?: number
  /**
   * Calls of a client certificate that begin in a second, and five times as many at once; those beyond wait
   * for their turn. Default 200.
   */
  readonly maxCallsPerSecondPerClient?: number
  /** The same of all clients of an organisation, and twice as many at once. Default 400. */
  readonly maxCallsPerSecondPerOrganization?: number
  /** Of those at a time: streams of blocks or entries. Default 16. */
  readonly maxStreamsPerClient?: number
  /** The same of all clients of an organisation. Default 128. */
  readonly maxStreamsPerOrganization?: number
  /** Bytes of answers that a client certificate may leave unread; one answer it always may. Default 32 MiB. */
  readonly maxUnsentBytesPerClient?: number
  /** The same of all clients of an organisation. Default 64 MiB. */
  readonly maxUnsentBytesPerOrganization?: number
  /** The same of all clients; then the one that has not read for the longest time gives way. Default 128 MiB. */
  readonly maxUnsentBytes?: number
  /**
   * Bytes of messages that a client certificate may have begun and not ended: none can be longer. Default
   * 16 MiB, or two envelopes if that is more.
   */
  readonly maxUnfinishedBytesPerClient?: number
  /** The same of all clients; then the one with the most gives way. Default 24 MiB, or three envelopes. */
  readonly maxUnfinishedBytes?: number
  /** A call ends whose client reads nothing for so long, and a second for each 64 KiB. Default 30,000 ms. */
  readonly unreadTimeoutMs?: number
  /** Connections that a client certificate may have. Default 64. */
  readonly maxConnectionsPerCertificate?: number
  /** Connections that all clients of an organisation may have. Default 256. */
  readonly maxConnectionsPerOrganization?: number
  /** Longest request of Deliver: a signed seek. Default 64 KiB. */
  readonly maxSeekBytes?: number
  /** How long a client may take for TLS and the beginning of HTTP/2. Default 10,000 ms. */
  readonly setupTimeoutMs?: number
  /** Connections that have not got so far; the oldest gives way. Default 256. */
  readonly maxPendingConnections?: number
  /** Lines in the log about who was refused, in a minute; what is beyond is counted. Default 100. */
  readonly maxRefusalLinesPerMinute?: number
  /** How long `stop` lets streams finish what is under way. Default 2,000 ms. */
  readonly drainTimeoutMs?: number
  /** Statuses for the error codes of the chains, such as `PBFT_POOL_FULL`. */
  readonly statuses?: Readonly<Partial<Record<string, common.Status>>>
}

/** Options with every default filled in. */
export type ResolvedServerOptions = Required<Omit<OrdererServerOptions, 'tls'>> & {
  readonly tls: CheckedServerTls & { readonly requireClientCertificate: boolean }
}

const mebibyte = 1024 * 1024

const known: Readonly<Record<keyof OrdererServerOptions, true>> = {
  ...{ listen: true, tls: true, timeWindowMs: true, maxEnvelopeBytes: true, maxMessageBytes: true },
  ...{ broadcastWindow: true, broadcastWindowBytes: true, broadcastWindowPerClient: true },
  ...{ broadcastWindowBytesPerClient: true, maxConcurrentStreams: true, maxCallsPerClient: true },
  ...{ maxRefusalsPerSecondPerClient: true, maxCallsPerSecondPerClient: true },
  ...{ maxBlockBytesPerSecondPerClient: true },
  ...{ maxStreamsPerClient: true, maxUnsentBytesPerClient: true, maxUnsentBytes: true },
  ...{ maxUnfinishedBytesPerClient: true, maxUnfinishedBytes: true },
  ...{ unreadTimeoutMs: true, maxConnectionsPerCertificate: true, maxSeekBytes: true },
  ...{ setupTimeoutMs: true, maxPendingConnections: true, maxRefusalLinesPerMinute: true },
  ...{ drainTimeoutMs: true, statuses: true, maxConnectionsPerOrganization: true },
  ...{ broadcastWindowPerOrganization: true, broadcastWindowBytesPerOrganization: true },
  ...{ maxRefusalsPerSecondPerOrganization: true, maxBlockBytesPerSecondPerOrganization: true },
  ...{ maxCallsPerOrganization: true, maxCallsPerSecondPerOrganization: true },
  ...{ maxStreamsPerOrganization: true, maxUnsentBytesPerOrganization: true },
}

const knownOfTls: Readonly<Record<keyof ServerTls, true>> = {
  ...{ certificate: true, key: true, roots: true, requireClientCertificate: true },
}

/**
 * Fills in the defaults and checks names and ranges.
 *
 * @throws {OrdererError} ORDERER_INVALID_OPTIONS
 */
export function resolveServerOptions(options: OrdererServerOptions): ResolvedServerOptions {
  refuseUnknown(options, known)
  refuseUnknown(options.listen, { host: true, port: true }, 'listen')
  refuseUnknown(options.tls, knownOfTls, 'tls')
  const { listen, tls, statuses = {}, ...given } = options
  const { maxEnvelopeBytes: envelope = 10 * mebibyte } = given
  const forEach = {
    timeWindowMs: 15 * 60 * 1000,
    maxEnvelopeBytes: envelope,
    maxMessageBytes: 100 * mebibyte,
    broadcastWindow: 2000,
    broadcastWindowBytes: 16 * mebibyte,
    broadcastWindowPerClient: 4000,
    broadcastWindowBytesPerClient: 32 * mebibyte,
    maxRefusalsPerSecondPerClient: 100,
    maxBlockBytesPerSecondPerClient: 128 * mebibyte,
    maxConcurrentStreams: 1000,
    maxCallsPerClient: 256,
    maxCallsPerSecondPerClient: 200,
    maxStreamsPerClient: 16,
    maxUnsentBytesPerClient: 32 * mebibyte,
    maxUnsentBytes: 128 * mebibyte,
    maxUnfinishedBytesPerClient: Math.max(16 * mebibyte, 2 * envelope),
    maxUnfinishedBytes: Math.max(24 * mebibyte, 3 * envelope),
    unreadTimeoutMs: 30_000,
    maxConnectionsPerCertificate: 64,
    maxSeekBytes: 64 * 1024,
    setupTimeoutMs: 10_000,
    maxPendingConnections: 256,
    maxRefusalLinesPerMinute: 100,
    drainTimeoutMs: 2000,
    ...given,
  }
  const numbers = { ...forEach, ...organizationDefaults(forEach), ...given }
  assertAtLeastOne(numbers)
  const { port } = listen
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw invalid(`listen.port must be an integer from 0 to 65535, not ${port}`)
  return Object.freeze({ ...numbers, listen, statuses, tls: resolveTls(tls) })
}

type Bounds = Readonly<
  Record<
    | 'broadcastWindowPerClient'
    | 'broadcastWindowBytesPerClient'
    | 'maxRefusalsPerSecondPerClient'
    | 'maxBlockBytesPerSecondPerClient'
    | 'maxCallsPerClient'
    | 'maxCallsPerSecondPerClient'
    | 'maxStreamsPerClient'
    | 'maxUnsentBytesPerClient'
    | 'maxConnectionsPerCertificate',
    number
  >
>

/** What all clients of an organisation may have together, when one client may have so much. */
function organizationDefaults(client: Bounds) {
  const { max } = Math
  return {
    broadcastWindowPerOrganization: max(16_000, client.broadcastWindowPerClient),
    broadcastWindowBytesPerOrganization: max(64 * mebibyte, client.broadcastWindowBytesPerClient),
    maxRefusalsPerSecondPerOrganization: max(200, client.maxRefusalsPerSecondPerClient),
    maxBlockBytesPerSecondPerOrganization: max(
      128 * mebibyte,
      client.maxBlockBytesPerSecondPerClient,
    ),
    maxCallsPerOrganization: max(1024, client.maxCallsPerClient),
    maxCallsPerSecondPerOrganization: max(400, client.maxCallsPerSecondPerClient),
    maxStreamsPerOrganization: max(128, client.maxStreamsPerClient),
    maxUnsentBytesPerOrganization: max(64 * mebibyte, client.maxUnsentBytesPerClient),
    maxConnectionsPerOrganization: max(256, client.maxConnectionsPerCertificate),
  }
}

function resolveTls(tls: ServerTls): ResolvedServerOptions['tls'] {
  const { certificate, key, roots, requireClientCertificate = true } = tls
  if (requireClientCertificate && roots.length === 0) {
    throw invalid(
      'tls.roots is empty: no client could connect; name the authorities of the clients',
    )
  }
  try {
    return { ...readTls({ certificate, key, roots }), requireClientCertificate }
  } catch (error) {
    throw invalid((error as Error).message)
  }
}

function invalid(message: string): OrdererError {
  return new OrdererError('ORDERER_INVALID_OPTIONS', message)
}
