import type { ChannelOptions, MethodDefinition } from '@grpc/grpc-js'

const asIs = (bytes: Buffer): Buffer => bytes

function method(name: string, streaming: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/gossip.Gossip/${name}`,
    requestStream: streaming,
    responseStream: streaming,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  }
}

/**
 * The service `gossip.Gossip` with frames left as bytes: what goes to several peers is encoded once,
 * and what cannot be decoded is ours to judge, not the transport's.
 * @see fabric v3.1 gossip/message.proto
 */
export const gossipService = {
  gossipStream: method('GossipStream', true),
  ping: method('Ping', false),
}

/** A `gossip.Empty`. */
export const emptyMessage = Buffer.alloc(0)

/**
 * Settings of both directions; see fabric v3.1 internal/pkg/comm/config.go. Who dials sends no
 * HTTP/2 pings: Fabric cuts whoever sends more than one a minute. It calls `Ping` instead.
 */
export function transportOptions(options: { readonly maxMessageBytes: number }): ChannelOptions {
  return {
    'grpc.max_receive_message_length': options.maxMessageBytes,
    'grpc.max_send_message_length': options.maxMessageBytes,
    'grpc.enable_channelz': 0,
    // A gossip stream is never retried, so its writes need not be kept: the first that waits for the
    // transport holds the sender back, instead of the first after 1 MiB (grpc-js's default).
    'grpc.per_rpc_retry_buffer_size': 0,
  }
}
