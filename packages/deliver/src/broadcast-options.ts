import type { Clock, Logger, Metrics } from '@heddle/interface'
import { type BackOffOptions, defaultBackOff } from './back-off.ts'
import type { ClientTls, Endpoint } from './ports.ts'
import type { ProxyChoice } from './proxy.ts'
import { type Known, refuseUnknown } from './refuse-unknown.ts'

/** What a broadcast client works with. */
export interface BroadcastClientDeps {
  readonly clock: Clock
  readonly logger?: Logger
  readonly metrics?: Metrics
  /** 0 inclusive to 1 exclusive; for the order of endpoints and for jitter. Default Math.random. */
  readonly random?: () => number
  /** Which HTTP proxy leads to an endpoint. Default: {@link proxyFor}, by the environment. */
  readonly proxyFor?: ProxyChoice
}

/** Settings of a broadcast client. Numbers are above 0. */
export interface BroadcastClientOptions extends BackOffOptions {
  /** Who to send to: one at a time, the next one when it fails or is silent. At least one. */
  readonly endpoints: readonly Endpoint[]
  /** The certificate for mutual TLS. */
  readonly tls?: ClientTls
  /**
   * How many of the endpoints may lie or be frozen: f of a BFT channel. An envelope that stays
   * unanswered goes to f + 1 others, and a refusal is final when f + 1 have refused. Default 0.
   */
  readonly faults?: number
  /**
   * How long an envelope may be unanswered before it goes to `faults + 1` others as well: so long where
   * nothing at all is answered, and five times as long where answers come, but late, as
   * from a network that is busy. Default 2,000 ms; Infinity for never.
   */
  readonly spreadAfterMs?: number
  /** How many envelopes may be sent and not answered. Default 1,000. */
  readonly window?: number
  /** How many more may wait to be sent; above it `submit` rejects. Default 10,000. */
  readonly maxQueued?: number
  /** Default 3,000 ms. */
  readonly connectTimeoutMs?: number
  /**
   * How long an envelope may wait while no endpoint can be reached before it is rejected, up to one
   * `connectTimeoutMs` later. Default 10,000 ms.
   */
  readonly unreachableTimeoutMs?: number
  /** How long an endpoint may answer nothing before its stream is given up. Default 30,000 ms. */
  readonly answerTimeoutMs?: number
  /** Longest envelope and gRPC message, in bytes. Default 100 MiB, as Fabric. */
  readonly maxMessageBytes?: number
  /**
   * How often streams may break with one envelope as the oldest unanswered before it is taken for
   * the cause and rejected: a service may cut a stream for what it cannot read. Default 12.
   */
  readonly maxBreaks?: number
}

/** Of the numbers among {@link BroadcastClientOptions}. */
export const broadcastDefaults = {
  ...defaultBackOff,
  spreadAfterMs: 2000,
  window: 1000,
  maxQueued: 10_000,
  connectTimeoutMs: 3000,
  unreachableTimeoutMs: 10_000,
  answerTimeoutMs: 30_000,
  maxMessageBytes: 100 * 1024 * 1024,
  maxBreaks: 12,
}

const known: Known<BroadcastClientOptions> = {
  ...{ endpoints: true, tls: true, faults: true, spreadAfterMs: true, window: true },
  ...{ maxQueued: true, connectTimeoutMs: true, unreachableTimeoutMs: true },
  ...{ answerTimeoutMs: true, maxMessageBytes: true, maxBreaks: true },
  ...{ minBackOffMs: true, maxBackOffMs: true },
}

/** @throws {DeliverError} DELIVER_INVALID_OPTIONS for an option of another name */
export function refuseUnknownOptions(options: BroadcastClientOptions): void {
  refuseUnknown(options, known)
}
