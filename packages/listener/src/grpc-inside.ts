import type { Http2Server, ServerHttp2Stream } from 'node:http2'
import type { Server } from '@grpc/grpc-js'
import { InvariantError } from '@heddle/interface'

/** The HTTP/2 server inside, which has what grpc-js has no options for. To be asked for when it has one. */
export function http2ServerOf(grpc: Server): Http2Server {
  const { http2Servers } = grpc as unknown as { http2Servers?: ReadonlyMap<Http2Server, unknown> }
  const [server] = http2Servers?.keys() ?? []
  if (server === undefined) throw new InvariantError('grpc-js shows no HTTP/2 server')
  return server
}

/** The HTTP/2 stream of a call; undefined unless it is the innermost one. */
export function streamOf(call: unknown): ServerHttp2Stream | undefined {
  return (call as { readonly stream?: ServerHttp2Stream }).stream
}
