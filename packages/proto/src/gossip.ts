/** Package `gossip`: everything that travels between gossiping peers. */
export * from './gen/gossip/message_pb.ts'
