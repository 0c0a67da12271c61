import { RingQueue } from '@heddle/events'
import type { Budget } from '@heddle/events'
import type { Clock, ClockTimer } from '@heddle/interface'
import type { RefusalLog } from '@heddle/listener'
import type { gossip } from '@heddle/proto'
import { CommError } from '../errors.ts'
import type { GossipStream, StreamEnd } from '../transport/gossip-stream.ts'
import { decodeFrame, encodeMessage } from '../messages/message.ts'
import type { CommMetrics } from '../metrics.ts'
import { AuthenticatedMessage } from '../messages/received-message.ts'
import { SendQueue } from '../queues/send-queue.ts'
import type { QueueLimits } from '../queues/send-queue.ts'
import type { ConnectionInfo, ReceivedMessage } from '../types.ts'

/** What a {@link Connection} needs from the comm it belongs to. */
export interface ConnectionHost {
  readonly clock: Clock
  readonly metrics: CommMetrics
  readonly refusals: Pick<RefusalLog, 'refused'>
  readonly sendBufferSize: number
  readonly recvBufferSize: number
  readonly maxMessageBytes: number
  readonly maxWaitingBytes: number
  /** Takes an acknowledgement; it goes no further. */
  onAck(info: ConnectionInfo, nonce: bigint, ack: gossip.Acknowledgement): void
  /** Hands a message on. A promise holds back the connection's next message. */
  dispatch(message: ReceivedMessage): Promise<unknown> | undefined
  /** What the peer may cost. */
  budgetOf(info: ConnectionInfo): Budget<'frames'>
  /** The peer was not read for so long that it is to have no connection for a while. */
  onFlood(info: ConnectionInfo): void
  /** The connection cannot send any more. Called once, also after `close`. */
  onOver(connection: Connection, end: ConnectionEnd): void
}

/** The budget of a peer is looked at each time that so many frames have come. */
export const framesPerLook = 64

/** How a connection ended. */
export interface ConnectionEnd extends StreamEnd {
  /** Whether this node ended it. Then what the transport says about it is of no interest. */
  readonly endedBy: 'us' | 'them'
}

/**
 * An authenticated stream with a queue on either side: one writer that waits for the transport, one
 * reader that stops reading while its queue is full.
 */
export class Connection {
  readonly info: ConnectionInfo
  /** Whether this node opened it. */
  readonly dialled: boolean
  /** When it was authenticated, on the clock's `now`. */
  readonly establishedAt: number
  readonly #stream: GossipStream
  readonly #host: ConnectionHost
  readonly #outgoing: SendQueue
  readonly #incoming: RingQueue<AuthenticatedMessage>
  #incomingBytes = 0
  // Of the frames that were not looked at yet.
  #frames = 0
  readonly #budget: Budget<'frames'>
  // Runs while the peer is not read because of its budget.
  #hold: ClockTimer | undefined
  #paused = false
  // A handler has not finished with the last message.
  #busy = false
  #writing = false
  #blocked = false
  #state: 'open' | 'finishing' | 'over' = 'open'
  // Why this node ends it; what follows is no fault of the other side.
  #endedHere: string | undefined
  // Frames that still come are thrown away.
  #deaf = false
  #heardAt: number
  #heard = false

  constructor(
    stream: GossipStream,
    about: { info: ConnectionInfo; dialled: boolean; establishedAt: number },
    host: ConnectionHost,
  ) {
    this.info = about.info
    this.dialled = about.dialled
    this.establishedAt = about.establishedAt
    this.#stream = stream
    this.#host = host
    this.#heardAt = host.clock.now()
    this.#budget = host.budgetOf(about.info)
    this.#incoming = new RingQueue(host.recvBufferSize)
    this.#outgoing = new SendQueue({ ...queueLimits(host), open: true }, () => this.#write())
  }

  /** Whether messages can be sent. */
  get open(): boolean {
    return this.#state === 'open'
  }

  /** Whether a frame has come: then the peer has accepted us. */
  get heard(): boolean {
    return this.#heard
  }

  /** When the last frame came, on the clock's `now`. */
  get heardAt(): number {
    return this.#heardAt
  }

  /** Everything that goes out passes here, in order. */
  get outgoing(): SendQueue {
    return this.#outgoing
  }

  /** Takes the stream's next frames; it was paused after the first. */
  start(): void {
    this.#stream.resume()
  }

  // The stream's events, see StreamEvents.

  onFrame(bytes: Buffer): void {
    this.#host.metrics.received.add(1)
    this.#heardAt = this.#host.clock.now()
    this.#heard = true
    if (this.#deaf) return
    this.#frames += 1
    if (this.#frames >= framesPerLook) this.#settle()
    let message: AuthenticatedMessage
    try {
      message = new AuthenticatedMessage(decodeFrame(bytes), this)
    } catch (error) {
      this.#malformed(error as CommError)
      return
    }
    const { content, nonce } = message.message
    if (content.case === 'ack') {
      this.#host.onAck(this.info, nonce, content.value)
      return
    }
    if (this.#busy) this.#keep(message)
    else this.#handle(message)
  }

  onDrain(): void {
    this.#blocked = false
    this.#write()
  }

  onRemoteDone(): void {
    // A dialled stream is about to be over; an accepted one is ours to end, after what is queued.
    if (!this.dialled) this.#finish()
  }

  onOver(theirs: StreamEnd): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#hold?.cancel()
    const end: ConnectionEnd =
      this.#endedHere === undefined
        ? { ...theirs, endedBy: 'them' }
        : { reason: this.#endedHere, endedBy: 'us' }
    const why = end.reason ?? 'the remote side ended the stream'
    const error = new CommError('COMM_CLOSED', `connection to ${this.info.endpoint}: ${why}`)
    // First, because what is queued may go to another connection with the same peer.
    this.#host.onOver(this, end)
    this.#host.metrics.undeliverable.add(this.#outgoing.close(error))
  }

  /** Takes no more messages; ends the stream when the queue is written. @param reason - for us */
  finish(reason = 'ended here'): void {
    if (this.#state === 'open') this.#endedHere = reason
    this.#finish()
  }

  /** Ends the connection now. @param reason - what a dialling remote side is told */
  close(reason?: string): void {
    this.#hush()
    if (this.#state === 'over') return
    this.#endedHere ??= reason ?? 'ended here'
    this.#stream.abort(reason)
    this.onOver({ reason })
  }

  #finish(): void {
    if (this.#state !== 'open') return
    this.#state = 'finishing'
    this.#write()
  }

  /** Sends a message back, waiting for room. */
  respond(message: gossip.GossipMessage): Promise<void> {
    return this.#outgoing.push(encodeMessage(message).bytes)
  }

  #write(): void {
    if (this.#writing || this.#blocked || this.#state === 'over') return
    this.#writing = true
    let more = true
    while (more) {
      const bytes = this.#outgoing.take()
      if (bytes === undefined) break
      more = this.#stream.write(bytes)
      this.#host.metrics.sent.add(1)
    }
    this.#blocked = !more
    this.#writing = false
    if (this.#state === 'finishing' && this.#outgoing.size === 0) this.#stream.finish()
  }

  get #mayHandle(): boolean {
    return !this.#busy
  }

  #handle(message: AuthenticatedMessage): void {
    const pending = this.#host.dispatch(message)
    if (pending === undefined) return
    this.#busy = true
    void pending.then(() => this.#continue())
  }

  #continue(): void {
    this.#busy = false
    let message = this.#incoming.shift()
    while (message !== undefined) {
      this.#incomingBytes -= message.envelope.bytes.length
      this.#handle(message)
      message = this.#mayHandle ? this.#incoming.shift() : undefined
    }
    if (this.#paused && this.#incoming.size === 0) {
      this.#paused = false
      this.#resume()
    }
  }

  #settle(): void {
    this.#budget.spend('frames', this.#frames)
    this.#frames = 0
    const overdraft = this.#budget.settle()
    if (overdraft === undefined) return
    this.#stream.pause()
    this.#hold?.cancel()
    this.#hold = this.#host.clock.schedule(overdraft.holdMs, () => {
      this.#hold = undefined
      this.#resume()
    })
    if (overdraft.isExceeded) this.#host.onFlood(this.info)
  }

  #resume(): void {
    if (!this.#paused && this.#hold === undefined) this.#stream.resume()
  }

  #keep(message: AuthenticatedMessage): void {
    // The stream is paused as soon as the queue is full, so there is always room for one more.
    this.#incoming.push(message)
    this.#incomingBytes += message.envelope.bytes.length
    const full =
      this.#incoming.size >= this.#incoming.capacity ||
      this.#incomingBytes >= this.#host.maxMessageBytes
    if (!full || this.#paused) return
    this.#paused = true
    this.#stream.pause()
  }

  #malformed(error: CommError): void {
    this.#host.metrics.refusals.add(1, { code: error.code })
    const fields = { address: this.info.endpoint, reason: error.message }
    this.#host.refusals.refused('undecodable message', fields)
    this.#fail(error.message)
  }

  /** The other side is at fault: it is lost, and told why. */
  #fail(reason: string): void {
    this.#hush()
    this.#stream.abort(reason)
    this.onOver({ reason })
  }

  #hush(): void {
    this.#deaf = true
    this.#incoming.clear()
  }
}

/** The bounds of a queue of outgoing messages. */
export function queueLimits(options: {
  readonly sendBufferSize: number
  readonly maxMessageBytes: number
  readonly maxWaitingBytes: number
}): QueueLimits {
  const { sendBufferSize: capacity, maxMessageBytes: maxBytes, maxWaitingBytes } = options
  return { capacity, maxBytes, maxWaitingBytes }
}
