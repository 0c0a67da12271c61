import { X509Certificate } from 'node:crypto'
import { decode, msp } from '@heddle/proto'

/**
 * What a certificate keeps when its authority renews it: the organisation, and the key. What was signed
 * with the key verifies under either, so a validator is known by both, not by the bytes of a certificate.
 *
 * @param identity - `msp.SerializedIdentity` bytes
 * @returns a text that two identities of one holder share; undefined when there is no certificate in it
 */
export function certificateHolder(identity: Uint8Array): string | undefined {
  try {
    const { mspid, idBytes } = decode(msp.SerializedIdentitySchema, identity)
    const { publicKey } = new X509Certificate(idBytes)
    return `${mspid} ${publicKey.export({ type: 'spki', format: 'der' }).toString('hex')}`
  } catch {
    return undefined
  }
}
