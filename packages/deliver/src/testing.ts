export { MemoryStore } from './testing/memory-store.ts'
export { storeCases } from './testing/store-cases.ts'
export type { ComplianceCase, StoreUnderTest } from './testing/store-cases.ts'
