import { status } from '@grpc/grpc-js'
import type { ServerInterceptingCall, ServerInterceptor } from '@grpc/grpc-js'

/** A call that the transport ended before the service could judge it. */
export interface RefusedCall {
  readonly address: string
  /** Such as `/gossip.Gossip/GossipStream`. */
  readonly method: string
  /** Name of the gRPC status, such as `RESOURCE_EXHAUSTED`. */
  readonly code: string
  readonly reason: string
}

/** The longest reason that is told. */
const longestReason = 1000

/** How grpc-js says INTERNAL of what came; other such failures are not the client's doing. */
const unreadable = /^(Error deserializing request|Failed to decompress message)/

/**
 * Tells of the calls that grpc-js ends by itself, since it tells nobody: a frame above the limit, one
 * that cannot be decompressed or decoded. It ends them by `sendStatus` of the innermost call, where no
 * interceptor looks, so that is where this listens; messages pass untouched.
 *
 * @param tell - called once for a call, before its handler hears that it was cancelled
 */
export function tellRefusedCalls(tell: (call: RefusedCall) => void): ServerInterceptor {
  return (method, call) => {
    const send = call.sendStatus.bind(call)
    let told = false
    call.sendStatus = (ended) => {
      const { code, details: reason } = ended
      if (!told && isTransports(code, reason)) {
        told = true
        tell({
          address: call.getPeer(),
          method: method.path,
          code: status[code],
          reason: reason.slice(0, longestReason),
        })
      }
      send(ended)
    }
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- grpc-js wants no more than the interface; a real one around the call would cost each message a detour
    return call as ServerInterceptingCall
  }
}

function isTransports(code: status, details: string): boolean {
  if (code === status.RESOURCE_EXHAUSTED || code === status.UNIMPLEMENTED) return true
  return code === status.INTERNAL && unreadable.test(details)
}
