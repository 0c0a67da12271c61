/** Package `orderer.smartbft`: consensus metadata of BFT channels. */
export * from './gen/orderer/smartbft/configuration_pb.ts'
