import { Client, credentials, status } from '@grpc/grpc-js'
import { messageOf } from '@heddle/interface'
import { create, grpcService, heddle } from '@heddle/proto'
import { ClientError } from './errors.ts'
import type { SecureContext } from 'node:tls'
import type { Metadata, MethodDefinition, ServiceError } from '@grpc/grpc-js'
import type { ReaderEnvelope } from './reader-envelope.ts'

const methods = grpcService(heddle.Query)

/** Longest message of an answer. */
const maxMessageBytes = 100 * 1024 * 1024

/** How one question is asked. */
export interface AskOptions {
  /** How long the validator may take, in milliseconds. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** Where a validator is, and how it is reached. */
export interface ValidatorEndpoint {
  /** For people. */
  readonly name: string
  /** `host:port` of its services for clients. */
  readonly address: string
  /** The name in its TLS certificate, if it is not the host of `address`. */
  readonly serverName?: string
}

/** The Query service of one validator: what it says, nobody else has checked. */
export class ValidatorClient {
  readonly name: string
  /** What its clock said with its last answer: milliseconds since 1970, in whole seconds. */
  dateMs: number | undefined
  readonly #client: Client
  readonly #reader: ReaderEnvelope

  constructor(endpoint: ValidatorEndpoint, context: SecureContext, reader: ReaderEnvelope) {
    const { name, address, serverName } = endpoint
    this.name = name
    this.#reader = reader
    const ssl = credentials.createFromSecureContext(context)
    this.#client = new Client(address, ssl, {
      ...(serverName !== undefined && {
        'grpc.ssl_target_name_override': serverName,
        'grpc.default_authority': serverName,
      }),
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 1000,
    })
  }

  /**
   * Where it stands, in its own words.
   * @throws {ClientError} CLIENT_UNAVAILABLE, CLIENT_FORBIDDEN
   */
  async status(
    options: AskOptions & { readonly contentDigest?: boolean },
  ): Promise<heddle.StatusReply> {
    const { contentDigest = false } = options
    this.dateMs = undefined
    const request = create(heddle.StatusRequestSchema, { contentDigest })
    return this.#ask(methods.status, request, options)
  }

  /**
   * A key of the state, as it has it.
   * @throws {ClientError} CLIENT_UNAVAILABLE, CLIENT_FORBIDDEN
   */
  async get(contract: string, key: string, options: AskOptions): Promise<heddle.GetReply> {
    return this.#ask(methods.get, create(heddle.GetRequestSchema, { contract, key }), options)
  }

  /** All entries of a contract, in order of their keys. Rejects when the state changes meanwhile. */
  async *entries(contract: string): AsyncGenerator<heddle.Entry> {
    const request = create(heddle.EntriesRequestSchema, { contract })
    const { path, requestSerialize, responseDeserialize } = methods.entries
    const metadata = await this.#reader.metadata()
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
    )
    try {
      for await (const reply of call as AsyncIterable<heddle.EntriesReply>) yield* reply.entries
    } catch (error) {
      throw this.#failed(error)
    } finally {
      call.cancel()
    }
  }

  close(): void {
    this.#client.close()
  }

  async #ask<Request, Reply>(
    method: MethodDefinition<Request, Reply>,
    request: Request,
    { timeoutMs, signal }: AskOptions,
  ): Promise<Reply> {
    signal?.throwIfAborted()
    const metadata = await this.#reader.metadata()
    return new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = method
      const cancel = (): void => call.cancel()
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        { deadline: Date.now() + timeoutMs },
        (error, reply) => {
          signal?.removeEventListener('abort', cancel)
          if (error !== null) this.#noteDate(error.metadata)
          if (reply !== undefined) resolve(reply)
          else if (signal?.aborted === true) reject(signal.reason as Error)
          else reject(this.#failed(error))
        },
      )
      call.on('metadata', (headers) => this.#noteDate(headers))
      signal?.addEventListener('abort', cancel, { once: true })
    })
  }

  /** As every HTTP server says it (RFC 9110 §6.6.1), also with a refusal. */
  #noteDate(headers: Metadata): void {
    const date = Date.parse(String(headers.get('date')[0]))
    if (!Number.isNaN(date)) this.dateMs = date
  }

  #failed(cause: unknown): ClientError {
    const { code, details = '' } = (cause ?? {}) as Partial<ServiceError>
    if (code === status.UNAUTHENTICATED || code === status.PERMISSION_DENIED)
      return new ClientError('CLIENT_FORBIDDEN', `${this.name} refuses the client: ${details}`, {
        cause,
      })
    const why = code === status.DEADLINE_EXCEEDED ? 'no answer in time' : reasonIn(cause)
    return new ClientError('CLIENT_UNAVAILABLE', `${this.name}: ${why}`, { cause })
  }
}

/** What went wrong, without what grpc-js puts around it. */
function reasonIn(error: unknown): string {
  const message = messageOf(error)
  return /Last error: (?:\w*Error: )?(.+)\. Resolution note:/s.exec(message)?.[1] ?? message
}
