import type { ClientDuplexStream, ServerDuplexStream } from '@grpc/grpc-js'
import { status } from '@grpc/grpc-js'

/** Why a stream is over: undefined when it ended well, else the status text or the socket's error. */
export type StreamEnd = string | undefined

/** What happens on a {@link GossipStream}. Frames come only while it is not paused. */
export interface StreamEvents {
  onFrame(bytes: Buffer): void
  /** There is room to write again. */
  onDrain(): void
  /** The remote side has sent its last frame; ours may still go. */
  onRemoteDone(): void
  /** Nothing can be written any more. Frames that came before may still be handed out. */
  onOver(reason: StreamEnd): void
}

/** What differs between the two sides of a stream. */
interface Side {
  readonly certificate: () => Uint8Array | undefined
  readonly abort: (reason: string | undefined) => void
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
  #over: { readonly reason: StreamEnd } | undefined

  private constructor(call: Call, side: Side) {
    this.#call = call
    this.#side = side
    call.on('drain', () => this.#events.onDrain())
    call.on('end', () => this.#events.onRemoteDone())
    call.on('error', (error: Error) => this.#end(error.message))
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
    call.on('cancelled', () => stream.#end(cancelled))
    call.on('close', () => stream.#end(undefined))
    return stream
  }

  /** The dialling side. @param release - closes the channel of the call; called when it is over */
  static dialled(call: ClientDuplexStream<Buffer, Buffer>, release: () => void): GossipStream {
    const stream = new GossipStream(call, {
      certificate: () => call.getAuthContext()?.sslPeerCertificate?.raw,
      abort: () => call.cancel(),
    })
    call.on('status', ({ code, details }) => {
      release()
      stream.#end(code === status.OK ? undefined : details)
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
    if (this.#over !== undefined) events.onOver(this.#over.reason)
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

  #end(reason: StreamEnd): void {
    if (this.#over !== undefined) return
    this.#over = { reason }
    this.#events.onOver(reason)
  }
}
