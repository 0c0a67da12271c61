/** Package `msp`: identities and the configuration of an MSP. */
export * from './gen/msp/identities_pb.ts'
export * from './gen/msp/msp_config_pb.ts'
