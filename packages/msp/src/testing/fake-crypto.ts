import { createHash } from 'node:crypto'
import { MspError } from '../errors.ts'
import { pkiIdOf, readSerialized, serializeIdentity } from '../identity.ts'
import type { MessageCrypto } from '../message-crypto.ts'

/** A {@link MessageCrypto} without cryptography, for tests of what stands on it. */
export interface FakeMessageCrypto extends MessageCrypto {
  /** Its own serialized identity. */
  readonly identity: Uint8Array
  /** From now on this identity is invalid: MSP_REVOKED. */
  revoke(identity: Uint8Array): void
  /** From now on this identity ends at that time; without a call it never does. */
  expire(identity: Uint8Array, at: Date): void
}

function signatureOf(identity: Uint8Array, message: Uint8Array): Buffer {
  return createHash('sha256').update(identity).update(message).digest()
}

/** Names have no other spellings but line ends. */
function digestOf(idBytes: Uint8Array): Buffer {
  return createHash('sha256').update(Buffer.from(idBytes).toString('latin1').trimEnd()).digest()
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof MspError) return undefined
    throw error
  }
}

/**
 * A node `name` of organisation `mspId` whose signature is a plain hash: anybody can forge it, and
 * it costs nothing. Every identity of the form is valid until it is revoked.
 */
export function createFakeMessageCrypto(mspId: string, name: string): FakeMessageCrypto {
  const identity = serializeIdentity(mspId, Buffer.from(name, 'utf8'))
  const revoked = new Set<string>()
  const ends = new Map<string, Date>()
  const keyOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  const validateIdentity = (bytes: Uint8Array): void => {
    readSerialized(bytes)
    if (revoked.has(keyOf(bytes))) throw new MspError('MSP_REVOKED', 'this identity was revoked')
  }
  const verify: MessageCrypto['verify'] = (bytes, signature, message) => {
    validateIdentity(bytes)
    if (Buffer.compare(signatureOf(bytes, message), signature) === 0) return
    throw new MspError('MSP_BAD_SIGNATURE', 'the signature is not by this identity')
  }
  return {
    identity,
    revoke: (bytes) => void revoked.add(keyOf(bytes)),
    expire: (bytes, at) => void ends.set(keyOf(bytes), at),
    pkiIdOf,
    certificateDigest: (bytes) => attempt(() => digestOf(readSerialized(bytes).idBytes)),
    validateIdentity,
    expiration: (bytes) => {
      readSerialized(bytes)
      return ends.get(keyOf(bytes))
    },
    sign: (message) => signatureOf(identity, message),
    verify,
    verifyByChannel: (_channel, ...signed) => {
      verify(...signed)
    },
    orgOf: (bytes) => attempt(() => Buffer.from(readSerialized(bytes).mspId, 'utf8')),
  }
}
