/** Package `heddle.pbft`: messages between PBFT replicas. */
export * from './gen/heddle/pbft_pb.ts'
