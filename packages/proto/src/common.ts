/** Package `common`: envelopes, blocks, configuration, policies, principals. */
export * from './gen/common/common_pb.ts'
export * from './gen/common/configtx_pb.ts'
export * from './gen/common/configuration_pb.ts'
export * from './gen/common/policies_pb.ts'
export * from './gen/common/collection_pb.ts'
export * from './gen/common/ledger_pb.ts'
export * from './gen/msp/msp_principal_pb.ts'
