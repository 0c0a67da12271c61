export * as common from './common.ts'
export * as etcdraft from './etcdraft.ts'
export * as gossip from './gossip.ts'
export * as heddle from './heddle.ts'
export * as kvrwset from './kvrwset.ts'
export * as msp from './msp.ts'
export * as orderer from './orderer.ts'
export * as pbft from './pbft.ts'
export * as protos from './protos.ts'
export * as rwset from './rwset.ts'
export * as smartbft from './smartbft.ts'

export { create } from '@bufbuild/protobuf'
export type { DescMessage, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
export { TimestampSchema, timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt'
export type { Timestamp } from '@bufbuild/protobuf/wkt'

export { blockDataHash, blockHeaderBytes, blockHeaderHash } from './block.ts'
export {
  blockMetadata,
  blockSignaturePreimage,
  buildBlock,
  ordererMetadataValue,
  signaturesSlot,
} from './new-block.ts'
export type { BlockContents, BlockMetadataSlots, BlockSignature } from './new-block.ts'
export { isConfigBlock } from './config-block.ts'
export { decode, encode, receive } from './codec.ts'
export type { Received } from './codec.ts'
export { ProtoInvalidMessageError, ProtoMalformedError } from './errors.ts'
export { grpcService } from './grpc.ts'
export { readerMetadataKey } from './reader-metadata.ts'
export type { GrpcMethod, GrpcService, ReceivingGrpcService, Sendable } from './grpc.ts'
