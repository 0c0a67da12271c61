export { connect } from './network.ts'
export type { ConnectDeps, Network } from './network.ts'
export type { ValidatorWord } from './status.ts'
export type {
  AddressSource,
  FolderSource,
  NetworkSource,
  ValidatorAddress,
} from './network-source.ts'
export { ClientError } from './errors.ts'
export type { ClientErrorCode } from './errors.ts'
export { descriptorFile, readDescriptor } from './descriptor.ts'
export type { NetworkDescriptor, ValidatorDescriptor } from './descriptor.ts'
export { openClient } from './network-client.ts'
export type { NetworkClient } from './network-client.ts'
export { ValidatorClient } from './validator-client.ts'
export { ReaderEnvelope } from './reader-envelope.ts'
export type { AgreedAnswer } from './query.ts'
export { Monitor, answerTimeoutMs, maxOffsetMs } from './monitor.ts'
export { clockSentence, orClock } from './own-clock.ts'
export { verifiedBlocks } from './verified-blocks.ts'
export type { BlocksOptions, VerifiedBlock } from './verified-blocks.ts'
export { ChainFollower } from './chain-follower.ts'
export { Sender, compareMs, unseenTimeoutMs } from './sender.ts'
export type { SignedTransaction } from './sender.ts'
export { startHeight } from './start-height.ts'
export type { ContractCall, SignedCall } from './transactions.ts'
export { readableRules, transactionsOf } from './block-transactions.ts'
export type { BlockTransaction, Verdict } from './block-transactions.ts'
export { signTransaction } from './sign-transaction.ts'
export { sentenceOf } from './sentences.ts'
export { blockCheck, checkAsSigned, signedContentOf } from './signed-content.ts'
export {
  blockProofOf,
  encodeFinished,
  resultsDigest,
  resultsOf,
  rulesNumberOf,
  signaturesOf,
  signedValueOf,
} from './block-content.ts'
