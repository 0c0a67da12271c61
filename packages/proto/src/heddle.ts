/** Packages `heddle` and `heddle.orderer`: what Heddle keeps in blocks, answers to clients and tells among consenters. */
export * from './gen/heddle/peer_pb.ts'
export * from './gen/heddle/orderer_pb.ts'
