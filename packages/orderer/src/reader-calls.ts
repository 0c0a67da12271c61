import { createHash } from 'node:crypto'
import { ServerInterceptingCall, status as grpcStatus } from '@grpc/grpc-js'
import type { Metadata, ServerInterceptor } from '@grpc/grpc-js'
import { BoundedMap } from '@heddle/events'
import { common, readerMetadataKey } from '@heddle/proto'
import { ReaderAccess } from './access.ts'
import { OrdererError, statusOf } from './errors.ts'
import { logRefused } from './refused-request.ts'
import { badRequest, decodeRequest } from './request.ts'
import { checkTimestamp, checkTlsBinding } from './request-checks.ts'
import type { ServiceContext } from './service-context.ts'

/** Client certificates whose right to read is remembered; beyond, the one judged longest ago is judged anew. */
export const maxReaders = 1000

/** For how long it is remembered, in milliseconds. */
export const readerMs = 60_000

const seekType: number = common.HeaderType.DELIVER_SEEK_INFO

type Call = Parameters<ServerInterceptor>[1]

/** What one client certificate has shown. */
interface Reader {
  readonly envelope: string
  /** When it is judged anew, on the clock's `now`. */
  readonly until: number
  readonly access: Promise<ReaderAccess>
}

/**
 * Lets calls through whose caller satisfies the channel's policy for readers. A signature is checked once
 * for a client certificate and envelope, and again after {@link readerMs} or when the channel's
 * configuration has changed; the end of the signer's certificate is looked at in every call.
 */
export class ReaderCalls {
  readonly #context: ServiceContext
  /** By client certificate; those that were judged longest ago come first. */
  readonly #readers = new BoundedMap<Reader>(maxReaders)

  constructor(context: ServiceContext) {
    this.#context = context
  }

  /** @param channels - by the path of a method: the channel that its callers must be readers of */
  interceptor(channels: ReadonlyMap<string, string>): ServerInterceptor {
    return ({ path }, call) => {
      const channel = channels.get(path)
      // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- grpc-js wants no more than the interface; a real one around the call would cost each message a detour
      if (channel === undefined) return call as ServerInterceptingCall
      return new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, pass) => {
              this.#check(call, metadata, channel).then(
                () => pass(metadata),
                (error: unknown) => this.#refuse(call, path, error),
              )
            },
          }),
      })
    }
  }

  async #check(call: Call, metadata: Metadata, channel: string): Promise<void> {
    const [bytes] = metadata.get(readerMetadataKey)
    if (!Buffer.isBuffer(bytes)) throw badRequest(`no envelope in ${readerMetadataKey}`)
    const { clock } = this.#context
    const { client } = this.#context.callerOf(call)
    const envelope = createHash('sha256').update(bytes).digest('base64')
    const known = this.#readers.get(client)
    const isKnown = known?.envelope === envelope && clock.now() < known.until
    const access = isKnown
      ? known.access
      : this.#remember(client, { envelope, bytes, channel }, call)
    await (await access).check()
  }

  #remember(
    client: string,
    { envelope, bytes, channel }: { envelope: string; bytes: Buffer; channel: string },
    call: Call,
  ): Promise<ReaderAccess> {
    const access = this.#judge(bytes, channel, call)
    const reader = { envelope, until: this.#context.clock.now() + readerMs, access }
    this.#readers.set(client, reader)
    access.catch(() => {
      if (this.#readers.get(client) === reader) this.#readers.delete(client)
    })
    return access
  }

  /** The checks of Deliver, in its order. */
  async #judge(bytes: Buffer, channel: string, call: Call): Promise<ReaderAccess> {
    const { channelHeader, signed } = decodeRequest(bytes)
    checkTimestamp(channelHeader, this.#context)
    checkTlsBinding(channelHeader, call, this.#context)
    if (channelHeader.channelId !== channel) throw badRequest('the envelope is for another channel')
    // Whoever is shown it could have one of another type ordered.
    if (channelHeader.type !== seekType)
      throw badRequest('the envelope is not of type DELIVER_SEEK_INFO')
    const chain = this.#context.chains(channel)
    if (!chain) throw new OrdererError('ORDERER_UNAVAILABLE', 'the channel is not served now')
    return ReaderAccess.open(chain, signed, this.#context.clock)
  }

  #refuse(call: Call, method: string, error: unknown): void {
    const status = statusOf(error, this.#context.options.statuses)
    const address = call.getPeer()
    logRefused(this.#context, 'call refused', { status, error, address, about: { method } })
    call.sendStatus(refusalOf(status, error))
  }
}

const { Status } = common

/** What a caller is told: why, and what to do. Of failures that are our own it learns nothing more. */
function refusalOf(status: common.Status, error: unknown): { code: grpcStatus; details: string } {
  const reason = error instanceof Error ? error.message : 'unknown error'
  switch (status) {
    case Status.BAD_REQUEST:
      return {
        code: grpcStatus.UNAUTHENTICATED,
        details:
          `${reason}: send in ${readerMetadataKey} an envelope of type DELIVER_SEEK_INFO, ` +
          'signed now for this channel, with the hash of your TLS certificate',
      }
    case Status.FORBIDDEN:
      return {
        code: grpcStatus.PERMISSION_DENIED,
        details: `${reason}: sign as a member whom /Channel/Readers admits`,
      }
    case Status.SERVICE_UNAVAILABLE:
      return { code: grpcStatus.UNAVAILABLE, details: reason }
    default:
      return { code: grpcStatus.INTERNAL, details: 'the right to read could not be checked' }
  }
}
