import type { Logger } from '@heddle/interface'
import { type Received, common, orderer } from '@heddle/proto'
import { ahead } from './ahead.ts'
import { type ResolvedBackOff, backOffMs, pause } from './back-off.ts'
import type { Position } from './block-check.ts'
import type { ChannelConfig } from './channel-config.ts'
import { type BlockStreamContext, blockStream } from './block-stream.ts'
import { type BlockCheck, type PendingBlock, beginCheck } from './block-verifier.ts'
import type { EndpointSet } from './endpoint-set.ts'
import { BlockError, DeliverError, StatusError } from './errors.ts'
import type { DeliverMetrics } from './metrics.ts'
import type { Outage } from './outage.ts'
import type { Endpoint } from './ports.ts'

const { SeekInfo_SeekBehavior: Behavior } = orderer

/** What pulling needs, all resolved. */
export interface PullContext extends BlockStreamContext, ResolvedBackOff {
  readonly endpoints: EndpointSet
  /** The endpoints that the caller named: they stay, whatever a configuration says. */
  readonly given: readonly Endpoint[]
  /** How many blocks are received and being verified before their turn. */
  readonly maxBlocksAhead: number
  /** How long an endpoint may deliver before it is another one's turn. */
  readonly maxTurnMs: number
  /** Failures in a row after which pulling rejects with the last one; Infinity for never. */
  readonly maxFailures: number
  readonly random: () => number
  readonly checkBlock: BlockCheck | undefined
  readonly outage: Outage
  readonly logger: Logger | undefined
  readonly metrics: DeliverMetrics | undefined
}

/** A verified block and where the channel stands after it. */
export interface AcceptedBlock {
  readonly block: Received<common.Block>
  readonly after: Position
  /** Who sent it. */
  readonly endpoint: Endpoint
}

/** Which blocks to pull; see {@link pull}. */
export interface PullTask {
  /** Where to go on; asked at the beginning of each attempt, with the endpoint of that attempt. */
  readonly position: (endpoint: Endpoint) => Promise<Position>
  /** The last block; `newest` for whatever the endpoint has now. */
  readonly stop: bigint | 'newest'
}

/**
 * Verified blocks in order, from whichever endpoint works.
 *
 * The next block is given out when the reader comes back for it: then the one before counts as
 * taken. A failure costs a wait (see `backOffMs`) and makes it another endpoint's turn; an endpoint
 * that lies is suspected on top.
 *
 * @throws the last failure after `maxFailures` in a row; {@link DeliverError} DELIVER_NO_ENDPOINTS;
 *   `signal.reason` on abort
 */
export async function* pull(
  task: PullTask,
  context: PullContext,
  signal: AbortSignal,
): AsyncGenerator<AcceptedBlock> {
  const inARow = { failures: 0 }
  for (;;) {
    signal.throwIfAborted()
    const endpoint = context.endpoints.current()
    if (!endpoint) throw new DeliverError('DELIVER_NO_ENDPOINTS', 'there is no endpoint to ask')
    try {
      const from = await task.position(endpoint)
      if (typeof task.stop === 'bigint' && from.next > task.stop) return
      if (yield* pullFrom({ from, stop: task.stop, endpoint }, context, signal, inARow)) return
    } catch (error) {
      signal.throwIfAborted()
      if (isOurs(error)) throw error
      if (task.stop === 'newest' && isStatus(error, common.Status.NOT_FOUND)) return
      if (judge(error, endpoint, context)) await waitAfter(error, inARow, context, signal)
    }
  }
}

/** A stream to ask for. */
interface StreamRange {
  readonly from: Position
  readonly stop: bigint | 'newest'
  readonly endpoint: Endpoint
}

/** Gives out the blocks of one stream. Returns whether there is nothing more to ask for. */
async function* pullFrom(
  range: StreamRange,
  context: PullContext,
  signal: AbortSignal,
  inARow: { failures: number },
): AsyncGenerator<AcceptedBlock, boolean> {
  const { endpoints, clock, maxTurnMs } = context
  const { endpoint, from, stop } = range
  const since = clock.now()
  let { config } = from
  for await (const accepted of attempt(range, context, signal)) {
    yield accepted
    inARow.failures = 0
    context.outage.worked()
    endpoints.succeeded(endpoint)
    const changed = endpointsChanged(config, accepted.after.config)
    sayUnusable(config, accepted.after.config, context)
    config = accepted.after.config
    if (changed) endpoints.update([...context.given, ...config.endpoints])
    if (!endpoints.has(endpoint)) return false // go on with one that is named still
    if (endpoints.size > 1 && clock.now() - since >= maxTurnMs) {
      endpoints.failed(endpoint)
      return false
    }
  }
  return stop === 'newest'
}

/** Waits after a failure that counts; rethrows it when there were too many. */
async function waitAfter(
  error: unknown,
  inARow: { failures: number },
  context: PullContext,
  signal: AbortSignal,
): Promise<void> {
  inARow.failures++
  if (inARow.failures >= context.maxFailures) throw error
  const { endpoints, clock, random } = context
  await pause(clock, backOffMs(inARow.failures, endpoints.size, context, random), { signal })
}

/** The blocks that one stream of one endpoint gives. */
async function* attempt(
  { from, stop, endpoint }: StreamRange,
  context: PullContext,
  signal: AbortSignal,
): AsyncGenerator<AcceptedBlock> {
  const left = new AbortController()
  const either = AbortSignal.any([signal, left.signal])
  // Up to the newest block means: not one that is still to come.
  const behavior = stop === 'newest' ? Behavior.FAIL_IF_NOT_READY : Behavior.BLOCK_UNTIL_READY
  const stream = blockStream(endpoint, { start: from.next, stop, behavior }, context, either)
  let last = from
  try {
    for await (const pending of ahead(checks(stream, from, context), context.maxBlocksAhead)) {
      await pending.verified
      last = await pending.after
      signal.throwIfAborted() // what was read ahead is not given out any more
      yield { block: pending.block, after: last, endpoint }
    }
  } finally {
    left.abort()
  }
  if (stop !== 'newest' && last.next <= stop) {
    const message = `${endpoint.address} says that a stream ended which must not`
    throw new DeliverError('DELIVER_UNEXPECTED', message, { endpoint: endpoint.address })
  }
}

/** Begins the checks of each block as it arrives; only a new configuration is waited for. */
async function* checks(
  stream: AsyncIterable<Received<common.Block>>,
  from: Position,
  { checkBlock }: PullContext,
): AsyncGenerator<PendingBlock> {
  let position = from
  for await (const block of stream) {
    const pending = beginCheck(position, block, checkBlock)
    yield pending
    position = await pending.after
  }
}

/** Makes it another endpoint's turn. Returns whether the failure counts: silence does not. */
function judge(error: unknown, endpoint: Endpoint, context: PullContext): boolean {
  const { channelId: channel, endpoints, outage, logger, metrics } = context
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  metrics?.failures.add(1, { code })
  const stalled = code === 'DELIVER_STALLED'
  if (stalled) outage.worked()
  else outage.failed(error, { channel, endpoint: endpoint.address, code })
  if (isLie(error)) {
    endpoints.lied(endpoint)
    logger?.warn('endpoint is suspected', { endpoint: endpoint.address, code }, error)
  } else {
    endpoints.failed(endpoint)
    if (stalled) logger?.debug('no block for long, asking another', { endpoint: endpoint.address })
    else logger?.info('delivery failed', { endpoint: endpoint.address, code }, error)
  }
  return !stalled
}

/** Whether a new configuration names other endpoints than the one before. */
function endpointsChanged(before: ChannelConfig, after: ChannelConfig): boolean {
  return JSON.stringify(before.endpoints) !== JSON.stringify(after.endpoints)
}

/** Endpoints that one line names at most. */
const maxEndpointsSaid = 10

/** Says which endpoints a new configuration names in vain, unless the one before did as well. */
function sayUnusable(before: ChannelConfig, after: ChannelConfig, { logger }: PullContext): void {
  const known = new Set(before.unusableEndpoints)
  const found = after.unusableEndpoints.filter((said) => !known.has(said))
  if (found.length === 0) return
  logger?.warn('endpoints in the configuration of the channel cannot be used', {
    block: after.blockNumber,
    count: found.length,
    endpoints: found.slice(0, maxEndpointsSaid).join('; '),
  })
}

/** Whether the failure is not one of an endpoint. */
function isOurs(error: unknown): boolean {
  const ours = ['DELIVER_LEDGER_FAILED', 'DELIVER_SIGNER_NOT_VALID']
  return error instanceof DeliverError && ours.includes(error.code)
}

function isStatus(error: unknown, status: common.Status): boolean {
  return error instanceof StatusError && error.status === status
}

/** Whether an honest service could not have done this. */
function isLie(error: unknown): boolean {
  if (error instanceof BlockError) return true
  return error instanceof DeliverError && error.code === 'DELIVER_UNEXPECTED'
}
