import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { keyName } from './algorithm.ts'
import { nameOf } from './certificate.ts'
import type { Certificate } from './certificate.ts'
import { MspError } from './errors.ts'
import { readFolder } from './folder-files.ts'
import type { FolderEntry } from './folder-files.ts'
import { decodePem, encodePem } from './pem.ts'
import type { PemBlock } from './pem.ts'
import { isKeyPair, readPrivateKey } from './signing-identity.ts'

/** A longer file is no key (64 KiB, as in fabric-lib-go v1.1.3 bccsp/sw/fileks.go). */
export const maxKeyFileBytes = 64 * 1024

/** The first block that holds a private key: `openssl ecparam -genkey` puts parameters before it. */
function keyBlock(content: Buffer): PemBlock | undefined {
  let block = decodePem(content)
  while (block !== undefined && !block.type.endsWith('PRIVATE KEY')) block = decodePem(block.rest)
  return block
}

/** The key in a file when it is the certificate's, else why it is not taken. */
function candidate({ content, why }: FolderEntry, certificate: Certificate): KeyObject | string {
  if (content === undefined) return why
  if (content.length > maxKeyFileBytes) return `is larger than ${maxKeyFileBytes} bytes`
  const block = keyBlock(content)
  if (block === undefined) return 'holds no private key in PEM'
  if (block.type.startsWith('ENCRYPTED') || block.isEncrypted) {
    return 'is encrypted, which is not supported: store the key without a password'
  }
  let key: KeyObject
  try {
    key = readPrivateKey(encodePem(block.type, block.der))
  } catch {
    return 'is damaged, or not a readable key'
  }
  return isKeyPair(key, certificate.publicKey)
    ? key
    : `is the key (${keyName(key)}) of another certificate`
}

/**
 * The key in `keystore` that belongs to the certificate, whatever its file is called. Files that are
 * of no use are passed over, as in Fabric.
 *
 * @throws MspError `MSP_KEY_NOT_FOUND`, which names each file and why it was not taken
 */
export async function keyFor(dir: string, certificate: Certificate): Promise<KeyObject> {
  const keystore = join(dir, 'keystore')
  const reasons: string[] = []
  for (const entry of (await readFolder(keystore)) ?? []) {
    const found = candidate(entry, certificate)
    if (typeof found !== 'string') return found
    reasons.push(`${entry.name} ${found}`)
  }
  const tried = reasons.length === 0 ? 'it is empty or missing' : reasons.join('; ')
  throw new MspError(
    'MSP_KEY_NOT_FOUND',
    `${keystore} holds no key for certificate ${nameOf(certificate)}: ${tried}`,
  )
}
