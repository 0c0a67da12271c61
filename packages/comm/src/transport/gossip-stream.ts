import type { ClientDuplexStream, ServerDuplexStream, ServiceError } from '@grpc/grpc-js'
import { status } from '@grpc/grpc-js'

/** How a stream ended. */
export interface StreamEnd {
  /** The status text or the socket's error; undefined when it ended well. */
  readonly reason: string | undefined
  /** The accepting side ended it with the status that stands for a refusal, UNKNOWN. */
  readonly refused?: boolean
}

/** What happens on a {@link GossipStream}. Frames come only while it is not paused. */
export interface StreamEvents {
  onFrame(bytes: Buffer): void
  /** There is room to write again. */
  onDrain(): void
  /** The remote side has sent its last frame; ours may still go. */
  onRemoteDone(): void
  /** Nothing can be written any more. Frames that came before may still be handed out. */
  onOver(end: StreamEnd): void
}

/** What differs between the two sides of a stream. */
interface Side {
  readonly certificate: () => Uint8Array | undefined
  readonly abort: (reason: string | undefined) => void
  readonly wire?: DialledWire
}

/** What a dialled stream runs over. */
export interface DialledWire {
  /** Resolves when the other side answers over the same TCP connection, whatever it says. */
  ping(signal: AbortSignal): Promise<void>
  /** Lets the TCP connection go, once all is written. Harmless twice. */
  close(): void
  /** Cuts it. */
  destroy(): void
}

type Call = ClientDuplexStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>

/** The longest reason that goes into a status; it travels in an HTTP/2 header. */
const longestReason = 1000

const nobody: StreamEvents = {
  onFrame: () => undefined,
  onDrain: () => undefined,
  onRemoteDone: () => undefined,
  onOver: () => undefined,
}

/**
 * One gossip stream, of whichever side: the differences between a client's and a server's call of
 * grpc-js end here.
 */
export class GossipStream {
  readonly #call: Call
  readonly #side: Side
  #events = nobody
  #over: StreamEnd | undefined

  private constructor(call: Call, side: Side) {
    this.#call = call
    this.#side = side
    call.on('drain', () => this.#events.onDrain())
    call.on('end', () => this.#events.onRemoteDone())
    call.on('error', ({ message, code }: Partial<ServiceError>) =>
      this.#end({ reason: message ?? 'it broke', refused: code === status.UNKNOWN }),
    )
  }

  /** The accepting side. */
  static accepted(call: ServerDuplexStream<Buffer, Buffer>): GossipStream {
    // Read now: when the socket is gone, so is its certificate.
    const certificate = call.getAuthContext().sslPeerCertificate?.raw
    const stream = new GossipStream(call, {
      certificate: () => certificate,
      abort: (reason = 'closed') => {
        // grpc-js makes the status of the call from an 'error'; UNKNOWN is what Go answers.
        const details = Buffer.from(reason).toString().slice(0, longestReason)
        call.emit('error', { code: status.UNKNOWN, details, message: details })
      },
    })
    // grpc-js does not say which of both it was.
    const cancelled = 'the remote side cancelled the stream, or sent a frame longer than allowed'
    call.on('cancelled', () => stream.#end({ reason: cancelled }))
    call.on('close', () => stream.#end({ reason: undefined }))
    return stream
  }

  /** The dialling side; closes `wire` when it is over. */
  static dialled(call: ClientDuplexStream<Buffer, Buffer>, wire: DialledWire): GossipStream {
    const stream = new GossipStream(call, {
      certificate: () => call.getAuthContext()?.sslPeerCertificate?.raw,
      abort: () => call.cancel(),
      wire,
    })
    call.on('status', ({ code, details }) => {
      wire.close()
      stream.#end({ reason: code === status.OK ? undefined : details })
    })
    return stream
  }

  /** Address of the remote socket. */
  get endpoint(): string {
    return this.#call.getPeer()
  }

  /**
   * DER of the certificate that the remote side presented to TLS and that TLS verified. On the
   * dialling side there is none before the first frame.
   */
  get remoteCertificate(): Uint8Array | undefined {
    return this.#side.certificate()
  }

  /** From now on events go to `events`; the first time, frames begin to come. */
  attach(events: StreamEvents): void {
    const first = this.#events === nobody
    this.#events = events
    if (first) this.#call.on('data', (bytes: Buffer) => this.#events.onFrame(bytes))
    if (this.#over !== undefined) events.onOver(this.#over)
  }

  /** False: wait for `onDrain` before the next one. */
  write(bytes: Buffer): boolean {
    return this.#call.write(bytes)
  }

  /** No more frames until `resume`. */
  pause(): void {
    this.#call.pause()
  }

  resume(): void {
    this.#call.resume()
  }

  /** No more frames from us; what was written still goes out. A server's stream is then over. */
  finish(): void {
    this.#call.end()
  }

  /** Ends the stream. @param reason - what a dialling remote side gets as status text */
  abort(reason?: string): void {
    if (this.#over === undefined) this.#side.abort(reason)
  }

  /** Only who dialled can ping. */
  get canPing(): boolean {
    return this.#side.wire !== undefined
  }

  /** See {@link DialledWire.ping}. */
  ping(signal: AbortSignal): Promise<void> {
    return this.#side.wire?.ping(signal) ?? Promise.resolve()
  }

  /** Ends the stream with its TCP connection: nobody is at the other end any more. */
  destroy(): void {
    this.abort()
    this.#side.wire?.destroy()
  }

  #end(end: StreamEnd): void {
    if (this.#over !== undefined) return
    this.#over = end
    this.#events.onOver(end)
  }
}
