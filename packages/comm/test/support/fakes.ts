import { Budget } from '@heddle/events'
import { VirtualClock } from '@heddle/events/testing'
import { RecordingMetrics } from '@heddle/interface/testing'
import { commMetrics } from '../../src/metrics.ts'
import { Connection, framesPerLook } from '../../src/connections/connection.ts'
import type { ConnectionEnd, ConnectionHost } from '../../src/connections/connection.ts'
import type { GossipStream, StreamEvents } from '../../src/transport/gossip-stream.ts'
import type { ConnectionInfo, ReceivedMessage } from '../../src/index.ts'

/** A stream without a network, that a test drives by hand. */
export class FakeStream {
  readonly endpoint = '127.0.0.1:1'
  readonly written: Buffer[] = []
  events: StreamEvents | undefined
  /** What `write` answers. */
  roomy = true
  paused = true
  finished = false
  aborted: string | undefined

  attach(events: StreamEvents): void {
    this.events = events
  }
  write(bytes: Buffer): boolean {
    this.written.push(bytes)
    return this.roomy
  }
  pause(): void {
    this.paused = true
  }
  resume(): void {
    this.paused = false
  }
  finish(): void {
    this.finished = true
  }
  abort(reason = ''): void {
    this.aborted = reason
  }
}

export interface FakeHost extends ConnectionHost {
  readonly clock: VirtualClock
  readonly floods: ConnectionInfo[]
  readonly over: Connection[]
  readonly ends: ConnectionEnd[]
  readonly recorded: RecordingMetrics
  handle: (message: ReceivedMessage) => Promise<unknown> | undefined
}

export function fakeHost(limits: Partial<Omit<ConnectionHost, 'clock'>> = {}): FakeHost {
  const recorded = new RecordingMetrics()
  const clock = new VirtualClock()
  const floods: ConnectionInfo[] = []
  const over: Connection[] = []
  const ends: ConnectionEnd[] = []
  return {
    clock,
    floods,
    metrics: commMetrics(recorded),
    refusals: { refused: () => undefined },
    sendBufferSize: 2,
    recvBufferSize: 2,
    maxMessageBytes: 1000,
    maxWaitingBytes: 1000,
    recorded,
    over,
    ends,
    handle: () => undefined,
    dispatch(message) {
      return this.handle(message)
    },
    onAck: () => undefined,
    budgetOf: () =>
      new Budget(clock, {
        limits: { frames: { perSecond: 100, burst: 2 * framesPerLook } },
        maxHeldMs: 1_000,
      }),
    onFlood: (info) => floods.push(info),
    onOver: (connection, end) => {
      over.push(connection)
      ends.push(end)
    },
    ...limits,
  }
}

/** A connection over a {@link FakeStream} with the peer whose PKI-ID is one byte. */
export function fakeConnection(
  host: FakeHost,
  about: { pkiId?: number; dialled?: boolean; establishedAt?: number } = {},
): { connection: Connection; stream: FakeStream } {
  const stream = new FakeStream()
  const info = {
    pkiId: Uint8Array.of(about.pkiId ?? 7),
    identity: new Uint8Array(),
    endpoint: stream.endpoint,
    auth: { signedData: new Uint8Array(), signature: new Uint8Array() },
  }
  const { dialled = true, establishedAt = 0 } = about
  const connection = new Connection(
    stream as unknown as GossipStream,
    { info, dialled, establishedAt },
    host,
  )
  stream.attach(connection)
  connection.start()
  return { connection, stream }
}
