import type { Clock, Logger, Metrics } from '@heddle/interface'
import { assertAddress } from './address.ts'
import { type BackOffOptions, defaultBackOff } from './back-off.ts'
import type { PullContext } from './block-puller.ts'
import type { BlockCheck } from './block-verifier.ts'
import { EndpointSet } from './endpoint-set.ts'
import { tlsFor } from './endpoint-tls.ts'
import { DeliverError } from './errors.ts'
import { type AddressOverride, KnownEndpoints } from './known-endpoints.ts'
import { deliverMetrics } from './metrics.ts'
import { Outage } from './outage.ts'
import type { ClientTls, Endpoint, EnvelopeSigner } from './ports.ts'
import { type ProxyChoice, announced, proxyFor } from './proxy.ts'
import type { Known } from './refuse-unknown.ts'

/** What pulling blocks works with. */
export interface PullDeps {
  readonly signer: EnvelopeSigner
  readonly clock: Clock
  readonly logger?: Logger
  readonly metrics?: Metrics
  /** 0 inclusive to 1 exclusive; for the order of endpoints and for jitter. Default Math.random. */
  readonly random?: () => number
  /** Which HTTP proxy leads to an endpoint. Default: {@link proxyFor}, by the environment. */
  readonly proxyFor?: ProxyChoice
  /** What a block must be besides; default: nothing. */
  readonly checkBlock?: BlockCheck
}

/** Where blocks come from, and how patiently. Numbers are above 0. */
export interface PullOptions extends BackOffOptions {
  readonly channelId: string
  /** Whom to ask first; then those that the configuration in force names. */
  readonly endpoints: readonly Endpoint[]
  /** Whether to ask only these, whatever the configuration names. Default false. */
  readonly onlyGiven?: boolean
  /** Where endpoints that the configuration names are reached from here. Default: as they are named. */
  readonly addressOverrides?: readonly AddressOverride[]
  /** The certificate for mutual TLS. */
  readonly tls?: ClientTls
  /** Default 3,000 ms, as Fabric's peer. */
  readonly connectTimeoutMs?: number
  /**
   * How long an endpoint may send nothing before another is asked: a channel may be idle, but an
   * endpoint may also hold back blocks. Default 30,000 ms.
   */
  readonly stallTimeoutMs?: number
  /**
   * How long an endpoint may withhold blocks, or give less than half of what another would, before
   * that one is asked: as Fabric's BFT deliver client. Default 20,000 ms.
   */
  readonly blockCensorshipTimeoutMs?: number
  /** How many others are watched by their headers while blocks are waited for. Default 3. */
  readonly maxHeaderStreams?: number
  /** Longest gRPC message, in bytes. Default 100 MiB, as Fabric. */
  readonly maxMessageBytes?: number
  /** How many blocks are received and verified before their turn. Default 16. */
  readonly maxBlocksAhead?: number
}

/** The names of {@link PullOptions}. */
export const knownPullOptions: Known<PullOptions> = {
  ...{ channelId: true, endpoints: true, onlyGiven: true, addressOverrides: true, tls: true },
  ...{ minBackOffMs: true, maxBackOffMs: true, connectTimeoutMs: true, stallTimeoutMs: true },
  ...{ blockCensorshipTimeoutMs: true, maxHeaderStreams: true, maxMessageBytes: true },
  maxBlocksAhead: true,
}

const defaults = {
  ...defaultBackOff,
  connectTimeoutMs: 3000,
  stallTimeoutMs: 30_000,
  blockCensorshipTimeoutMs: 20_000,
  maxHeaderStreams: 3,
  maxMessageBytes: 100 * 1024 * 1024,
  maxBlocksAhead: 16,
}

/**
 * Fills in the defaults and checks the ranges.
 *
 * @throws {DeliverError} DELIVER_INVALID_OPTIONS
 */
export function resolvePullOptions(
  deps: PullDeps,
  options: PullOptions,
  maxFailures: number,
): PullContext {
  const { random = Math.random, clock } = deps
  const limits = numbersOf(options, defaults)
  assertPositive({ ...limits, maxFailures })
  const { onlyGiven = false, addressOverrides = [] } = options
  const endpoints = new EndpointSet(options.endpoints, clock, random)
  const replacing = addressOverrides.map(({ to, roots = [] }) => ({ address: to, roots }))
  const named = [...options.endpoints, ...replacing]
  const proxyFor = proxiesOf(deps, named)
  sayIfEarly(deps)
  return {
    ...limits,
    maxFailures,
    channelId: options.channelId,
    tlsFor: tlsFor(options.tls, named),
    signer: deps.signer,
    checkBlock: deps.checkBlock,
    clock,
    random,
    proxyFor,
    endpoints,
    known: new KnownEndpoints(endpoints, { onlyGiven, addressOverrides }, deps.logger),
    outage: new Outage('no endpoint delivers blocks', endpoints, deps.logger),
    logger: deps.logger,
    metrics: deps.metrics && deliverMetrics(deps.metrics),
  }
}

/** Services take a certificate that is not valid yet: mostly a clock is behind. */
function sayIfEarly({ signer, clock, logger }: PullDeps): void {
  const { subject, notBefore } = signer
  const now = new Date(clock.wallTime())
  if (notBefore === undefined || now >= notBefore) return
  const times = { from: notBefore.toISOString(), now: now.toISOString() }
  logger?.warn("the signer's own certificate is not valid yet", { subject, ...times })
}

/**
 * The choice of proxies, tried for `endpoints`: what cannot be used, their addresses included, is
 * refused now.
 *
 * @throws {DeliverError} DELIVER_INVALID_OPTIONS
 */
export function proxiesOf(
  { proxyFor: choose = proxyFor, logger }: Pick<PullDeps, 'proxyFor' | 'logger'>,
  endpoints: readonly Endpoint[],
): ProxyChoice {
  for (const { address } of endpoints) assertAddress(address)
  const choice = announced((address) => choose(address), logger)
  for (const { address } of endpoints) choice(address)
  return choice
}

/** What `options` say of the settings that have a default number, and the defaults of the others. */
export function numbersOf<Names extends string>(
  options: { readonly [Name in NoInfer<Names>]?: number | undefined },
  defaults: Readonly<Record<Names, number>>,
): Record<Names, number> {
  const names = Object.keys(defaults) as Names[]
  const values = names.map((name) => [name, options[name] ?? defaults[name]])
  return Object.fromEntries(values) as Record<Names, number>
}

/**
 * Checks settings that count or time something.
 *
 * @throws {DeliverError} DELIVER_INVALID_OPTIONS, naming the first that is not above 0
 */
export function assertPositive(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    // In JavaScript no compiler keeps texts out.
    if (typeof value === 'number' && value > 0) continue
    throw new DeliverError('DELIVER_INVALID_OPTIONS', `${name} must be above 0, not ${value}`)
  }
}
