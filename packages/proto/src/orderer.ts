/** Package `orderer`: the Broadcast and Deliver services, and the orderer's configuration. */
export * from './gen/orderer/ab_pb.ts'
export * from './gen/orderer/configuration_pb.ts'
