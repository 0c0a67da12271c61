import { X509Certificate } from 'node:crypto'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { isIP } from 'node:net'
import { TLSSocket } from 'node:tls'
import { Budget } from '@heddle/events'
import {
  RefusalLog,
  addressOf,
  clientCertificateState,
  noResumption,
  trustPartialChains,
} from '@heddle/listener'
import { PeerError, messageOf } from '../errors.ts'
import { listenError } from '../network/ports.ts'
import { denialOf } from './access.ts'
import { RequestGuard } from './request-guard.ts'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock, Lifecycle, LifecycleState, Logger } from '@heddle/interface'
import type { Address } from '../config/setting.ts'
import type { Logging } from '../logging/logger.ts'
import type { ConditionName, Severity } from '../node/condition-kinds.ts'
import type { Condition } from '../node/conditions.ts'
import type { AccessRules, Claims, Denial } from './access.ts'
import type { PrometheusMetrics } from './metrics.ts'
import type { RequestGuardOptions } from './request-guard.ts'
import type { OperationsTls } from './tls.ts'

/** What `/healthz` says of a condition: Fabric's two members, and what it is called, and since when. */
export interface HealthCheck {
  readonly component: string
  readonly reason: string
  readonly condition: ConditionName
  /** ISO 8601, by the validator's clock. */
  readonly since: string
}

/** What the operations server shows. */
export interface OperationsDeps {
  readonly clock: Clock
  readonly logging: Logging
  readonly metrics: PrometheusMetrics
  /** What is wrong now: /healthz says it. */
  readonly conditions: () => readonly Condition[]
  readonly version: { readonly Version: string; readonly CommitSHA: string }
  readonly logger?: Logger
}

/** Bounds of an {@link OperationsServer}. */
export interface OperationsLimits extends RequestGuardOptions {
  /** Lines in the log about who was refused, in a minute; what is beyond is counted only. */
  readonly maxRefusalLinesPerMinute: number
}

/** Bounds when none are given. */
export const operationsLimits: OperationsLimits = {
  setupTimeoutMs: 5000,
  answerTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  maxConnections: 64,
  maxRefusalLinesPerMinute: 100,
}

/** How old the text of /metrics may be, in milliseconds: however often they are asked for, they cost little. */
export const metricsAgeMs = 250

/**
 * Most requests that are answered in a second, after as many at once: what is beyond waits, so that who
 * asks for ever more leaves the time to what the validator is for.
 */
export const maxAnswersPerSecond = 100

/** Largest body of a request. */
export const maxRequestBytes = 4096

/** Where an {@link OperationsServer} listens, and how. */
export interface OperationsOptions {
  readonly listen: Address
  readonly tls?: OperationsTls | undefined
  readonly limits?: OperationsLimits
}

/**
 * The HTTP server for operators: /healthz, /metrics, /version, /logspec with Fabric's paths and bodies
 * (Fabric, `docs/source/operations_service.rst`). With TLS, /metrics and /logspec want a client
 * certificate; without, /logspec is changed from this machine only.
 */
export class OperationsServer implements Lifecycle {
  readonly #deps: OperationsDeps
  readonly #listen: Address
  readonly #tls: OperationsTls | undefined
  readonly #limits: OperationsLimits
  readonly #rules: AccessRules
  readonly #guard: RequestGuard
  readonly #budget: Budget<'answers'>
  /** The text of /metrics that was made last. */
  #metrics: { readonly at: number; readonly text: Promise<string> } | undefined
  #server: Server | undefined
  #state: LifecycleState = 'idle'

  constructor(deps: OperationsDeps, { listen, tls, limits = operationsLimits }: OperationsOptions) {
    this.#deps = deps
    this.#listen = listen
    this.#tls = tls
    this.#limits = limits
    const certificate = tls && new X509Certificate(tls.certificate)
    const isCertified = (name: string): boolean =>
      (isIP(name) === 0 ? certificate?.checkHost(name) : certificate?.checkIP(name)) !== undefined
    this.#rules = { listen, tls: tls !== undefined, isCertified }
    const { clock, logger, metrics } = deps
    const { maxRefusalLinesPerMinute } = limits
    const refusals = new RefusalLog(
      { clock, logger, metrics },
      { port: 'operations', maxRefusalLinesPerMinute },
    )
    this.#guard = new RequestGuard(clock, refusals, limits)
    const answers = { perSecond: maxAnswersPerSecond, burst: maxAnswersPerSecond }
    this.#budget = new Budget(clock, { limits: { answers }, maxHeldMs: Infinity })
  }

  get state(): LifecycleState {
    return this.#state
  }

  /** Port it listens on, once started. */
  get port(): number {
    return (this.#server?.address() as AddressInfo | null)?.port ?? this.#listen.port
  }

  async start(): Promise<void> {
    if (this.#state !== 'idle') return
    const server = this.#create((request, response) => void this.#answer(request, response))
    this.#state = 'starting'
    this.#guard.watch(server)
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(this.#listen.port, this.#listen.host, resolve)
      })
    } catch (error) {
      this.#state = 'idle'
      throw listenError(this.#listen, 'operations.listenAddress', error)
    }
    this.#server = server
    this.#state = 'started'
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    this.#state = 'stopped'
    if (server === undefined) return
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      this.#guard.cut()
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #create(answer: RequestListener): Server {
    const { setupTimeoutMs, answerTimeoutMs } = this.#limits
    // Later than the guard's, which knows more of why.
    const times = {
      requestTimeout: 2 * Math.max(setupTimeoutMs, answerTimeoutMs),
      headersTimeout: 2 * setupTimeoutMs,
      connectionsCheckingInterval: 1000,
    }
    const tls = this.#tls
    if (tls === undefined) return createServer(times, answer)
    const server = createTlsServer(
      {
        ...times,
        cert: tls.certificate,
        key: tls.key,
        ca: [...tls.clientRoots],
        requestCert: tls.clientRoots.length > 0,
        ...noResumption,
        // One that is shown must be valid: the guard sees to that.
        rejectUnauthorized: tls.clientAuthRequired,
        minVersion: 'TLSv1.2',
      },
      answer,
    )
    trustPartialChains(server)
    return server
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#guard.hasRefused(request.socket)) return
    await this.#turn()
    if (response.destroyed) return
    const path = (request.url ?? '').split('?')[0] ?? ''
    const route = `${request.method ?? ''} ${path}`
    try {
      const denial = denialOf(claimsOf(route, request), this.#rules)
      if (denial === undefined) await this.#route(route, request, response)
      else this.#deny(denial, request, response)
    } catch (error) {
      const address = addressOf(request.socket)
      this.#deps.logger?.warn('operations request failed', { route, address }, error)
      if (!response.headersSent) sendJson(response, 500, { error: messageOf(error) })
    }
  }

  async #turn(): Promise<void> {
    this.#budget.spend('answers', 1)
    const holdMs = this.#budget.settle()?.holdMs
    if (holdMs === undefined) return
    await new Promise<void>((resolve) => void this.#deps.clock.schedule(holdMs, resolve))
  }

  #deny(
    { status, code, reason }: Denial,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    this.#guard.refused(addressOf(request.socket), reason)
    // The body, if there is one, is not read.
    response.setHeader('connection', 'close')
    sendJson(response, status, { error: reason, code })
  }

  async #route(route: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (route) {
      case 'GET /healthz':
        this.#health(response)
        return
      case 'GET /metrics':
        response.setHeader('content-type', this.#deps.metrics.contentType)
        response.end(await this.#metricsText())
        return
      case 'GET /version':
        sendJson(response, 200, this.#deps.version)
        return
      case 'GET /logspec':
        sendJson(response, 200, { spec: this.#deps.logging.spec })
        return
      case 'PUT /logspec':
        return this.#setSpec(request, response)
      default:
        sendJson(response, 404, { error: `no ${route}` })
    }
  }

  #metricsText(): Promise<string> {
    const { clock, metrics } = this.#deps
    const now = clock.now()
    if (this.#metrics === undefined || now - this.#metrics.at >= metricsAgeMs)
      this.#metrics = { at: now, text: metrics.text() }
    return this.#metrics.text
  }

  #health(response: ServerResponse): void {
    const time = new Date(this.#deps.clock.wallTime()).toISOString()
    const conditions = this.#deps.conditions()
    const failed = checksOf(conditions, 'failed')
    const degraded = checksOf(conditions, 'degraded')
    const status = failed.length === 0 ? 'OK' : 'Service Unavailable'
    sendJson(response, failed.length === 0 ? 200 : 503, {
      ...{ status, time },
      ...(failed.length === 0 ? {} : { failed_checks: failed }),
      ...(degraded.length === 0 ? {} : { degraded_checks: degraded }),
    })
  }

  async #setSpec(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request
    const address = addressOf(socket) // gone when the body is not read to its end
    try {
      const body = JSON.parse(await readBody(request)) as { spec?: unknown } | null
      if (typeof body?.spec !== 'string') {
        throw new PeerError('PEER_INVALID_CONFIG', 'the body must be {"spec": "..."}')
      }
      const client =
        socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.subject : undefined
      this.#deps.logging.setSpec(body.spec, { address, client })
      response.statusCode = 204
      response.end()
    } catch (error) {
      this.#guard.refused(address, messageOf(error))
      sendJson(response, 400, { error: messageOf(error) })
    }
  }
}

function checksOf(conditions: readonly Condition[], severity: Severity): HealthCheck[] {
  return conditions
    .filter((each) => each.severity === severity)
    .map(({ component, reason, condition, since }) => ({
      ...{ component, reason, condition },
      since: new Date(since).toISOString(),
    }))
}

function claimsOf(route: string, { headers, socket }: IncomingMessage): Claims {
  const { localAddress = '', remoteAddress = '' } = socket
  const hasClientCertificate =
    socket instanceof TLSSocket && clientCertificateState(socket) === 'proved'
  const { host, origin } = headers
  return { route, host, origin, localAddress, remoteAddress, hasClientCertificate }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.statusCode = status
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(body))
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxRequestBytes) {
      throw new PeerError('PEER_INVALID_CONFIG', `the body is longer than ${maxRequestBytes} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
