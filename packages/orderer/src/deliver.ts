import { setMaxListeners } from 'node:events'
import type { ServerDuplexStream } from '@grpc/grpc-js'
import { pause } from '@heddle/events'
import { shown } from '@heddle/msp'
import { common, create, decode, encode, orderer } from '@heddle/proto'
import { ReaderAccess } from './access.ts'
import { blockResponse, headerWithSignatures } from './block-wire.ts'
import type { ClientBudget } from './client-budgets.ts'
import { OrdererError, statusOf } from './errors.ts'
import type { Chain } from './ports.ts'
import { logRefused } from './refused-request.ts'
import { PacedWriter } from './paced-writer.ts'
import { type SignedRequest, badRequest, decodeRequest } from './request.ts'
import { type SeekRange, seekRange } from './seek.ts'
import type { ServiceContext } from './service-context.ts'
import { checkTimestamp, checkTlsBinding } from './request-checks.ts'

const { SeekInfo_SeekBehavior: Behavior } = orderer
const { SeekInfo_SeekErrorResponse: ErrorResponse } = orderer
const { SeekInfo_SeekContentType: ContentType } = orderer

/**
 * What a request, a block, or a message that another service streams counts beside its bytes: to check a
 * signature, or to read something and answer, takes about as long as to read so many bytes.
 */
export const readCost = 32 * 1024

/** A request that passed every check up to the policy. */
interface Seek {
  readonly chain: Chain
  readonly info: orderer.SeekInfo
  readonly access: ReaderAccess
  readonly signal: AbortSignal
}

/**
 * Serves one Deliver stream: one SeekInfo after another, each answered by its blocks and a status.
 *
 * Any status but SUCCESS ends the stream. Blocks are sent as stored, only as fast as the client reads,
 * and no more of them than its budget allows.
 *
 * @see fabric v3.1.5 common/deliver/deliver.go, for the statuses and the order of the checks
 */
export class DeliverStream {
  readonly #call: ServerDuplexStream<Buffer, Buffer>
  readonly #writer: PacedWriter
  readonly #context: ServiceContext
  readonly #reads: ClientBudget<'bytes'>
  readonly #gone = new AbortController()
  readonly #stopping = new AbortController()
  #serving = false
  #ended = false

  /** @param reads - bytes of blocks that may be read for the client, and for its organisation */
  constructor(
    call: ServerDuplexStream<Buffer, Buffer>,
    context: ServiceContext,
    reads: ClientBudget<'bytes'>,
  ) {
    this.#call = call
    this.#writer = new PacedWriter(call)
    this.#context = context
    this.#reads = reads
    setMaxListeners(0, this.#gone.signal)
  }

  /** Begins to serve. `onClose` is called once, when the stream has ended for either side. */
  serve(onClose: () => void): void {
    const call = this.#call
    this.#context.metrics?.streamsOpened.add(1)
    call.on('data', (bytes: Buffer) => {
      call.pause() // the next request waits until this one is answered
      void this.#serve(bytes)
    })
    call.on('end', () => this.#end())
    call.on('error', () => this.#gone.abort())
    call.on('cancelled', () => this.#gone.abort())
    call.on('close', () => {
      this.#gone.abort()
      this.#context.metrics?.streamsClosed.add(1)
      onClose()
    })
  }

  /** Ends the stream: SERVICE_UNAVAILABLE for a request that is being served. */
  finish(): void {
    if (this.#serving) this.#stopping.abort()
    else this.#end()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#call.end()
  }

  async #serve(bytes: Buffer): Promise<void> {
    this.#serving = true
    let status: common.Status = common.Status.SUCCESS
    try {
      const { maxSeekBytes } = this.#context.options
      // It is kept as long as the stream.
      if (bytes.length > maxSeekBytes)
        throw badRequest(`a seek of ${bytes.length} bytes; at most ${maxSeekBytes} are allowed`)
      await this.#answer(decodeRequest(bytes))
    } catch (error) {
      // A client that has gone gets no status: nobody reads it.
      if (this.#gone.signal.aborted) return
      status = statusOf(error, this.#context.options.statuses)
      logRefused(this.#context, 'deliver refused', { status, error, address: this.#call.getPeer() })
    }
    this.#serving = false
    const response = create(orderer.DeliverResponseSchema, {
      Type: { case: 'status', value: status },
    })
    this.#call.write(encode(orderer.DeliverResponseSchema, response))
    if (status === common.Status.SUCCESS) this.#call.resume()
    else this.#end()
  }

  async #answer(request: SignedRequest): Promise<void> {
    const { channelHeader } = request
    checkTimestamp(channelHeader, this.#context)
    checkTlsBinding(channelHeader, this.#call, this.#context)
    const chain = this.#context.chains(channelHeader.channelId)
    if (!chain) {
      throw new OrdererError(
        'ORDERER_NOT_FOUND',
        `channel ${shown(channelHeader.channelId)} does not exist`,
      )
    }
    const info = decodeSeekInfo(request.data)
    const labels = {
      channel: chain.channelId,
      filtered: 'false',
      data_type: info.contentType === ContentType.HEADER_WITH_SIG ? 'header_with_sig' : 'block',
    }
    this.#context.metrics?.requestsReceived.add(1, labels)
    let success = 'false'
    try {
      const signal = this.#whileAble(chain, info)
      // Else whoever breaks off and asks again would have a signature checked and a block read each time.
      await this.#inTurn(readCost, signal)
      const access = await ReaderAccess.open(chain, request.signed, this.#context.clock)
      await this.#send({ chain, info, access, signal }, labels)
      success = 'true'
    } finally {
      this.#context.metrics?.requestsCompleted.add(1, { ...labels, success })
    }
  }

  /** A signal that ends the waiting: the client left, we stop, or the chain cannot order. */
  #whileAble(chain: Chain, info: orderer.SeekInfo): AbortSignal {
    const signals = [this.#gone.signal, this.#stopping.signal]
    const errored = chain.errored?.()
    if (errored && info.errorResponse !== ErrorResponse.BEST_EFFORT) signals.push(errored)
    const signal = AbortSignal.any(signals)
    if (errored?.aborted && signal.aborted) throw unavailable(errored.reason)
    return signal
  }

  /** Counts what was read; waits when the client, or its organisation, has had more than it may have for now. */
  async #inTurn(bytes: number, signal: AbortSignal): Promise<void> {
    for (const reads of this.#reads) {
      reads.spend('bytes', bytes)
      const { holdMs } = reads.settle() ?? {}
      if (holdMs !== undefined) await pause(this.#context.clock, holdMs, signal)
    }
  }

  async #send(seek: Seek, labels: Record<string, string>): Promise<void> {
    const { chain, info, access, signal } = seek
    const range = seekRange(info, chain.height())
    let sent = 0
    for await (const bytes of blocksOf(chain, info, range, signal)) {
      await this.#inTurn(bytes.length + readCost, signal)
      await access.check()
      const content =
        info.contentType === ContentType.HEADER_WITH_SIG ? headerWithSignatures(bytes) : bytes
      if (!this.#writer.write(blockResponse(content))) {
        await this.#writer.room(signal)
        if (signal.aborted) throw unavailable(signal.reason)
      }
      this.#context.metrics?.blocksSent.add(1, labels)
      sent++
    }
    const asked = range.stop - range.start + 1n
    if (BigInt(sent) !== asked) throw unavailable(signal.reason)
  }
}

/** The blocks of `range`; ends early when `signal` says so. */
async function* blocksOf(
  chain: Chain,
  info: orderer.SeekInfo,
  { start, stop }: SeekRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (info.behavior === Behavior.FAIL_IF_NOT_READY) {
    for (let number = start; number <= stop && !signal.aborted; number++) {
      const bytes = number < chain.height() ? await chain.block(number) : undefined
      if (!bytes) throw new OrdererError('ORDERER_NOT_FOUND', `no block ${String(number)} yet`)
      yield bytes
    }
    return
  }
  let number = start
  try {
    for await (const bytes of chain.follow(start, { signal })) {
      yield bytes
      if (number === stop) return
      number++
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

function decodeSeekInfo(bytes: Uint8Array): orderer.SeekInfo {
  try {
    return decode(orderer.SeekInfoSchema, bytes)
  } catch (error) {
    throw badRequest('malformed seek info', error)
  }
}

function unavailable(cause: unknown): OrdererError {
  return new OrdererError(
    'ORDERER_UNAVAILABLE',
    'the chain or its server is stopping, or the chain cannot order',
    {
      cause,
    },
  )
}
