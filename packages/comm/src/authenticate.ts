import type { Clock } from '@heddle/interface'
import { abortable, within } from './deadline.ts'
import { CommError } from './errors.ts'
import type { GossipStream } from './gossip-stream.ts'
import { certificateHash, checkConnectionMessage, connectionMessage } from './handshake.ts'
import type { Introduced, Introduction } from './handshake.ts'
import type { PeerMapper } from './ports.ts'

/** What both sides of a handshake need. */
export interface Authentication {
  readonly stream: GossipStream
  readonly introduction: Introduction
  readonly mapper: PeerMapper
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * The handshake, the same on both sides: introduce yourself at once, wait for the other's
 * introduction, judge it. The stream is paused after the first frame.
 *
 * @throws {CommError} a handshake code; the caller ends the stream
 * @see fabric v3.1 gossip/comm/comm_impl.go authenticateRemotePeer
 */
export async function authenticate(authentication: Authentication): Promise<Introduced> {
  const { stream, introduction, mapper } = authentication
  stream.write(connectionMessage(introduction, (payload) => mapper.sign(payload)).bytes)
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
        onOver: ended,
      })
    }),
  )
}
