import { constants } from 'node:http2'
import { ListenerError } from './errors.ts'
import { streamOf } from './grpc-inside.ts'
import { MessageMeter } from './message-meter.ts'

/**
 * Bounds of {@link UnfinishedMessages}, 1 or more: bytes that came of messages that are not whole, and 256
 * for each part in which they came.
 */
export interface UnfinishedBounds {
  /** Most of one sender: no message of it can be longer. */
  readonly maxBytesEach: number
  /** Most of all: beyond, whoever has most gives way. `Infinity`: no such bound. */
  readonly maxBytes: number
}

/** A message that has begun to come, of one call. */
interface Unfinished {
  bytes: number
  readonly end: (reason: string) => void
}

/** What the messages of one sender hold. */
interface Sender {
  bytes: number
  readonly messages: Set<Unfinished>
}

/**
 * Bounds the bytes of messages that have begun to come and are not whole: grpc-js keeps them, and tells
 * nobody before the last one is there.
 */
export class UnfinishedMessages {
  readonly #bounds: UnfinishedBounds
  readonly #senders = new Map<string, Sender>()
  #bytes = 0

  /** @throws {ListenerError} LISTENER_INVALID_OPTIONS */
  constructor(bounds: UnfinishedBounds) {
    for (const name of ['maxBytesEach', 'maxBytes'] as const)
      if (!(bounds[name] >= 1)) throw invalid(name, bounds[name])
    this.#bounds = bounds
  }

  /** Bytes that count now. */
  get bytes(): number {
    return this.#bytes
  }

  /** A message of this sender holds so many bytes now; 0 when it is whole, or its call has ended. */
  hold(sender: string, message: Unfinished, bytes: number): void {
    const { maxBytesEach, maxBytes } = this.#bounds
    this.#count(sender, message, bytes)
    const held = this.#senders.get(sender)?.bytes ?? 0
    if (held > maxBytesEach) {
      this.#count(sender, message, 0)
      message.end(`incomplete messages of this sender hold more than ${maxBytesEach} bytes`)
    }
    if (this.#bytes > maxBytes)
      this.#makeRoom(`incomplete messages hold ${maxBytes} bytes, most of them from this sender`)
  }

  #makeRoom(reason: string): void {
    const [most] = [...this.#senders].sort(([, a], [, b]) => b.bytes - a.bytes)
    if (most === undefined) return
    const [sender, { messages }] = most
    for (const message of [...messages]) {
      this.#count(sender, message, 0)
      message.end(reason)
    }
  }

  #count(key: string, message: Unfinished, bytes: number): void {
    const sender = this.#senders.get(key) ?? { bytes: 0, messages: new Set() }
    const more = bytes - message.bytes
    message.bytes = bytes
    sender.bytes += more
    this.#bytes += more
    if (bytes > 0) sender.messages.add(message)
    else sender.messages.delete(message)
    if (sender.messages.size > 0) this.#senders.set(key, sender)
    else this.#senders.delete(key)
  }
}

/** For whom a message counts, and where. */
export interface Account {
  readonly of: UnfinishedMessages
  readonly sender: string
}

/**
 * Counts what comes over a call of a server that begins, and resets it when it is too much.
 *
 * @param first - for whom its first message counts
 * @param others - for whom all that follow it do
 * @param onRefused - told why, before the call is reset
 */
export function boundIncoming(
  call: unknown,
  { first, others }: { readonly first: Account; readonly others: Account },
  onRefused: (reason: string) => void,
): void {
  const stream = streamOf(call)
  if (stream === undefined) return
  let isOver = false
  const message: Unfinished = {
    bytes: 0,
    end: (reason) => {
      isOver = true
      onRefused(reason)
      stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    },
  }
  const meter = new MessageMeter()
  let account = first
  stream.on('data', (part: Buffer) => {
    if (isOver) return
    meter.take(part)
    if (account === first && meter.messages > 0) {
      first.of.hold(first.sender, message, 0)
      account = others
    }
    account.of.hold(account.sender, message, meter.held)
  })
  stream.once('close', () => {
    isOver = true
    account.of.hold(account.sender, message, 0)
  })
}

function invalid(name: string, value: number): ListenerError {
  return new ListenerError('LISTENER_INVALID_OPTIONS', `${name} must be 1 or more, not ${value}`)
}
