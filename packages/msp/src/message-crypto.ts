import { MspError } from './errors.ts'
import { pkiIdOf } from './identity.ts'
import type { Identity } from './identity.ts'
import type { MspManager } from './manager.ts'
import type { Msp } from './msp.ts'
import type { Policy } from './policy.ts'
import { shown } from './shown.ts'
import type { SigningIdentity } from './signing-identity.ts'
import { checkWellFormed, remembering } from './well-formed.ts'

/** A channel that this node is in: its members, and who of them may read it. */
export interface ChannelMembership {
  readonly msps: MspManager
  /** The policy `/Channel/Application/Readers`; without it no member of another organisation is heard. */
  readonly readers?: Policy | undefined
}

/** What {@link createMessageCryptoService} takes. */
export interface MessageCryptoDeps {
  /** The MSP of this node's own organisation. */
  readonly localMsp: Msp
  /** This node's own identity. */
  readonly signer: SigningIdentity
  /** By channel id. Read at each call: the composition puts a new membership in when a channel's configuration changes. */
  readonly channelMsps?: ReadonlyMap<string, ChannelMembership>
}

/** Judges identities and signatures of other nodes; fits the ports of `@heddle/identity`. */
export interface MessageCrypto {
  /** The PKI-ID, or undefined when the bytes are not an identity. Validates nothing. */
  pkiIdOf(identity: Uint8Array): Uint8Array | undefined
  /**
   * SHA-256 of the certificate as Fabric would encode it: the same for every spelling of it (line
   * ends, a high S in the issuer's signature). Undefined when no known MSP issued it.
   */
  certificateDigest(identity: Uint8Array): Uint8Array | undefined
  /** Throws an MspError unless it is a well-formed, valid member of the own or a channel's MSP. */
  validateIdentity(identity: Uint8Array): void
  /** When the identity's certificate ends; throws when that cannot be told. */
  expiration(identity: Uint8Array): Date | undefined
  /** This node's signature over `message`. */
  sign(message: Uint8Array): Uint8Array
  /** Throws unless the valid `identity` signed; members of other organisations must be readers of a channel. */
  verify(identity: Uint8Array, signature: Uint8Array, message: Uint8Array): void
  /** Throws unless `identity` signed and the readers policy of `channel` accepts it. */
  verifyByChannel(
    channel: string,
    identity: Uint8Array,
    signature: Uint8Array,
    message: Uint8Array,
  ): void
  /** The MSP id of the identity, in UTF-8; undefined when no known MSP issued it. Validity is not judged. */
  orgOf(identity: Uint8Array): Uint8Array | undefined
}

interface Judged {
  readonly identity: Identity
  /** Undefined = of the own organisation. */
  readonly channel: Channel | undefined
}

/** The channel by which an identity is judged. */
interface Channel {
  readonly name: string
  readonly readers: Policy | undefined
}

function attempt<T>(read: () => T): T | MspError {
  try {
    return read()
  } catch (error) {
    if (error instanceof MspError) return error
    throw error
  }
}

/** The MSP that vouches for an identity: the own one, else the first channel's that does. */
function judge(serialized: Uint8Array, { localMsp, channelMsps }: MessageCryptoDeps): Judged {
  const own = attempt(() => localMsp.deserialize(serialized))
  if (!(own instanceof MspError)) {
    localMsp.validate(own)
    return { identity: own, channel: undefined }
  }
  let refusal = own
  for (const [name, { msps, readers }] of channelMsps ?? []) {
    const found = attempt(() => {
      const identity = msps.deserialize(serialized)
      msps.validate(identity)
      return identity
    })
    if (!(found instanceof MspError)) return { identity: found, channel: { name, readers } }
    // "No such MSP in this channel" says less than what another channel's MSP holds against it.
    if (refusal.code === 'MSP_UNKNOWN_MSP') refusal = found
  }
  throw refusal
}

function identify(serialized: Uint8Array, deps: MessageCryptoDeps): Identity {
  const own = attempt(() => deps.localMsp.deserialize(serialized))
  if (!(own instanceof MspError)) return own
  for (const { msps } of deps.channelMsps?.values() ?? []) {
    const found = attempt(() => msps.deserialize(serialized))
    if (!(found instanceof MspError)) return found
  }
  throw own
}

/** `identity` and its signature before the readers policy of a channel. */
function checkReader({ name, readers }: Channel, identity: Identity): void {
  if (readers === undefined) {
    throw new MspError('MSP_NO_POLICY', `no readers policy for channel ${shown(name)}`)
  }
  const refusal = readers.refusal([identity])
  if (refusal !== undefined) throw new MspError('MSP_POLICY_NOT_SATISFIED', refusal)
}

/**
 * The judgement that gossip needs, over the local MSP and the MSPs of the channels.
 *
 * Expiry is not judged here: the identity mapper does that, by its own clock.
 *
 * @see fabric v3.0.0 internal/peer/gossip/mcs.go and sa.go
 */
export function createMessageCryptoService(deps: MessageCryptoDeps): MessageCrypto {
  const checkForm = remembering(checkWellFormed)
  const verifyByChannel: MessageCrypto['verifyByChannel'] = (name, serialized, ...signed) => {
    checkForm(serialized)
    const [signature, message] = signed
    const membership = deps.channelMsps?.get(name)
    if (membership === undefined) {
      throw new MspError('MSP_NO_POLICY', `no channel ${shown(name)} here`)
    }
    const identity = membership.msps.deserialize(serialized)
    identity.checkSignature(message, signature)
    checkReader({ name, readers: membership.readers }, identity)
  }
  return {
    pkiIdOf,
    certificateDigest: (serialized) => {
      const identity = attempt(() => identify(serialized, deps))
      return identity instanceof MspError ? undefined : Buffer.from(identity.id, 'hex')
    },
    validateIdentity: (serialized) => {
      checkForm(serialized)
      judge(serialized, deps)
    },
    expiration: (serialized) => identify(serialized, deps).expiresAt,
    sign: (message) => deps.signer.sign(message),
    verify: (serialized, signature, message) => {
      checkForm(serialized)
      const { identity, channel } = judge(serialized, deps)
      identity.checkSignature(message, signature)
      if (channel !== undefined) checkReader(channel, identity)
    },
    verifyByChannel,
    orgOf: (serialized) => {
      const identity = attempt(() => identify(serialized, deps))
      return identity instanceof MspError ? undefined : Buffer.from(identity.mspId)
    },
  }
}
