import type { Socket } from 'node:net'
import type { ChannelCredentials } from '@grpc/grpc-js'

/**
 * Lets `before` have each new socket of a channel before TLS begins on it, and remembers the socket
 * until TLS is set up: grpc-js 1.14 forgets such a socket when the channel is closed, and it would
 * stay open as long as the other side says nothing.
 *
 * @returns what destroys the sockets that are not set up yet, and those that come to be
 */
export function guardSockets(
  credentials: ChannelCredentials,
  before?: (socket: Socket) => Promise<void>,
): () => void {
  const sockets = new Set<Socket>()
  let isCut = false
  const create = credentials._createSecureConnector.bind(credentials)
  credentials._createSecureConnector = (...args) => {
    const connector = create(...args)
    const secure = connector.connect.bind(connector)
    connector.connect = async (socket) => {
      sockets.add(socket)
      if (isCut) socket.destroy()
      try {
        await before?.(socket)
        return await secure(socket)
      } finally {
        sockets.delete(socket)
      }
    }
    return connector
  }
  return () => {
    isCut = true
    for (const socket of sockets) socket.destroy()
  }
}
