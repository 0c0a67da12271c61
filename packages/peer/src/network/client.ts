import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client, credentials, status } from '@grpc/grpc-js'
import { systemClock } from '@heddle/events'
import { loadSigningIdentity, readTls } from '@heddle/msp'
import { create, grpcService, heddle } from '@heddle/proto'
import { PeerError, messageOf } from '../errors.ts'
import { ReaderEnvelope } from './reader-envelope.ts'
import type { SecureContext } from 'node:tls'
import type { Metadata, MethodDefinition, ServiceError } from '@grpc/grpc-js'
import type { Endpoint } from '@heddle/deliver'
import type { SigningIdentity } from '@heddle/msp'
import type { NetworkDescriptor, ValidatorDescriptor } from './descriptor.ts'

/** The name in the TLS certificates of validators on this machine. */
const serverName = 'localhost'

const methods = grpcService(heddle.Query)

/** Longest message of an answer. */
const maxMessageBytes = 100 * 1024 * 1024

/** The Query service of one validator. */
export class ValidatorClient {
  readonly name: string
  /** What its clock said with its last answer: milliseconds since 1970, in whole seconds. */
  dateMs: number | undefined
  readonly #client: Client
  readonly #reader: ReaderEnvelope

  /** @param nameInTls - the name in its TLS certificate */
  constructor(
    validator: Pick<ValidatorDescriptor, 'name' | 'orderer'>,
    context: SecureContext,
    reader: ReaderEnvelope,
    nameInTls = serverName,
  ) {
    this.name = validator.name
    this.#reader = reader
    const ssl = credentials.createFromSecureContext(context)
    this.#client = new Client(validator.orderer, ssl, {
      'grpc.ssl_target_name_override': nameInTls,
      'grpc.default_authority': nameInTls,
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0, // they are on this machine
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 1000,
    })
  }

  /** @throws {PeerError} PEER_NETWORK_UNAVAILABLE, PEER_FORBIDDEN */
  async status(options: {
    contentDigest?: boolean
    timeoutMs: number
  }): Promise<heddle.StatusReply> {
    const { contentDigest = false, timeoutMs } = options
    this.dateMs = undefined
    const request = create(heddle.StatusRequestSchema, { contentDigest })
    return this.#ask(methods.status, request, timeoutMs)
  }

  /** @throws {PeerError} PEER_NETWORK_UNAVAILABLE, PEER_FORBIDDEN */
  async get(contract: string, key: string, timeoutMs: number): Promise<heddle.GetReply> {
    return this.#ask(methods.get, create(heddle.GetRequestSchema, { contract, key }), timeoutMs)
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
    timeoutMs: number,
  ): Promise<Reply> {
    const metadata = await this.#reader.metadata()
    return new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = method
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        { deadline: Date.now() + timeoutMs },
        (error, reply) => {
          if (error !== null) this.#noteDate(error.metadata)
          if (reply === undefined) reject(this.#failed(error))
          else resolve(reply)
        },
      )
      call.on('metadata', (headers) => this.#noteDate(headers))
    })
  }

  /** As every HTTP server says it (RFC 9110 §6.6.1), also with a refusal. */
  #noteDate(headers: Metadata): void {
    const date = Date.parse(String(headers.get('date')[0]))
    if (!Number.isNaN(date)) this.dateMs = date
  }

  #failed(cause: unknown): PeerError {
    const { code, details = '' } = (cause ?? {}) as Partial<ServiceError>
    if (code === status.UNAUTHENTICATED || code === status.PERMISSION_DENIED)
      return new PeerError('PEER_FORBIDDEN', `${this.name} refuses the client: ${details}`, {
        cure: 'check that the client in network.json is a member of the channel, and its clock',
        cause,
      })
    const why = code === status.DEADLINE_EXCEEDED ? 'no answer in time' : reasonIn(cause)
    return new PeerError('PEER_NETWORK_UNAVAILABLE', `${this.name}: ${why}`, {
      cure: 'look at its log, or at `heddle network status`',
      cause,
    })
  }
}

/** What went wrong, without what grpc-js puts around it. */
function reasonIn(error: unknown): string {
  const message = messageOf(error)
  return /Last error: (?:\w*Error: )?(.+)\. Resolution note:/s.exec(message)?.[1] ?? message
}

/** Certificate and key of the client for TLS, PEM. */
export interface ClientMaterial {
  readonly certificate: Buffer
  readonly key: Buffer
}

/** What a client of a network on this machine needs: who it is, and how to reach the validators. */
export interface NetworkClient {
  readonly descriptor: NetworkDescriptor
  readonly genesis: Buffer
  readonly signer: SigningIdentity
  readonly tls: ClientMaterial
  /** Broadcast and Deliver services, for @heddle/deliver. */
  readonly endpoints: readonly Endpoint[]
  readonly validators: readonly ValidatorClient[]
  close(): void
}

/** A service would only say FORBIDDEN to whoever signs with a certificate that it does not take. */
async function readSigner(mspDir: string, mspId: string): Promise<SigningIdentity> {
  try {
    return await loadSigningIdentity(mspDir, mspId)
  } catch (error) {
    throw new PeerError('PEER_WRONG_CERTIFICATE', messageOf(error), {
      cure: `put a valid certificate of ${mspId} and its key into ${mspDir}`,
      cause: error,
    })
  }
}

/**
 * Opens a client with the material that the descriptor names. Connects to nobody yet.
 * @throws {PeerError} PEER_WRONG_CERTIFICATE when its own certificate or key will not do
 */
export async function openClient(
  dir: string,
  descriptor: NetworkDescriptor,
): Promise<NetworkClient> {
  const { client } = descriptor
  const at = (path: string): Promise<Buffer> => readFile(join(dir, path))
  const tls = { certificate: await at(client.tlsCertificate), key: await at(client.tlsKey) }
  const signer = await readSigner(join(dir, client.msp), client.mspId)
  const { channelId } = descriptor
  const reader = new ReaderEnvelope({ channelId, signer, tls, clock: systemClock })
  const roots = await Promise.all(descriptor.validators.map(({ tlsRoots }) => at(tlsRoots)))
  const validators = descriptor.validators.map((each, index) => {
    const { tlsCertificate: certificate, tlsKey: key } = client
    const names = { certificate, key, roots: each.tlsRoots }
    return new ValidatorClient(
      each,
      readTls({ ...tls, roots: [roots[index] ?? ''] }, names).context,
      reader,
    )
  })
  return {
    descriptor,
    genesis: await at(descriptor.genesis),
    signer,
    tls,
    endpoints: descriptor.validators.map(({ orderer }, index) => ({
      address: orderer,
      roots: [roots[index] ?? ''],
      serverName,
    })),
    validators,
    close: () => {
      for (const validator of validators) validator.close()
    },
  }
}
