import type { DescMessage, DescMethod, DescService, MessageShape } from '@bufbuild/protobuf'
import { asBuffer, decode, encode, receive } from './codec.ts'
import type { Received } from './codec.ts'

/** What may be sent: a message, or the bytes of one that is encoded already. */
export type Sendable<T> = T | Uint8Array

/** One method in the form that `@grpc/grpc-js` takes; `In` and `Out` are what the receivers get. */
export interface GrpcMethod<Request, Response, In = Request, Out = Response> {
  /** Such as `/gossip.Gossip/Ping`. */
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
  /** The method's name in the .proto file. */
  readonly originalName: string
  readonly requestSerialize: (value: Sendable<Request>) => Buffer
  readonly requestDeserialize: (bytes: Buffer) => In
  readonly responseSerialize: (value: Sendable<Response>) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Out
}

type InputOf<M> = M extends { input: infer D extends DescMessage } ? MessageShape<D> : never
type OutputOf<M> = M extends { output: infer D extends DescMessage } ? MessageShape<D> : never

/** All methods of a service; receivers get decoded messages. */
export type GrpcService<S extends DescService> = {
  readonly [K in keyof S['method']]: GrpcMethod<InputOf<S['method'][K]>, OutputOf<S['method'][K]>>
}

/** All methods of a service; receivers get messages together with their bytes. */
export type ReceivingGrpcService<S extends DescService> = {
  readonly [K in keyof S['method']]: GrpcMethod<
    InputOf<S['method'][K]>,
    OutputOf<S['method'][K]>,
    Received<InputOf<S['method'][K]>>,
    Received<OutputOf<S['method'][K]>>
  >
}

/**
 * The definition of a service for `@grpc/grpc-js`: give it to `server.addService` or to
 * `makeGenericClientConstructor`. Methods have their names in camel case. This package does not
 * load grpc-js.
 *
 * Senders give a message or bytes that are encoded already. Receivers get messages or, with
 * `received`, {@link Received} ones, for what is verified, stored or passed on.
 *
 * A malformed message ends its call and nothing else. grpc-js 1.14 turns the
 * {@link ProtoMalformedError} that the deserialiser throws into status INTERNAL, on a server with
 * details `Error deserializing request`, on a client with `Response message parsing error: …`.
 */
export function grpcService<S extends DescService>(
  service: S,
  options: { readonly received: true },
): ReceivingGrpcService<S>
export function grpcService<S extends DescService>(service: S): GrpcService<S>
export function grpcService(
  service: DescService,
  options?: { readonly received: true },
): Record<string, GrpcMethod<never, never, unknown, unknown>> {
  const read = options?.received ? receive : decode
  return Object.fromEntries(
    service.methods.map((method) => [method.localName, grpcMethod(method, read)]),
  )
}

function grpcMethod(
  method: DescMethod,
  read: typeof receive | typeof decode,
): GrpcMethod<never, never, unknown, unknown> {
  const { input, output, methodKind } = method
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: methodKind === 'client_streaming' || methodKind === 'bidi_streaming',
    responseStream: methodKind === 'server_streaming' || methodKind === 'bidi_streaming',
    originalName: method.name,
    requestSerialize: (value) => serialize(input, value),
    requestDeserialize: (bytes) => read(input, bytes),
    responseSerialize: (value) => serialize(output, value),
    responseDeserialize: (bytes) => read(output, bytes),
  }
}

function serialize(schema: DescMessage, value: Sendable<MessageShape<DescMessage>>): Buffer {
  return value instanceof Uint8Array ? asBuffer(value) : encode(schema, value)
}
