import type { Clock } from '@heddle/interface'
import { abortable, within } from '../deadline.ts'
import { CommError } from '../errors.ts'
import type { GossipStream } from '../transport/gossip-stream.ts'
import { certificateHash, checkConnectionMessage, connectionMessage } from './handshake.ts'
import type { Introduced, Introduction } from './handshake.ts'
import type { PeerMapper } from '../ports.ts'

/** What it takes to hear and judge the other side. */
export interface Authentication {
  readonly stream: GossipStream
  readonly mapper: PeerMapper
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Sends this node's introduction. Who accepts a stream does so at once, as Fabric does; who opened
 * it, when it has heard who is there: then it knows whether it wants a connection or says it probed.
 */
export function introduce(
  stream: GossipStream,
  introduction: Introduction,
  mapper: PeerMapper,
): void {
  stream.write(connectionMessage(introduction, (payload) => mapper.sign(payload)).bytes)
}

/**
 * Waits for the other's introduction and judges it. The stream is paused after the first frame.
 *
 * @throws {CommError} a handshake code; the caller ends the stream
 * @see fabric v3.1 gossip/comm/comm_impl.go authenticateRemotePeer
 */
export async function hearIntroduction(authentication: Authentication): Promise<Introduced> {
  const { stream, mapper } = authentication
  const frame = await firstFrame(authentication)
  const certificate = stream.remoteCertificate
  if (certificate === undefined) throw noCertificate()
  const remote = { address: stream.endpoint, certificateHash: certificateHash(certificate) }
  return checkConnectionMessage(frame, remote, mapper)
}

/** The remote side presented no certificate that TLS could verify. */
export function noCertificate(): CommError {
  return new CommError('COMM_NO_TLS_CERTIFICATE', 'no TLS certificate')
}

function firstFrame({ stream, clock, timeoutMs, signal }: Authentication): Promise<Buffer> {
  const onTimeout = (): CommError =>
    new CommError(
      'COMM_HANDSHAKE_TIMEOUT',
      `timed out waiting for connection message from ${stream.endpoint}`,
    )
  return within({ clock, timeoutMs, signal, onTimeout }, (timely) =>
    abortable(timely, (resolve, reject) => {
      const ended = (reason = 'the stream ended'): void =>
        reject(new CommError('COMM_REFUSED_BY_PEER', `refused by ${stream.endpoint}: ${reason}`))
      stream.attach({
        onFrame(bytes) {
          stream.pause()
          resolve(bytes)
        },
        onDrain: () => undefined,
        onRemoteDone: () => ended(),
        onOver: ({ reason }) => ended(reason),
      })
    }),
  )
}
