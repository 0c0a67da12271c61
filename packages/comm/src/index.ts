export { createComm } from './comm.ts'
export { CommError } from './errors.ts'
export type { CommErrorCode, HandshakeErrorCode } from './errors.ts'
export { EncodedMessage, encodeMessage, signMessage, verifyEnvelope } from './messages/message.ts'
export { AggregatedSendResult } from './send-result.ts'
export type { SendResult } from './send-result.ts'
export type { HttpProxy, PeerMapper } from './ports.ts'
export type { RemotePeer } from './remote-peer.ts'
export type {
  AcceptOptions,
  Comm,
  CommDeps,
  CommOptions,
  CommTlsOptions,
  ConnectionInfo,
  MessageHandler,
  MessagePredicate,
  MessageStream,
  Outgoing,
  ReceivedMessage,
  SendWithAckOptions,
  Unsubscribe,
} from './types.ts'
