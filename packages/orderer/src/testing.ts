export { chainCases } from './testing/chain-cases.ts'
export type { ChainUnderTest, ComplianceCase } from './testing/chain-cases.ts'
export { MemoryChain } from './testing/memory-chain.ts'
export type { MemoryChainOptions } from './testing/memory-chain.ts'
