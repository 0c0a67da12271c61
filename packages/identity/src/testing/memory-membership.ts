import { createHash, createHmac } from 'node:crypto'
import { CodedError } from '@heddle/interface'
import { create, decode, encode, msp } from '@heddle/proto'
import type { MessageCryptoService, SecurityAdvisor } from '../ports.ts'

/** Why a {@link MemoryMembership} refused. */
export class MembershipError extends CodedError<
  'MEMBERSHIP_UNKNOWN' | 'MEMBERSHIP_REVOKED' | 'MEMBERSHIP_BAD_SIGNATURE' | 'MEMBERSHIP_NO_READER'
> {}

/** One node of a {@link MemoryMembership}. */
export interface Member {
  /** A `msp.SerializedIdentity` with the node's name where the certificate would be. */
  readonly identity: Uint8Array
  readonly pkiId: Uint8Array
  /** Signs as this node, and judges the others. */
  readonly crypto: MessageCryptoService & SecurityAdvisor
}

/** What the membership keeps of a member. */
interface Account {
  readonly mspId: string
  readonly secret: Uint8Array
  readonly expiresAt: Date | undefined
  isRevoked: boolean
}

/**
 * Organisations and their nodes in memory, without certificates: who was enrolled is a member,
 * until it is revoked. Signatures are HMACs under secrets that only this object knows.
 * The same calls give the same bytes. White space after a name is another spelling of it, as line
 * ends are of a certificate: same member, another PKI-ID.
 */
export class MemoryMembership {
  readonly #accounts = new Map<string, Account>()
  readonly #channels = new Map<string, Set<string>>()

  /** Makes `name` a member of organisation `mspId`; the same twice is the same identity. */
  enroll(mspId: string, name: string, expiresAt?: Date): Member {
    const idBytes = Buffer.from(name, 'utf8')
    const identity = encode(
      msp.SerializedIdentitySchema,
      create(msp.SerializedIdentitySchema, { mspid: mspId, idBytes }),
    )
    const secret = createHash('sha256').update('secret of ').update(identity).digest()
    const account = { mspId, secret, expiresAt, isRevoked: false }
    this.#accounts.set(certificateOf(identity), account)
    const pkiId = createHash('sha256').update(mspId).update(idBytes).digest()
    return { identity, pkiId, crypto: this.#cryptoOf(account) }
  }

  /** From now on the identity is not valid. It can still be classified. */
  revoke(identity: Uint8Array): void {
    this.#account(identity).isRevoked = true
  }

  /** Lets the members of `mspId` read `channel`. */
  admit(channel: string, mspId: string): void {
    const readers = this.#channels.get(channel) ?? new Set()
    this.#channels.set(channel, readers.add(mspId))
  }

  #cryptoOf(own: Account): MessageCryptoService & SecurityAdvisor {
    const verify: MessageCryptoService['verify'] = (identity, signature, message) => {
      const { secret } = this.#valid(identity)
      if (Buffer.compare(signatureOf(secret, message), signature) === 0) return
      throw new MembershipError('MEMBERSHIP_BAD_SIGNATURE', 'the signature is not by this identity')
    }
    return {
      pkiIdOf,
      certificateDigest: (identity) => {
        const certificate = certificateOf(identity)
        return certificate === '' ? undefined : sha256(certificate)
      },
      validateIdentity: (identity) => void this.#valid(identity),
      expiration: (identity) => this.#account(identity).expiresAt,
      sign: (message) => signatureOf(own.secret, message),
      verify,
      verifyByChannel: (channel, identity, signature, message) => {
        const { mspId } = this.#valid(identity)
        if (this.#channels.get(channel)?.has(mspId) !== true) {
          throw new MembershipError('MEMBERSHIP_NO_READER', `${mspId} may not read ${channel}`)
        }
        verify(identity, signature, message)
      },
      orgOf: (identity) => {
        const mspId = this.#accounts.get(certificateOf(identity))?.mspId
        return mspId === undefined ? undefined : Buffer.from(mspId, 'utf8')
      },
    }
  }

  /** Throws MEMBERSHIP_UNKNOWN for whoever was never enrolled, garbage included. */
  #account(identity: Uint8Array): Account {
    const account = this.#accounts.get(certificateOf(identity))
    if (account !== undefined) return account
    throw new MembershipError('MEMBERSHIP_UNKNOWN', 'no MSP supports the given identity')
  }

  /** As `#account`; throws MEMBERSHIP_REVOKED, too. */
  #valid(identity: Uint8Array): Account {
    const account = this.#account(identity)
    if (!account.isRevoked) return account
    throw new MembershipError('MEMBERSHIP_REVOKED', 'the identity was revoked')
  }
}

/** What all spellings of an identity have in common; empty for what is none. */
function certificateOf(identity: Uint8Array): string {
  try {
    const { mspid, idBytes } = decode(msp.SerializedIdentitySchema, identity)
    const name = Buffer.from(idBytes).toString('latin1').trimEnd()
    return name === '' ? '' : JSON.stringify([mspid, name])
  } catch {
    return ''
  }
}

function pkiIdOf(identity: Uint8Array): Uint8Array | undefined {
  if (identity.length === 0) return undefined
  try {
    const { mspid, idBytes } = decode(msp.SerializedIdentitySchema, identity)
    return createHash('sha256').update(mspid).update(idBytes).digest()
  } catch {
    return undefined
  }
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

const signatureOf = (secret: Uint8Array, message: Uint8Array): Buffer =>
  createHmac('sha256', secret).update(message).digest()
