export { createTestOrganization } from './testing/organization.ts'
export type {
  IdentityOptions,
  IdentityVariant,
  TestOrganization,
  TestOrganizationOptions,
  TestSigner,
  TlsIntermediate,
  TlsMaterial,
} from './testing/organization.ts'
export { createFakeMessageCrypto } from './testing/fake-crypto.ts'
export type { FakeMessageCrypto } from './testing/fake-crypto.ts'
