export { MemoryNetwork } from './testing/memory-comm.ts'
export { commCases } from './testing/compliance.ts'
export type { CommCase, CommFixture } from './testing/compliance.ts'
