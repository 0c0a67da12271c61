import type { AbortOptions, Lifecycle } from '@heddle/interface'
import {
  type BroadcastClientDeps,
  type BroadcastClientOptions,
  refuseUnknownOptions,
} from './broadcast-options.ts'
import { FailoverClient } from './failover-client.ts'
import type { BroadcastResult } from './submission.ts'

/** Sends envelopes and tells the outcome of each; see {@link createBroadcastClient}. */
export interface BroadcastClient extends Lifecycle {
  /**
   * Sends an encoded `common.Envelope`, again and to other endpoints if need be, always the same
   * bytes, until one takes it or enough have refused it.
   *
   * @returns when it was taken: status SUCCESS, from the endpoint that answered first
   * @throws {StatusError} DELIVER_STATUS when `faults + 1` endpoints, or all, have answered with a final
   *   status but SUCCESS: BAD_REQUEST, FORBIDDEN, NOT_FOUND, REQUEST_ENTITY_TOO_LARGE and so on.
   *   SERVICE_UNAVAILABLE is not final
   * @throws {DeliverError} DELIVER_INVALID_ENVELOPE for bytes that are not an envelope, or too many,
   *   DELIVER_QUEUE_FULL; DELIVER_UNREACHABLE when no endpoint that has not refused
   *   it could be reached for `unreachableTimeoutMs`, DELIVER_STREAM_FAILED after `maxBreaks`, DELIVER_STOPPED, or
   *   `signal.reason` on abort: after these it is not known whether an envelope that was sent was
   *   taken
   */
  submit(envelope: Uint8Array, options?: AbortOptions): Promise<BroadcastResult>
  /**
   * Takes note that the service at `address` acknowledged what then was in no block: others are asked
   * first, for 10 s, doubled each time up to 10 min.
   */
  suspect(address: string): void
  /** How many envelopes have no answer yet. */
  readonly pending: number
}

/**
 * Makes a client of the Broadcast service that survives streams that break, endpoints that fail, lie or
 * are frozen, and services that are busy.
 *
 * @throws {DeliverError} DELIVER_INVALID_OPTIONS, DELIVER_NO_ENDPOINTS
 */
export function createBroadcastClient(
  deps: BroadcastClientDeps,
  options: BroadcastClientOptions,
): BroadcastClient {
  refuseUnknownOptions(options)
  return new FailoverClient(deps, options)
}
