import type { ChannelConfig } from '@heddle/channel'
import { pause } from '@heddle/events'
import type { Logger } from '@heddle/interface'
import { type Received, common, orderer } from '@heddle/proto'
import { ahead } from './ahead.ts'
import { type ResolvedBackOff, backOffMs } from './back-off.ts'
import type { Position } from './block-check.ts'
import { type BlockStreamContext, blockStream } from './block-stream.ts'
import { type BlockCheck, type PendingBlock, beginCheck } from './block-verifier.ts'
import type { EndpointSet } from './endpoint-set.ts'
import { lastBlockNumber } from './envelope.ts'
import { BlockError, DeliverError, StatusError } from './errors.ts'
import { type Delivery, HeaderWatch } from './header-watch.ts'
import type { KnownEndpoints } from './known-endpoints.ts'
import type { DeliverMetrics } from './metrics.ts'
import type { Outage } from './outage.ts'
import type { Endpoint } from './ports.ts'
import { Turn } from './turn.ts'

const { SeekInfo_SeekBehavior: Behavior } = orderer

/** What pulling needs, all resolved. */
export interface PullContext extends BlockStreamContext, ResolvedBackOff {
  readonly endpoints: EndpointSet
  readonly known: KnownEndpoints
  /** How many blocks are received and being verified before their turn. */
  readonly maxBlocksAhead: number
  /** How long an endpoint may withhold blocks, or give them slowly, before another one is asked. */
  readonly blockCensorshipTimeoutMs: number
  /** How many others are watched by their headers. */
  readonly maxHeaderStreams: number
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
  /** The configuration in force, as far as it is known: says whom to ask. */
  readonly config: () => ChannelConfig
  /** Where to go on; asked at the beginning of each attempt, with the endpoint of that attempt. */
  readonly position: (endpoint: Endpoint, signal: AbortSignal) => Promise<Position>
  /** The last block; `newest` for whatever the endpoint has now. */
  readonly stop: bigint | 'newest'
}

/** What one call of {@link pull} remembers from one attempt to the next. */
interface Run {
  readonly task: PullTask
  readonly context: PullContext
  readonly signal: AbortSignal
  readonly delivery: Delivery
  /** Undefined when there are blocks to be had until the task is done. */
  readonly watch: HeaderWatch | undefined
  /** In a row. */
  failures: number
}

/**
 * Headers are looked at so often while an endpoint may withhold blocks. A header counts when its block is
 * due at one look and at the next; for the rest of the time it is measured what the endpoint gives.
 */
const looks = 8

/**
 * Verified blocks in order, from whichever endpoint works.
 *
 * The next block is given out when the reader comes back for it: then the one before counts as
 * taken. A failure costs a wait (see `backOffMs`) and makes it another endpoint's turn; an endpoint
 * that lies is suspected on top; one that is too slow only loses its turn (see {@link Turn}).
 *
 * @throws the last failure after `maxFailures` in a row; {@link DeliverError} DELIVER_NO_ENDPOINTS;
 *   `signal.reason` on abort
 */
export async function* pull(
  task: PullTask,
  context: PullContext,
  signal: AbortSignal,
): AsyncGenerator<AcceptedBlock> {
  const delivery: Delivery = { position: undefined, source: undefined }
  // Without an end, a channel may be idle: only what others have says that a block is due.
  const watch = task.stop === lastBlockNumber ? watchOf(delivery, context) : undefined
  const leaving = new AbortController()
  const watching = watch?.run(AbortSignal.any([signal, leaving.signal]))
  try {
    yield* attempts({ task, context, signal, delivery, watch, failures: 0 })
  } finally {
    leaving.abort()
    await watching
  }
}

async function* attempts(run: Run): AsyncGenerator<AcceptedBlock> {
  const { task, context, signal } = run
  for (;;) {
    signal.throwIfAborted()
    context.known.follow(task.config())
    const endpoint = context.endpoints.current()
    if (!endpoint) throw new DeliverError('DELIVER_NO_ENDPOINTS', 'there is no endpoint to ask')
    try {
      if (yield* pullFrom(endpoint, run)) return
    } catch (error) {
      signal.throwIfAborted()
      if (isOurs(error)) throw error
      if (task.stop === 'newest' && isStatus(error, common.Status.NOT_FOUND)) return
      if (judge(error, endpoint, context)) await waitAfter(error, run)
    }
  }
}

/** Gives out the blocks of one stream. Returns whether there is nothing more to ask for. */
async function* pullFrom(endpoint: Endpoint, run: Run): AsyncGenerator<AcceptedBlock, boolean> {
  const { task, context, delivery } = run
  const { endpoints, known, outage } = context
  const { stop } = task
  const turn = turnOf(endpoint, run)
  const signal = AbortSignal.any([run.signal, turn.signal])
  const isDone = ({ next }: Position): boolean => stop !== 'newest' && next > stop
  const from = await turn.waitFor(task.position(endpoint, signal))
  if (isDone(from)) return true
  Object.assign(delivery, { position: from, source: endpoint })
  const blocks = attempt({ from, stop, endpoint }, context, signal)
  try {
    for (;;) {
      const next = await turn.waitFor(blocks.next())
      if (next.done === true) return stop === 'newest'
      yield next.value
      const { after } = next.value
      run.failures = 0
      outage.worked()
      turn.gave()
      endpoints.succeeded(endpoint)
      if (isDone(after)) return true // whatever else comes, or does not
      delivery.position = after
      known.follow(after.config)
      if (!endpoints.has(endpoint)) return false // go on with one that is named still
    }
  } finally {
    await blocks.return(undefined)
  }
}

/** The turn of `endpoint`: begins to count anew when others turn out to be ahead. */
function turnOf(endpoint: Endpoint, { context, watch }: Run): Turn {
  const { clock, endpoints, blockCensorshipTimeoutMs } = context
  const measureMs = (blockCensorshipTimeoutMs * (looks - 2)) / looks
  const isBehind = (): boolean => watch?.isBehind() ?? true
  const turn = new Turn(endpoint, { clock, endpoints, measureMs, isBehind })
  if (watch) watch.onBehind = () => turn.measureAnew()
  return turn
}

function watchOf(delivery: Delivery, context: PullContext): HeaderWatch {
  const lookMs = context.blockCensorshipTimeoutMs / looks
  return new HeaderWatch({ ...context, lookMs }, delivery)
}

/** A stream to ask for. */
interface StreamRange {
  readonly from: Position
  readonly stop: bigint | 'newest'
  readonly endpoint: Endpoint
}

/** Waits after a failure that counts; rethrows it when there were too many. */
async function waitAfter(error: unknown, run: Run): Promise<void> {
  const { context, signal } = run
  run.failures++
  if (run.failures >= context.maxFailures) throw error
  const { endpoints, clock, random } = context
  await pause(clock, backOffMs(run.failures, endpoints.size, context, random), signal)
  signal.throwIfAborted()
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
    const message = `${endpoint.address} ended a stream that must not end`
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

/** Makes it another endpoint's turn. Returns whether the failure counts: silence and slowness do not. */
function judge(error: unknown, endpoint: Endpoint, context: PullContext): boolean {
  const { channelId: channel, endpoints, outage, logger, metrics } = context
  const { address } = endpoint
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  metrics?.failures.add(1, { code })
  if (code === 'DELIVER_TOO_SLOW') {
    // It is another one's turn already.
    logger?.info('another endpoint is asked', { endpoint: address, code }, error)
    return false
  }
  if (code === 'DELIVER_STALLED') {
    outage.worked()
    endpoints.failed(endpoint)
    logger?.debug('no block for a long time: asking another endpoint', { endpoint: address })
    return false
  }
  outage.failed(error, { channel, endpoint: address, code })
  if (isLie(error)) {
    endpoints.lied(endpoint)
    logger?.warn('endpoint is suspected', { endpoint: address, code }, error)
  } else {
    endpoints.failed(endpoint)
    logger?.info('delivery failed', { endpoint: address, code }, error)
  }
  return true
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
