import { Metadata } from '@grpc/grpc-js'
import { signedEnvelope, tlsCertificateHash } from '@heddle/deliver'
import { common, readerMetadataKey } from '@heddle/proto'
import type { ClientTls, EnvelopeSigner } from '@heddle/deliver'
import type { Clock } from '@heddle/interface'

/** An envelope is sent for so long, in milliseconds: below any time window that validators have. */
export const signAgainMs = 5_000

/** What a {@link ReaderEnvelope} signs, and with what. */
export interface ReaderEnvelopeDeps {
  readonly channelId: string
  readonly signer: EnvelopeSigner
  /** What the client shows to TLS: the envelope is good with it alone. */
  readonly tls: ClientTls
  readonly clock: Clock
}

/** What a client shows to validators with each question: that it may read the channel. */
export class ReaderEnvelope {
  readonly #deps: ReaderEnvelopeDeps
  #last: { readonly metadata: Promise<Metadata>; readonly until: number } | undefined

  constructor(deps: ReaderEnvelopeDeps) {
    this.#deps = deps
  }

  /**
   * Metadata for a call of `heddle.Query`, signed a few seconds ago at most.
   * @throws {DeliverError} DELIVER_SIGNER_NOT_VALID when the signer's certificate has expired
   */
  metadata(): Promise<Metadata> {
    const now = this.#deps.clock.now()
    if (this.#last === undefined || now >= this.#last.until)
      this.#last = { metadata: this.#sign(), until: now + signAgainMs }
    return this.#last.metadata
  }

  async #sign(): Promise<Metadata> {
    const { tls, ...rest } = this.#deps
    const { bytes } = await signedEnvelope({
      ...rest,
      type: common.HeaderType.DELIVER_SEEK_INFO,
      data: new Uint8Array(),
      withTxId: false,
      tlsCertHash: tlsCertificateHash(tls),
    })
    const metadata = new Metadata()
    metadata.set(readerMetadataKey, Buffer.from(bytes))
    return metadata
  }
}
