/** Package `etcdraft`: consensus metadata of raft channels. */
export * from './gen/orderer/etcdraft/configuration_pb.ts'
export * from './gen/orderer/etcdraft/metadata_pb.ts'
