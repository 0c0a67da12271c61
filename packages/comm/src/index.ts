export { createComm } from './comm.ts'
export { EncodedMessage } from './message.ts'
export { AggregatedSendResult } from './send-result.ts'
export type { SendResult } from './send-result.ts'
export type { IdentityOrganization, PeerMapper } from './ports.ts'
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
  RemotePeer,
  SendWithAckOptions,
  Unsubscribe,
} from './types.ts'
