export type { BlockSink, ClientTls, Endpoint, EnvelopeSigner, LedgerInfo } from './ports.ts'
export { BlockError, DeliverError, StatusError } from './errors.ts'
export type { BlockErrorCode, DeliverErrorCode } from './errors.ts'
export { lastBlockNumber, seekEnvelope, signedEnvelope, transactionId } from './envelope.ts'
export type { EnvelopeContent, SeekPosition, SeekRequest, SignedEnvelope } from './envelope.ts'
export { tlsCertificateHash } from './endpoint-tls.ts'
export { proxyFor } from './proxy.ts'
export type { HttpProxy, ProxyChoice } from './proxy.ts'
export type { Position } from './block-check.ts'
export { lastConfigOf } from './block-check.ts'
export { createBlockVerifier } from './block-verifier.ts'
export type { BlockCheck, BlockVerifier, BlockVerifierOptions } from './block-verifier.ts'
export type { BackOffOptions } from './back-off.ts'
export type { PullDeps, PullOptions } from './deliver-options.ts'
export type { AddressOverride } from './known-endpoints.ts'
export { pullBlocks } from './pull-blocks.ts'
export type { PullBlocksOptions } from './pull-blocks.ts'
export { createDeliverService } from './deliver-service.ts'
export type {
  DeliverService,
  DeliverServiceDeps,
  DeliverServiceOptions,
  DeliverStatus,
} from './deliver-service.ts'
export { createBroadcastClient } from './broadcast-client.ts'
export type { BroadcastClient } from './broadcast-client.ts'
export type { BroadcastClientDeps, BroadcastClientOptions } from './broadcast-options.ts'
export type { BroadcastResult } from './submission.ts'
