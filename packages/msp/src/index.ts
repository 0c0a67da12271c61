export { MspError } from './errors.ts'
export type { MspErrorCode } from './errors.ts'
export { pkiIdOf, serializeIdentity } from './identity.ts'
export type { Identity, Role } from './identity.ts'
export type { SigningIdentity } from './signing-identity.ts'
export { checkWellFormed } from './well-formed.ts'
export { isLowS, toLowS } from './signature.ts'
export type { Curve } from './signature.ts'
export { mspFromConfig } from './msp.ts'
export type { Msp, MspOptions } from './msp.ts'
export { MspManager } from './manager.ts'
export type { IdentityDeserializer } from './manager.ts'
export { loadMsp, loadSigningIdentity } from './folder.ts'
export { collectSigners, collectSignersAsync } from './signed-data.ts'
export type { SignedData } from './signed-data.ts'
export { evaluatePolicy, implicitMetaPolicy, policyFromConfig, signaturePolicy } from './policy.ts'
export type { Policy, PolicyContext } from './policy.ts'
export { identityPrincipal, nOutOfPolicy, rolePrincipal } from './policy-builders.ts'
export { channelRules } from './channel.ts'
export type { ChannelRules } from './channel.ts'
export { createMessageCryptoService } from './message-crypto.ts'
export type { ChannelMembership, MessageCrypto, MessageCryptoDeps } from './message-crypto.ts'
export { generateOrganization } from './generate/organization.ts'
export type {
  GeneratedNode,
  GeneratedOrganization,
  NodeSpec,
  OrganizationSpec,
} from './generate/organization.ts'
