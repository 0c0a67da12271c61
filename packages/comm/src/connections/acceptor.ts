import type { ResolvedCommDeps } from '../deps.ts'
import { CommError, reasonOf } from '../errors.ts'
import { hearIntroduction, introduce, noCertificate } from '../handshake/authenticate.ts'
import type { Introduced } from '../handshake/handshake.ts'
import type { ResolvedCommOptions } from '../options.ts'
import type { GossipServer } from '../transport/gossip-server.ts'
import type { GossipStream } from '../transport/gossip-stream.ts'
import type { ConnectionInfo } from '../types.ts'

/** What an {@link Acceptor} needs from the comm. */
export interface AcceptorHost {
  readonly ownPkiId: Uint8Array
  readonly server: Pick<GossipServer, 'settle' | 'refused'>
  /** Aborts when the comm stops. */
  readonly stopping: AbortSignal
  /** Keeps a connection over the stream. @throws {CommError} when the peer may have none */
  keep(stream: GossipStream, info: ConnectionInfo): void
}

/** Takes the streams that remote sides open: finds out who is there, and says whom it refused. */
export class Acceptor {
  readonly #deps: ResolvedCommDeps
  readonly #options: ResolvedCommOptions
  readonly #host: AcceptorHost

  constructor(deps: ResolvedCommDeps, options: ResolvedCommOptions, host: AcceptorHost) {
    this.#deps = deps
    this.#options = options
    this.#host = host
  }

  /** Takes a stream over which nobody has authenticated. Never rejects. */
  async accept(stream: GossipStream): Promise<void> {
    const { endpoint } = stream
    try {
      const { info, probe } = await this.#authenticate(stream)
      if (probe) {
        this.#deps.logger?.debug('peer probed us', { endpoint })
        stream.finish()
        return
      }
      this.#host.keep(stream, info)
      this.#host.server.settle(endpoint)
    } catch (error) {
      // A stop is nobody's fault, and no refusal.
      if (!this.#host.stopping.aborted) this.#refuse(endpoint, error)
      stream.abort(reasonOf(error))
    }
  }

  async #authenticate(stream: GossipStream): Promise<Introduced> {
    const { mapper, clock } = this.#deps
    const { ownPkiId: pkiId, stopping: signal } = this.#host
    if (signal.aborted) throw new CommError('COMM_STOPPED', 'shutting down')
    // Nothing is said to someone who cannot be bound to the TLS connection.
    if (stream.remoteCertificate === undefined) throw noCertificate()
    const { identity, connTimeoutMs: timeoutMs, tls } = this.#options
    const tlsCertHash = tls.server.certificateHash
    introduce(stream, { pkiId, identity, tlsCertHash, probe: false }, mapper)
    return hearIntroduction({ stream, mapper, clock, timeoutMs, signal })
  }

  #refuse(endpoint: string, error: unknown): void {
    const code = error instanceof CommError ? error.code : 'COMM_HANDSHAKE_FAILED'
    const reason = reasonOf(error)
    this.#deps.metrics.refusals.add(1, { code })
    // Then it was the other side that ended it, or the server has said already what it refused.
    if (code === 'COMM_REFUSED_BY_PEER') {
      this.#deps.logger?.debug('handshake broken off', { endpoint, reason })
    } else this.#host.server.refused(endpoint, 'handshake refused', { code, reason })
  }
}
