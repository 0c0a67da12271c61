import { common } from '@heddle/proto'
import { isPassing } from './errors.ts'
import type { ServiceContext } from './service-context.ts'

/** A request that got another answer than SUCCESS. */
export interface RefusedRequest {
  readonly status: common.Status
  /** What it was answered for. */
  readonly error: unknown
  /** Where it came from, such as `127.0.0.1:40312`. */
  readonly address: string
  /** What else is known of it. */
  readonly about?: Readonly<Record<string, string>>
}

/**
 * Tells of a refused request, such as `broadcast refused`: at level `warn`, so many a minute at most;
 * at level `debug` when the chain was just busy.
 */
export function logRefused(context: ServiceContext, event: string, request: RefusedRequest): void {
  const { status, error, address, about } = request
  const fields = { ...about, address, status: common.Status[status], reason: reasonOf(error) }
  if (isPassing(status)) context.logger?.debug(event, fields)
  else context.refusals.refused(event, fields)
}

/** The message of an error and of what caused it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { message, cause } = error
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}
