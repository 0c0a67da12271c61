export type {
  ArchivedBlock,
  BlockSignatureVerifier,
  BlockSigner,
  Chain,
  ChainLookup,
  Grant,
  SignatureArchive,
  SignatureNetwork,
  SignedData,
  StoredBlock,
  SubmitOptions,
} from './ports.ts'
export { signBlock } from './sign-block.ts'
export { authorizeByPolicy } from './authorize.ts'
export { OrdererError, statusOf } from './errors.ts'
export type { OrdererErrorCode } from './errors.ts'
export { createOrdererServer } from './server.ts'
export { readerMetadataKey } from '@heddle/proto'
export type { ExtraService, OrdererServer, OrdererServerDeps } from './server.ts'
export type { OrdererServerOptions, ServerTls } from './server-options.ts'
export { BlockSignatureCollector } from './signature-collector.ts'
export type { BlockToSign, UnsignedBlock } from './open-block.ts'
export type {
  SignatureCollectorDeps,
  SignatureCollectorOptions,
} from './signature-collector-options.ts'
// What an ordering service begins with.
export { createGenesisBlock } from '@heddle/channel'
export type { GenesisOptions } from '@heddle/channel'
