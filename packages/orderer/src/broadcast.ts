import { setMaxListeners } from 'node:events'
import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { Caller } from '@heddle/listener'
import { shown } from '@heddle/msp'
import { common, create, encode, orderer } from '@heddle/proto'
import { checkExpiry } from './access.ts'
import type { ClientWindow, WindowStream } from './client-window.ts'
import { OrdererError, isPassing, statusOf } from './errors.ts'
import type { Chain } from './ports.ts'
import { logRefused } from './refused-request.ts'
import { type SignedRequest, badRequest, decodeRequest } from './request.ts'
import type { ServiceContext } from './service-context.ts'

/** One envelope of a stream, from its arrival to its answer. */
interface Slot {
  readonly bytes: number
  /** Encoded `orderer.BroadcastResponse`, once there is one. */
  answer: Buffer | undefined
}

/** Types that only a consenter makes, or that are requests for other services. */
const notAccepted = new Set<number>([
  common.HeaderType.CONFIG,
  4, // ORDERER_TRANSACTION, deprecated
  common.HeaderType.DELIVER_SEEK_INFO,
])

function encodeAnswer(status: common.Status, info: string): Buffer {
  const schema = orderer.BroadcastResponseSchema
  return encode(schema, create(schema, { status, info }))
}

const { SERVICE_UNAVAILABLE } = common.Status

/** The answer to almost every envelope. */
const success = encodeAnswer(common.Status.SUCCESS, '')

/**
 * Serves one Broadcast stream: envelopes are worked on concurrently, up to the window, and
 * answered strictly in the order in which they came.
 *
 * Reading pauses while the window is full, or that of all streams of the client or of its organisation, so a client that sends
 * more, or reads no answers, is held up by HTTP/2 flow control and nobody else is.
 */
export class BroadcastStream implements WindowStream {
  readonly #call: ServerDuplexStream<Buffer, Buffer>
  readonly #context: ServiceContext
  /** Of its client, and of that one's organisation. */
  readonly #windows: readonly ClientWindow[]
  readonly #caller: Caller
  readonly #gone = new AbortController()
  readonly #slots: Slot[] = []
  #bytes = 0
  #blocked = false
  #ended = false
  #closed = false
  #resumes = true

  constructor(
    call: ServerDuplexStream<Buffer, Buffer>,
    context: ServiceContext,
    windows: readonly ClientWindow[],
  ) {
    this.#call = call
    this.#context = context
    this.#windows = windows
    this.#caller = context.callerOf(call)
    setMaxListeners(0, this.#gone.signal) // one for each envelope under way
  }

  /** Begins to serve. `onClose` is called once, when the stream has ended for either side. */
  serve(onClose: () => void): void {
    const call = this.#call
    call.on('data', (bytes: Buffer) => this.#receive(bytes))
    for (const window of this.#windows) window.open(this)
    call.on('end', () => this.finish())
    call.on('drain', () => {
      this.#blocked = false
      this.#flush()
    })
    call.on('error', () => this.#gone.abort()) // 'close' follows; the client has left
    call.on('cancelled', () => this.#gone.abort())
    call.on('close', () => {
      this.#gone.abort()
      this.#leave()
      onClose()
    })
  }

  /** Takes no more envelopes; ends the stream when the last one under way is answered. */
  finish(): void {
    this.#ended = true
    this.#resumes = false
    this.pause()
    this.#flush()
  }

  pause(): void {
    this.#call.pause()
  }

  readOn(): void {
    if (!this.#resumes || !this.#call.isPaused() || this.#isFull()) return
    const full = this.#windows.find(({ isFull }) => isFull)
    if (full === undefined) this.#call.resume()
    else full.await(this)
  }

  #receive(bytes: Buffer): void {
    if (this.#ended) return
    const slot: Slot = { bytes: bytes.length, answer: undefined }
    this.#slots.push(slot)
    this.#bytes += bytes.length
    for (const window of this.#windows) window.take(bytes.length)
    if (this.#isFull()) this.pause()
    void this.#process(bytes).then((answer) => {
      slot.answer = answer
      if (this.#closed) this.#release(slot.bytes)
      else if (this.#slots[0] === slot) this.#flush()
    })
  }

  #isFull(): boolean {
    const { broadcastWindow, broadcastWindowBytes } = this.#context.options
    return this.#slots.length >= broadcastWindow || this.#bytes >= broadcastWindowBytes
  }

  /** What was answered and never sent is over; what the chain still has counts until it lets go of it. */
  #leave(): void {
    this.#closed = true
    for (const window of this.#windows) window.close(this)
    for (const { answer, bytes } of this.#slots.splice(0))
      if (answer !== undefined) this.#release(bytes)
  }

  #release(bytes: number): void {
    for (const window of this.#windows) window.release(bytes)
  }

  /** Sends the answers at the head of the queue that are ready, as far as the client reads. */
  #flush(): void {
    let sent = 0
    while (!this.#blocked && !this.#gone.signal.aborted) {
      const slot = this.#slots[sent]
      if (slot?.answer === undefined) break
      sent++
      this.#bytes -= slot.bytes
      this.#blocked = !this.#call.write(slot.answer)
    }
    for (const { bytes } of this.#slots.splice(0, sent)) this.#release(bytes)
    if (this.#ended && this.#slots.length === 0) this.#call.end()
    else this.readOn()
  }

  async #process(bytes: Buffer): Promise<Buffer> {
    const { clock, metrics, options } = this.#context
    const began = clock.now()
    const about = { channel: '', type: '' }
    let status = common.Status.SUCCESS
    let info = ''
    try {
      await this.#order(bytes, about)
    } catch (error) {
      // Nobody refused it: its client has left, and gets no answer.
      const isAbandoned = error === this.#gone.signal.reason
      status = isAbandoned ? SERVICE_UNAVAILABLE : statusOf(error, options.statuses)
      info = error instanceof Error ? error.message : 'unknown error'
      if (!isPassing(status)) for (const window of this.#windows) window.refused()
      const address = this.#call.getPeer()
      logRefused(this.#context, 'broadcast refused', { status, error, address, about })
    }
    const labels = { ...about, status: common.Status[status] }
    metrics?.processed.add(1, labels)
    metrics?.enqueueDuration.observe((clock.now() - began) / 1000, labels)
    return status === common.Status.SUCCESS ? success : encodeAnswer(status, info)
  }

  async #order(bytes: Buffer, about: { channel: string; type: string }): Promise<void> {
    const { options } = this.#context
    if (bytes.length > options.maxEnvelopeBytes) {
      throw new OrdererError(
        'ORDERER_TOO_LARGE',
        `message is ${bytes.length} bytes and exceeds the maximum of ${options.maxEnvelopeBytes}`,
      )
    }
    const request = decodeRequest(bytes)
    const chain = this.#chainOf(request)
    about.channel = chain.channelId
    about.type = common.HeaderType[request.channelHeader.type] ?? 'UNKNOWN'
    if (notAccepted.has(request.channelHeader.type)) {
      throw badRequest(`message of type ${about.type} cannot be processed directly`)
    }
    checkExpiry(await chain.authorize('write', request.signed), this.#context.clock)
    const errored = chain.errored?.()
    if (errored?.aborted) {
      throw new OrdererError('ORDERER_UNAVAILABLE', 'the chain cannot order now', {
        cause: errored.reason,
      })
    }
    await chain.submit(request.envelope, {
      signal: this.#gone.signal,
      givenBy: this.#caller.client,
      organization: this.#caller.organization,
    })
  }

  #chainOf({ channelHeader }: SignedRequest): Chain {
    const chain = this.#context.chains(channelHeader.channelId)
    if (chain) return chain
    // Fabric's v3 says BAD_REQUEST here, and NOT_FOUND in Deliver only.
    throw badRequest(`channel ${shown(channelHeader.channelId)} does not exist`)
  }
}
