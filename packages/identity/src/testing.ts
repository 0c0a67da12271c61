export { messageCryptoCases } from './testing/crypto-cases.ts'
export type { ComplianceCase, CryptoFixture } from './testing/crypto-cases.ts'
export { MembershipError, MemoryMembership } from './testing/memory-membership.ts'
export type { Member } from './testing/memory-membership.ts'
