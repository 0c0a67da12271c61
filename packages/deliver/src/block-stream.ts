import type { Clock } from '@heddle/interface'
import { type Received, common } from '@heddle/proto'
import { type ByteStream, type ConnectionOptions, openStream } from './connection.ts'
import { type DeliverFrame, decodeDeliverResponse } from './deliver-response.ts'
import { type SeekRequest, seekEnvelope } from './envelope.ts'
import { DeliverError, StatusError } from './errors.ts'
import type { Endpoint, EnvelopeSigner } from './ports.ts'

/** What every request for blocks needs, all resolved. */
export interface BlockStreamContext extends ConnectionOptions {
  readonly channelId: string
  readonly signer: EnvelopeSigner
  readonly clock: Clock
  /** How long to wait for a frame. */
  readonly stallTimeoutMs: number
}

/** Which blocks, as in a {@link SeekRequest}. */
export type BlockRange = Pick<SeekRequest, 'start' | 'stop' | 'behavior' | 'contentType'>

/**
 * The blocks of `range` as `endpoint` sends them, unverified; ends after the service's SUCCESS.
 *
 * @throws {DeliverError} DELIVER_UNREACHABLE, DELIVER_STREAM_FAILED, DELIVER_STALLED when no frame
 *   came for `stallTimeoutMs`, DELIVER_UNEXPECTED for a frame that is none
 * @throws {StatusError} for any other status; `signal.reason` on abort
 */
export async function* blockStream(
  endpoint: Endpoint,
  range: BlockRange,
  context: BlockStreamContext,
  signal: AbortSignal,
): AsyncGenerator<Received<common.Block>> {
  const { channelId, signer, clock, tlsFor } = context
  const stream = await openStream(endpoint, 'deliver', { ...context, signal })
  const abort = (): void => stream.close()
  signal.addEventListener('abort', abort, { once: true })
  try {
    const { certificateHash } = tlsFor(endpoint)
    const binding = certificateHash && { tlsCertHash: certificateHash }
    stream.call.write(await seekEnvelope({ channelId, signer, clock, ...range, ...binding }))
    for await (const frame of frames(stream.call, endpoint.address, context)) {
      if ('block' in frame) yield frame.block
      else if (frame.status === common.Status.SUCCESS) return
      else throw new StatusError(frame.status, '', endpoint.address)
    }
    throw failed(endpoint.address, 'hung up without a status')
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
    stream.close()
  }
}

/** The frames of a stream; a wait of more than `stallTimeoutMs` for one ends it. */
async function* frames(
  call: ByteStream,
  address: string,
  { clock, stallTimeoutMs }: BlockStreamContext,
): AsyncGenerator<DeliverFrame> {
  const incoming = (call as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  for (;;) {
    const stall = { happened: false }
    const timer = clock.schedule(stallTimeoutMs, () => {
      stall.happened = true
      call.cancel()
    })
    let next: IteratorResult<Buffer, unknown>
    try {
      next = await incoming.next()
    } catch (cause) {
      if (!stall.happened) throw failed(address, 'stream failed', cause)
      const message = `${address} sent nothing for ${stallTimeoutMs} ms`
      throw new DeliverError('DELIVER_STALLED', message, { cause, endpoint: address })
    } finally {
      timer.cancel()
    }
    if (next.done === true) return
    const frame = decodeDeliverResponse(next.value)
    if (!frame) {
      const message = `${address} sent a frame that is neither a status nor a block`
      throw new DeliverError('DELIVER_UNEXPECTED', message, { endpoint: address })
    }
    yield frame
  }
}

function failed(address: string, what: string, cause?: unknown): DeliverError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  const message = `${address} ${what}${why}`
  return new DeliverError('DELIVER_STREAM_FAILED', message, { cause, endpoint: address })
}
