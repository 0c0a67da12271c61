export { MemoryChain } from './testing/memory-chain.ts'
export type { MemoryChainOptions } from './testing/memory-chain.ts'
