import { readTls } from '@heddle/msp'
import { PeerError, messageOf } from '../errors.ts'
import type { CheckedServerTls, TlsNames } from '@heddle/msp'

/**
 * Matches what TLS files hold; `names` are their paths.
 *
 * @param keys - of the configuration, that named them
 * @throws {PeerError} PEER_WRONG_CERTIFICATE
 */
export function matchTlsFiles(
  source: Parameters<typeof readTls>[0] & { readonly certificate: Buffer; readonly key: Buffer },
  names: TlsNames,
  keys: string,
): CheckedServerTls {
  try {
    return readTls(source, names)
  } catch (error) {
    const cure = `check ${keys} in the configuration`
    throw new PeerError('PEER_WRONG_CERTIFICATE', messageOf(error), { cure })
  }
}
